"""A point of a record: its metric with what it is derived from, checked against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from sc_sionna.sweep.engine import PointResult
from sc_sionna.sweep.metrics import Metric, to_counts
from sc_sionna.sweep.per_image import unpack, unpack_scores
from sc_sionna.sweep.points import Stop
from sc_sionna.sweep.scores import ScoreSummary, check_outcome, metric_of

STRICT = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)  # of a record and of all its parts


class PointRecord(BaseModel):
    """One metric of one point.

    value, ci95, counts : the metric, its 95 % interval, and the counts they are derived from; all null if not run. The mean
        of a score over a single image has no interval
    batches, first_batch : number of batches, and counts of the first, which a replay of any size can repeat exactly
    scores, first_scores : of a task with real-valued scores their summaries, over all batches and of the first
    outcomes : image by image, in their order: the hits of a count as packed bits, and the scores that are the metric, both
        in hexadecimal digits (:mod:`~sc_sionna.sweep.per_image`). Empty in records made before there were any
    budget : cost of one image on the air
    stop : which rule stopped the point; null if not run, or not to its end
    """

    model_config = STRICT

    system: str
    snr_db: float
    threat: str | None = None
    metric: str
    value: float | None
    ci95: tuple[float, float] | None
    counts: dict[str, int] | None
    batches: int = Field(0, ge=0)
    first_batch: dict[str, int] | None = None
    budget: dict[str, Any] | None = None
    stop: Stop | None = None
    scores: dict[str, ScoreSummary] = {}
    first_scores: dict[str, ScoreSummary] = {}
    outcomes: dict[str, str] = {}

    @property
    def measure(self) -> Metric:
        """The metric by its name; ValueError where a point that was run has neither such a rate nor such a score."""
        return metric_of(self.metric, self.scores if self.counts is not None else [self.metric])

    @property
    def found(self) -> dict[str, Any]:
        """Counts and summaries of scores, of which the metric is a function; empty if not run."""
        return {**(self.counts or {}), **self.scores}

    def per_image(self, name: str) -> np.ndarray:
        """The stored outcomes of a name: hits of a count, bool ``[N]``, or scores, float32 ``[N]``; KeyError without any."""
        text = self.outcomes[name]
        return unpack_scores(text) if name in self.scores else unpack(text, (self.counts or {})["images"])

    @property
    def key(self) -> tuple[str, float, str | None, str]:
        """What makes two points of two records the same."""
        return self.system, self.snr_db, self.threat, self.metric

    @model_validator(mode="after")
    def _check(self) -> PointRecord:
        expected = self.measure.value(self.found) if self.counts is not None else None
        if (self.value is None) != (expected is None):
            raise ValueError("value, ci95 and counts are null together, for a point that was not run")
        if self.value is not None and expected is not None and not isclose(self.value, expected, abs_tol=1e-12):
            raise ValueError(f"value = {self.value} is not the value {expected} of the counts")
        return self

    @model_validator(mode="after")
    def _check_counts(self) -> PointRecord:
        """Counts that a simulation can have made, and an interval that is theirs."""
        counts = to_counts(self.counts or {})
        first = to_counts(self.first_batch or {})
        if (self.batches > 0) != bool(counts) or (first and not counts):
            raise ValueError(f"batches = {self.batches}: a point has counts if and only if it has batches")
        larger = [name for name, value in first.items() if value > counts.get(name, 0)]
        whole = self.measure.denominator
        more = counts.get(whole, 0) > first.get(whole, 0)
        if larger or (first and (not more if self.batches > 1 else first != counts)):
            raise ValueError(f"first_batch: {', '.join(larger) or 'it'} is no part of the counts")
        interval = self.measure.interval(self.found)
        if (interval is None) != (self.ci95 is None) or not all(
            isclose(a, b, abs_tol=1e-12) for a, b in zip(interval or (), self.ci95 or (), strict=True)
        ):
            raise ValueError(f"ci95 = {self.ci95} is not the interval {interval} of the counts")
        return self

    @model_validator(mode="after")
    def _check_scores(self) -> PointRecord:
        """As many scores as images, and outcomes that sum up to the counts and scores, of all batches and of the first."""
        if self.scores.keys() != self.first_scores.keys():
            raise ValueError("scores and first_scores: not of the same names")
        for summaries, counts in ((self.scores, self.counts), (self.first_scores, self.first_batch)):
            if any(summary.images != (counts or {}).get("images") for summary in summaries.values()):
                raise ValueError("scores: not one for each image")
        for name, text in self.outcomes.items():
            check_outcome(name, text, (self.counts, self.first_batch), (self.scores, self.first_scores))
        return self

    @model_serializer(mode="wrap")
    def _without_absent(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A point of a task without scores says nothing of them, and one without outcomes nothing of those."""
        content: dict[str, Any] = write(self)
        optional = ("scores", "first_scores", "outcomes")
        return {key: value for key, value in content.items() if value or key not in optional}


def point_records(
    results: Sequence[PointResult], metric: Metric, budgets: Mapping[str, Mapping[str, Any] | None] | None = None
) -> list[PointRecord]:
    """Points of a record from the engine's results; ``budgets`` by name of the system."""
    found: list[dict[str, Any]] = [{**(r.counts or {}), **r.scores} for r in results]
    return [
        PointRecord(
            system=r.point.system,
            snr_db=r.point.snr_db,
            threat=r.point.threat,
            metric=metric.name,
            value=metric.value(values),
            ci95=metric.interval(values),
            counts=r.counts,
            batches=r.batches,
            first_batch=r.first_batch,
            budget=dict(budget) if (budget := (budgets or {}).get(r.point.system)) is not None else None,
            stop=r.stop,
            scores=dict(r.scores),
            first_scores=dict(r.first_scores),
            outcomes=dict(r.outcomes),
        )
        for r, values in zip(results, found, strict=True)
    ]
