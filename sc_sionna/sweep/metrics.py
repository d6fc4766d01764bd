"""Integer counts are the state of a simulation; rates and intervals are derived from them.

Counts are a mapping from a name to an integer and merge by addition, so any grouping of batches gives the same state. Names
in use: ``images``, ``correct``, ``bits``, ``bit_errors``, ``blocks``, ``block_errors``, ``indices``, ``index_errors``,
``undecodable``, ``undetected`` (streams with wrong bits that every CRC accepted). ``X_sq`` is the sum over images of (X of
that image)²; it is optional and sharpens the interval of X.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from operator import index
from typing import Any, ClassVar

import numpy as np

Counts = dict[str, int]

Z95 = 1.959963984540054
LARGEST = 2**63
# The names that are a part of others; X_errors is a part of Xs
OF = {
    "correct": "images", "undecodable": "images", "undetected": "images", "empty": "images", "index_errors": "indices",
    "draws_correct": "draws",
}  # fmt: skip


def to_counts(values: Mapping[str, int]) -> Counts:
    """Plain Python integers of counts; TypeError for a float, ValueError for counts that no simulation can have made.

    A count is at least 0 and at most the number of what is counted (:data:`OF`, and ``X_errors`` of ``Xs``). Over N images
    the sum of squares S of a count with the sum E satisfies E <= S and E² <= N S.
    """
    counts = {name: index(value) for name, value in values.items()}
    for name, value in counts.items():
        if not 0 <= value < LARGEST:
            raise ValueError(f"{name} = {value}: a count lies in 0 to 2^63 - 1")
        whole = OF.get(name) or (f"{name.removesuffix('_errors')}s" if name.endswith("_errors") else None)
        if whole is not None and value > counts.get(whole, 0):
            raise ValueError(f"{name} = {value}: at most {whole} = {counts.get(whole, 0)}")
        events = counts.get(name.removesuffix("_sq"), 0) if name.endswith("_sq") else None
        if events is not None and not events <= value <= events**2:
            raise ValueError(
                f"{name} = {value}: the squares of counts that sum to {events} sum to {events} to {events}²"
            )
        if events is not None and "images" in counts and events**2 > value * counts["images"]:
            raise ValueError(f"{name} = {value}: too little for {events} events in {counts['images']} images")
    return counts


def merge(*parts: Mapping[str, int]) -> Counts:
    """Sum of counts; a name that a part lacks counts 0 there. Associative and commutative."""
    total: Counts = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + index(value)
    return total


def clustered(name: str, per_image: np.ndarray) -> Counts:
    """Sum of a count over images, and as ``NAME_sq`` the sum of squares, which says how events cluster in images."""
    events = per_image.astype(np.int64)
    return {name: int(events.sum()), f"{name}_sq": int((events**2).sum())}


def link_counts(bits: Any, blocks: Any, indices: Any) -> Counts:
    """Counts of what a link got wrong, from bool ``[B, bits]``, ``[B, blocks]`` and ``[B, indices]``, True where wrong."""
    counts: Counts = {}
    for name, wrong in (("bit", bits), ("block", blocks), ("index", indices)):
        counts["indices" if name == "index" else f"{name}s"] = wrong.size
        counts |= clustered(f"{name}_errors", wrong.sum(axis=1))
    return counts


def rate(counts: Mapping[str, int], numerator: str, denominator: str) -> float | None:
    """Rate of two counts; None without trials: a point that was not run is not perfect."""
    trials = counts.get(denominator, 0)
    return counts.get(numerator, 0) / trials if trials else None


def wilson(successes: float, trials: float, z: float = Z95) -> tuple[float, float] | None:
    """Wilson score interval of a proportion; None without trials.

    With p = successes / trials, n = trials (Wilson 1927, doi:10.1080/01621459.1927.10502953)::

        (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)

    Raises ValueError unless 0 <= successes <= trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes = {successes}: must lie in [0, trials = {trials}]")
    if trials == 0:
        return None
    p = successes / trials
    centre = p + z * z / (2 * trials)
    half = z * sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # the ends are exact where rounding could leave [0, 1] or exclude the estimate
    low = 0.0 if successes == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if successes == trials else min(1.0, (centre + half) / scale)
    return low, high


