"""Differences between two systems that met the same images: pairs of outcomes, which are never independent samples.

An image that is hard for one system tends to be hard for the other, and at equal seeds both meet the same fading and noise.
Only the images on which the two differ say anything about the difference; an interval for independent samples ignores that
and is too wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt
from statistics import fmean, stdev
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import brentq

from sc_sionna.core import rng
from sc_sionna.sweep.metrics import Z95, difference_interval
from sc_sionna.sweep.point_record import PointRecord

RESAMPLES = 9_999
Basis = Literal["paired", "independent"]


class Pairs(NamedTuple):
    """How often each pair of outcomes of N images occurred."""

    both: int
    first_alone: int
    second_alone: int
    neither: int


class Difference(NamedTuple):
    """First minus second of two systems, with the ends of its 95 % interval.

    basis : whether the images were paired, or only the counts of each system were at hand
    images : over which the difference is taken; None where the two systems are compared by their counts
    """

    value: float
    low: float
    high: float
    basis: Basis
    images: int | None


class Spread(NamedTuple):
    """Differences of several training seeds: the mean, the standard deviation (n - 1; 0 for one) and the range."""

    seeds: int
    mean: float
    deviation: float
    low: float
    high: float


def pairs_of(first: np.ndarray, second: np.ndarray) -> Pairs:
    """The table of two systems' hits on the same images, bool ``[N]`` each."""
    both, first_alone = int((first & second).sum()), int((first & ~second).sum())
    second_alone = int((~first & second).sum())
    return Pairs(both, first_alone, second_alone, len(first) - both - first_alone - second_alone)


def score_statistic(pairs: Pairs, difference: float) -> float:
    r"""The score statistic T(Δ) of the hypothesis that the shares of hits differ by Δ, ``-1 < difference < 1``.

    Of N images n10 are hits of the first system alone and n01 of the second alone, with probabilities p10 and p01. The
    difference of the two shares is p10 - p01, since the images that both hit or both miss cancel. Under the hypothesis
    p10 = x + Δ and p01 = x with one free x, and the log-likelihood of the table is, up to a constant,::

        L(x) = n10 ln(x + Δ) + n01 ln x + (N - n10 - n01) ln(1 - 2x - Δ)

    Setting dL/dx = 0 and multiplying by x (x + Δ) (1 - 2x - Δ) leaves a quadratic in x::

        f(x) = 2N x² + (Δ (2N - n10 + n01) - n10 - n01) x - n01 Δ (1 - Δ) = 0

    An x is admissible from max(0, -Δ) to (1 - Δ) / 2. At the lower of these ends f is -n01 Δ (1 - Δ) or n10 Δ (1 + Δ), not
    positive for Δ >= 0 and Δ <= 0 respectively; at the upper end it is (N - n10 - n01)(1 - Δ²) / 2, not negative. So the
    larger root is admissible, the other is not unless it is the lower end itself, and as dL/dx has the sign of -f, L is
    greatest at the larger. The variance of n10 - n01 is N (p10 + p01 - Δ²), in which this x is put::

        T(Δ) = (n10 - n01 - N Δ) / sqrt(N (2x + Δ - Δ²))

    As Tango (1998), doi:10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B. At Δ = 0 it is McNemar's
    (n10 - n01) / sqrt(n10 + n01). Where the variance is 0, T is 0 without a deviation and infinite with one.
    """
    n, first, second = sum(pairs), pairs.first_alone, pairs.second_alone
    b = difference * (2 * n - first + second) - first - second
    root = sqrt(max(0.0, b * b + 8 * n * second * difference * (1 - difference)))
    x = max((root - b) / (4 * n), 0.0, -difference)  # rounding may leave the admissible x by an ulp
    variance, deviation = n * (2 * x + difference - difference**2), first - second - n * difference
    if variance <= 0:
        return 0.0 if deviation == 0 else inf if deviation > 0 else -inf
    return deviation / sqrt(variance)


def score_interval(pairs: Pairs, z: float = Z95) -> tuple[float, float, float]:
    """The difference of two paired shares with its interval, by default of 95 %: all Δ with |T(Δ)| <= z.

    T of :func:`score_statistic` falls as Δ rises, so each end is the one root of T(Δ) = ±z on its side of the estimate.
    Without images on which the systems differ the interval is ±z² / (N + z²), and not a point. ValueError without images.
    """
    n = sum(pairs)
    if n == 0:
        raise ValueError("pairs: no images")
    value = (pairs.first_alone - pairs.second_alone) / n
    # T is infinite at -1 and 1 themselves, unless the estimate lies there and is an end of the interval
    edge = 1 - 1e-12
    low, high = -1.0, 1.0
    if value > -1:
        low = brentq(lambda d: score_statistic(pairs, d) - z, -edge, min(value, edge), xtol=1e-13)
    if value < 1:
        high = brentq(lambda d: score_statistic(pairs, d) + z, max(value, -edge), edge, xtol=1e-13)
    return value, low, high


def bootstrap_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float] | None:
    """The mean difference of two systems' scores of the same images with its 95 % interval; None below two images.

    first, second : float32 ``[N]``

    The differences of the images are drawn again with replacement, 9,999 times with a fixed seed; the interval is
    bias-corrected and accelerated (Efron 1987, doi:10.1080/01621459.1987.10478410), by SciPy. Where all images have the same
    difference nothing can be drawn, and the interval is that point.
    """
    from scipy.stats import bootstrap  # a second to import; only scores need it

    if len(first) < 2:
        return None
    differences = first.astype(np.float64) - second.astype(np.float64)
    value = float(differences.mean())
    if np.ptp(differences) == 0:
        return value, value, value
    found = bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, batch=500, method="BCa", rng=rng.generator(1, "bootstrap")
    )
    return value, float(found.confidence_interval.low), float(found.confidence_interval.high)


def difference_of(first: PointRecord, second: PointRecord) -> Difference | None:
    """The difference of two points' metric: paired where a record keeps the outcomes of both, else of independent samples.

    first, second : of the same images in the same order, as all systems of a record have them

    Where stop rules ended the points after different numbers of batches, the images that both had are paired. None where one
    of them was not run, and for a single image's score.
    """
    metric = first.measure
    name = metric.numerator
    if name in first.outcomes and name in second.outcomes:
        one, other = first.per_image(name), second.per_image(name)
        images = min(len(one), len(other))
        one, other = one[:images], other[:images]
        hits = one.dtype == np.bool_
        ends = score_interval(pairs_of(one, other)) if hits else bootstrap_interval(one, other)
        return None if ends is None else Difference(*ends, "paired", images)
    found = difference_interval(metric, first.found, second.found)
    return None if found is None else Difference(*found, "independent", None)


def over_seeds(values: Sequence[float]) -> Spread:
    """The spread of a difference over training seeds, a value each; ValueError without one.

    It stands beside the interval over images, which knows one training of each system only.
    """
    if not values:
        raise ValueError("seeds: none")
    deviation = stdev(values) if len(values) > 1 else 0.0
    return Spread(len(values), fmean(values), deviation, min(values), max(values))
