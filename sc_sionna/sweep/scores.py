"""What a batch gave: counts, whose hits are a bit per image, and real-valued scores such as PSNR, a float32 per image.

Means and intervals are derived from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from math import fsum, inf, sqrt
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import stdtrit

from sc_sionna.sweep.metrics import METRICS, Counts, Metric, to_counts
from sc_sionna.sweep.per_image import Hits, check_hits, to_bytes, unpack, unpack_scores

Scores = dict[str, np.ndarray]  # float32, one per image, by the name of the score


class Outcome(NamedTuple):
    """What a batch gave.

    counts : integers, the truth of every rate
    scores : by name the scores of its images, float32 ``[B]`` in the order of the batch
    hits : by the name of a count of images, such as ``correct``, which images it counted, bool ``[B]``. They let two systems
        be compared image by image; a task that does not give them is compared by its counts
    """

    counts: Counts
    scores: Scores = {}  # noqa: RUF012  a tuple's default, never changed
    hits: Hits = {}  # noqa: RUF012


def to_outcome(values: Mapping[str, int] | Outcome) -> Outcome:
    """Counts, scores and hits that may be kept.

    Raises ValueError as :func:`~sc_sionna.sweep.metrics.to_counts`, for scores that are not one number per image, for a
    score with the name of a count, and for hits that are not one bit per image or not as many as their count.
    """
    found = values if isinstance(values, Outcome) else Outcome(dict(values))
    counts = to_counts(found.counts)
    scores = {name: np.asarray(values, np.float32) for name, values in found.scores.items()}
    for name, of_images in scores.items():
        if name in counts or name in METRICS:
            raise ValueError(f"score {name!r}: a count or a rate has this name; choose another")
        if of_images.shape != (counts.get("images", 0),) or not np.isfinite(of_images).all():
            raise ValueError(f"score {name!r}: not one finite number for each of {counts.get('images', 0)} images")
    hits = {name: np.asarray(which) for name, which in found.hits.items()}
    for name, which in hits.items():
        check_hits(name, which, counts)
    return Outcome(counts, scores, hits)


def same_outcome(a: Outcome, b: Outcome) -> bool:
    """Whether two outcomes are equal in every count, every bit of every score, and every hit."""
    if a.counts != b.counts or a.scores.keys() != b.scores.keys() or a.hits.keys() != b.hits.keys():
        return False
    same = all(to_bytes(values) == to_bytes(b.scores[name]) for name, values in a.scores.items())
    return same and all(np.array_equal(which, b.hits[name]) for name, which in a.hits.items())


class ScoreSummary(BaseModel):
    """What a record keeps of the scores of a point's images."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    images: int = Field(ge=1, description="the number of images")
    mean: float = Field(description="the mean over images")
    deviation: float = Field(ge=0, description="the standard deviation between images (n - 1); 0 for one image")
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="SHA-256 of the scores as float32, least significant byte first"
    )


def joined(parts: Sequence[Scores]) -> Scores:
    """The scores, or hits, of several batches one after the other; ValueError where one lacks a name that another has."""
    names = dict.fromkeys(name for part in parts for name in part)
    if any(part.keys() != names.keys() for part in parts):
        raise ValueError(f"{', '.join(names)}: not all batches have them, image by image")
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def summarised(scores: Scores) -> dict[str, ScoreSummary]:
    """Means and deviations, rounded once from the exact sum, so that they do not depend on the order of the images."""
    found = {}
    for name, values in scores.items():
        exact = values.astype(np.float64).tolist()
        count, mean = len(exact), fsum(exact) / len(exact)
        deviation = sqrt(fsum((x - mean) ** 2 for x in exact) / (count - 1)) if count > 1 else 0.0
        digest = hashlib.sha256(to_bytes(values)).hexdigest()
        found[name] = ScoreSummary(images=count, mean=mean, deviation=deviation, sha256=digest)
    return found


def check_outcome(
    name: str, text: str, counts: Sequence[Counts | None], scores: Sequence[Mapping[str, ScoreSummary]]
) -> None:
    """ValueError unless a point's stored outcomes of its images are those that its counts or scores sum up.

    name : of a count, which the bits of the images must add up to, or of a score, whose SHA-256 must be theirs
    counts, scores : of all images, and of those of the first batch, which come first
    """
    images = (counts[0] or {}).get("images", 0)
    if all(name in of_part for of_part in scores):
        values = unpack_scores(text)
        parts = [(hashlib.sha256(to_bytes(values[: s[name].images])).hexdigest(), s[name].sha256) for s in scores]
        if len(values) != images or any(actual != stated for actual, stated in parts):
            raise ValueError(f"outcomes of {name!r}: not the scores that are summed up")
    elif name in (counts[0] or {}):
        hits = unpack(text, images)
        for part in counts:
            if part is not None:
                check_hits(name, hits[: part.get("images", 0)], part)
    else:
        raise ValueError(f"outcomes of {name!r}: neither a count nor a score of the point")


class MeanScore(Metric):
    """The mean of a score over images, with Student's 95 % interval; the counts are given with the scores' summaries."""

    width: ClassVar[float] = inf
    counts_errors: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        super().__init__(name, numerator=name, denominator="images", higher_is_better=True)

    def value(self, counts: Mapping[str, Any]) -> float | None:
        """The mean over images; None without images."""
        summary: ScoreSummary | None = counts.get(self.name)
        return None if summary is None else summary.mean

    def interval(self, counts: Mapping[str, Any]) -> tuple[float, float] | None:
        """The mean ± t s/√n; None below two images.

        t is the quantile of Student's distribution for n − 1: images are independent.
        """
        summary: ScoreSummary | None = counts.get(self.name)
        if summary is None or summary.images < 2:
            return None
        half = float(stdtrit(summary.images - 1, 0.975)) * summary.deviation / sqrt(summary.images)
        return summary.mean - half, summary.mean + half

    def difference_z(self, a: Mapping[str, Any], b: Mapping[str, Any]) -> float | None:
        """The z of the difference of two means of independent images (Welch); None where one has no interval."""
        one, other = a.get(self.name), b.get(self.name)
        if one is None or other is None or min(one.images, other.images) < 2:
            return None
        variance = one.deviation**2 / one.images + other.deviation**2 / other.images
        difference = float(one.mean - other.mean)
        if variance == 0:
            return 0.0 if difference == 0 else float("inf")
        return difference / sqrt(variance)


def metric_of(name: str, scores: Collection[str]) -> Metric:
    """The metric that a record's point names: a rate, or the mean of one of its ``scores``; ValueError for another."""
    if name in METRICS:
        return METRICS[name]
    if name in scores:
        return MeanScore(name)
    raise ValueError(f"metric {name!r} is unknown; known: {', '.join([*METRICS, *scores])}")
