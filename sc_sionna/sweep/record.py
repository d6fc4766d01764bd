"""Records: what a sweep found and everything needed to find it again, as JSON that states its own SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isclose
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from sc_sionna.core import strict_json
from sc_sionna.core.atomic import write_text
from sc_sionna.core.errors import UserError
from sc_sionna.settings import settings_hash
from sc_sionna.sweep.engine import PointResult
from sc_sionna.sweep.metrics import Metric, to_counts
from sc_sionna.sweep.points import Stop, StopRule
from sc_sionna.sweep.provenance import command_line, device_description, git_commit, processor_class, versions
from sc_sionna.sweep.scores import ScoreSummary, metric_of

SCHEMA = 1
REMEDY = "restore the file from version control, or run its sweep again"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PointRecord(_Strict):
    """One metric of one point.

    value, ci95, counts : the metric, its 95 % interval, and the counts they are derived from; all null if not run. The mean
        of a score over a single image has no interval
    batches, first_batch : number of batches, and counts of the first, which a replay of any size can repeat exactly
    scores, first_scores : of a task with real-valued scores their summaries, over all batches and of the first
    budget : cost of one image on the air
    stop : which rule stopped the point; null if not run, or not to its end
    """

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

    @property
    def measure(self) -> Metric:
        """The metric by its name; ValueError where a point that was run has neither such a rate nor such a score."""
        return metric_of(self.metric, self.scores if self.counts is not None else [self.metric])

    @property
    def found(self) -> dict[str, Any]:
        """Counts and summaries of scores, of which the metric is a function; empty if not run."""
        return {**(self.counts or {}), **self.scores}

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
        """As many scores as images, of all batches and of the first."""
        if self.scores.keys() != self.first_scores.keys():
            raise ValueError("scores and first_scores: not of the same names")
        for summaries, counts in ((self.scores, self.counts), (self.first_scores, self.first_batch)):
            if any(summary.images != (counts or {}).get("images") for summary in summaries.values()):
                raise ValueError("scores: not one for each image")
        return self

    @model_serializer(mode="wrap")
    def _without_absent_scores(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A point of a task without scores says nothing of them."""
        content: dict[str, Any] = write(self)
        return {key: value for key, value in content.items() if value or key not in ("scores", "first_scores")}


class Record(_Strict):
    """One sweep.

    notes : what figures need beside the points, for example ``chance`` or an error-free accuracy
    values : results that are no counts, such as vectors or closed forms; a replay compares them leaf by leaf
    """

    schema_version: int = Field(SCHEMA, alias="schema")
    name: str
    command: str
    settings: dict[str, Any]
    settings_sha256: str
    commit: dict[str, Any] | None
    versions: dict[str, str]
    device: dict[str, Any]
    seed: int
    data_set: str
    created: str
    duration_s: float
    notes: dict[str, Any] = {}
    values: dict[str, Any] = {}
    points: tuple[PointRecord, ...]

    @model_validator(mode="after")
    def _check(self) -> Record:
        processors = self.device.get("processors", [])
        if not isinstance(processors, list) or not all(isinstance(name, str) for name in processors):
            raise ValueError("device.processors is not a list of the names of processor classes")
        if not isinstance((self.commit or {}).get("hash", ""), str):
            raise ValueError("commit.hash is not a text")
        if self.settings_sha256 != settings_hash(self.settings):
            raise ValueError("settings_sha256 is not the hash of the settings")
        if self.settings.get("seed", self.seed) != self.seed:
            raise ValueError(f"seed = {self.seed} is not that of the settings, {self.settings['seed']!r}")
        keys = [point.key for point in self.points]
        if len(set(keys)) < len(keys):
            raise ValueError("a point occurs twice")
        return self

    @model_validator(mode="after")
    def _check_stops(self) -> Record:
        """Every ``stop`` is what the stop rule of the settings says of the counts, as far as the rule alone decides it."""
        if not isinstance(self.settings.get("stop"), dict):
            return self
        rule = StopRule(**self.settings["stop"])
        for point in self.points:
            # an engine's point has a first batch; without one the counts are not of the sweep's batches
            if point.counts is None or point.first_batch is None:
                continue
            said = rule.verdict(point.batches, point.found, point.measure)
            # the data may end before the rule does, and a reader cannot know
            if point.stop != said and not (said is None and point.stop == "maximum"):
                raise ValueError(f"stop = {point.stop} of {point.system!r}: the rule and the counts say {said}")
        return self


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
        )
        for r, values in zip(results, found, strict=True)
    ]


def make_record(
    name: str,
    *,
    settings: dict[str, Any],
    seed: int,
    data_set: str,
    points: Sequence[PointRecord],
    duration_s: float,
    command: str | None = None,
    notes: dict[str, Any] | None = None,
    processors: Sequence[str] | None = None,
    values: dict[str, Any] | None = None,
) -> Record:
    """A record of this process: its command line, code, versions and device are looked up here.

    settings : JSON-able; with ``seed`` and ``data_set`` enough to build the sweep again
    processors : the classes of the processors that ran the batches; None for this process's
    """
    settings = json.loads(json.dumps(settings))  # as it will be read: tuples are lists
    return Record(
        schema_version=SCHEMA,
        name=name,
        command=command_line() if command is None else command,
        settings=settings,
        settings_sha256=settings_hash(settings),
        commit=git_commit(),
        versions=versions(),
        device=device_description() | {"processors": list(processors or [processor_class()])},
        seed=seed,
        data_set=data_set,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        duration_s=round(duration_s, 2),
        notes=notes or {},
        values=values or {},
        points=tuple(points),
    )


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of a record without its ``sha256``, as canonical JSON."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(path: Path, record: Record) -> None:
    """Write a record atomically. UserError where the folder cannot be written or a number is not finite."""
    content = record.model_dump(by_alias=True)  # not mode="json", which turns a NaN into null
    try:
        content["sha256"] = content_hash(content)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise UserError(f"{path}: a record holds finite numbers only ({error}); write null for a missing one") from None
    write_text(path, text + "\n")


def read_record(path: Path) -> Record:
    """Read and check a record. UserError for a file that is missing, truncated, of another version, or changed."""
    try:
        content = strict_json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a record under results/records") from None
    except ValueError as error:
        raise UserError(f"{path}: truncated or not JSON ({error}); {REMEDY}") from None
    if not isinstance(content, dict) or "schema" not in content:
        raise UserError(f"{path}: not a record (no 'schema'); name a record under results/records")
    if content["schema"] != SCHEMA or isinstance(content["schema"], bool):
        raise UserError(
            f"{path}: schema {content['schema']!r}, this program reads {SCHEMA}; use the version of the program that "
            "wrote it, or run its sweep again"
        )
    try:
        stated, actual = content.pop("sha256", None), content_hash(content)
    except ValueError:  # 1e999 is valid JSON and reads as infinity
        raise UserError(f"{path}: a number in it is out of range, so it was changed; {REMEDY}") from None
    if stated != actual:
        raise UserError(
            f"{path}: its SHA-256 is {actual[:12]}, but it states {str(stated)[:12]}, so it was changed; {REMEDY}"
        )
    try:
        return Record(**content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        raise UserError(f"{path}: not a valid record ({where}: {first['msg']}); {REMEDY}") from None