def effective_trials(counts: Mapping[str, int], numerator: str, denominator: str) -> float:
    """Independent trials that a rate is worth. The independent sample is the image: its bits share one fading draw.

    N images with n trials each and e_i events, p = Σ e_i / (N n). The variance of p between images is
    ``(Σ e_i² - N (n p)²) / (N (N-1) n²)`` (cluster sampling, equal clusters assumed); the result is p(1-p) over it, at most
    N n. Without Σ e_i² (count ``numerator_sq``), or without events to learn it from, it is the N images, as if all bits of
    an image failed together. Trials that are not part of images count in full.
    """
    trials, images = counts.get(denominator, 0), counts.get("images", 0)
    events, squares = counts.get(numerator, 0), counts.get(f"{numerator}_sq")
    if denominator == "images" or images == 0 or trials <= images or events > trials:
        return float(trials)
    if squares is None or images < 2 or events in (0, trials):
        return float(images)
    p, n = events / trials, trials / images
    variance = (squares - images * (n * p) ** 2) / (images * (images - 1) * n * n)
    return min(float(trials), p * (1 - p) / variance) if variance > 0 else float(trials)


@dataclass(frozen=True)
class Metric:
    """What the value of a point is: ``numerator`` over ``denominator`` of its counts.

    width : of the interval that its values lie in
    counts_errors : whether a stop rule can ask for a number of errors
    """

    name: str
    numerator: str
    denominator: str
    higher_is_better: bool = False
    width: ClassVar[float] = 1.0
    counts_errors: ClassVar[bool] = True

    def value(self, counts: Mapping[str, int]) -> float | None:
        """The rate; None without trials."""
        return rate(counts, self.numerator, self.denominator)

    def interval(self, counts: Mapping[str, int]) -> tuple[float, float] | None:
        """Wilson 95 % interval at :func:`effective_trials`; None without trials."""
        successes, trials = counts.get(self.numerator, 0), counts.get(self.denominator, 0)
        n = effective_trials(counts, self.numerator, self.denominator)
        # the counts themselves where they are independent: no rounding, and more successes than trials raise
        return wilson(successes, trials) if n == trials else wilson(successes / trials * n, n)

    def errors(self, counts: Mapping[str, int]) -> int:
        """Number of errors: the misses of a rate of success, the hits of a rate of failure."""
        hits = counts.get(self.numerator, 0)
        return counts.get(self.denominator, 0) - hits if self.higher_is_better else hits

    def difference_z(self, a: Mapping[str, int], b: Mapping[str, int]) -> float | None:
        """The z of the difference between two counts; None where one of them has no trials."""
        p_a, p_b = self.value(a), self.value(b)
        if p_a is None or p_b is None:
            return None
        n_a, n_b = (effective_trials(c, self.numerator, self.denominator) for c in (a, b))
        return two_proportion_z(p_a, n_a, p_b, n_b)


ACCURACY = Metric("accuracy", "correct", "images", higher_is_better=True)
BIT_ERROR_RATE = Metric("bit_error_rate", "bit_errors", "bits")
BLOCK_ERROR_RATE = Metric("block_error_rate", "block_errors", "blocks")
INDEX_ERROR_RATE = Metric("index_error_rate", "index_errors", "indices")
UNDECODABLE_RATE = Metric("undecodable_rate", "undecodable", "images")
METRICS = {m.name: m for m in (ACCURACY, BIT_ERROR_RATE, BLOCK_ERROR_RATE, INDEX_ERROR_RATE, UNDECODABLE_RATE)}


def difference_interval(
    metric: Metric, counts_a: Mapping[str, int], counts_b: Mapping[str, int]
) -> tuple[float, float, float] | None:
    """The difference a − b of a metric with its 95 % interval; None where one of them has no trials.

    Newcombe's hybrid of two Wilson intervals (1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I,
    method 10), for independent samples. Where both saw the same images it is wider than it need be; where their outcomes are
    kept image by image, :func:`sc_sionna.sweep.paired.difference_of` pairs them.
    """
    values = [(metric.value(c), metric.interval(c)) for c in (counts_a, counts_b)]
    (a, of_a), (b, of_b) = values
    if a is None or b is None or of_a is None or of_b is None:
        return None
    low = a - b - sqrt((a - of_a[0]) ** 2 + (of_b[1] - b) ** 2)
    return a - b, low, a - b + sqrt((of_a[1] - a) ** 2 + (b - of_b[0]) ** 2)


def two_proportion_z(p_a: float, n_a: float, p_b: float, n_b: float) -> float:
    """The z of the difference of two proportions, pooled variance; 0 where both are all or nothing alike."""
    pooled = (p_a * n_a + p_b * n_b) / (n_a + n_b)
    variance = pooled * (1 - pooled) * (1 / n_a + 1 / n_b)
    return (p_a - p_b) / sqrt(variance) if variance > 0 else 0.0
