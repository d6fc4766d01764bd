"""Paired differences: hand-made tables, closed forms, another library's numbers, and coverage by enumeration."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize_scalar

from sc_sionna.core import rng
from sc_sionna.sweep import Point, PointRecord, PointResult, point_records
from sc_sionna.sweep.metrics import ACCURACY, Z95, difference_interval, wilson
from sc_sionna.sweep.paired import (
    Pairs,
    bootstrap_interval,
    difference_of,
    over_seeds,
    pairs_of,
    score_interval,
    score_statistic,
)
from sc_sionna.sweep.per_image import pack, pack_scores
from sc_sionna.sweep.scores import MeanScore, summarised


def table(first_alone: int, second_alone: int, images: int) -> Pairs:
    rest = images - first_alone - second_alone
    return Pairs(rest - rest // 3, first_alone, second_alone, rest // 3)


@pytest.mark.parametrize(
    ("pairs", "z", "low", "high"),
    [  # PropCIs 0.3-0 for R, scoreci.mp(20, 60, 1000) at 95 % and scoreci.mp(25, 28, 618) at 90 %, as published to 4 places
        (table(60, 20, 1000), Z95, 0.0231, 0.0584),
        (table(28, 25, 618), stats.norm.ppf(0.95), -0.0148, 0.0247),
    ],
)
def test_the_interval_is_that_of_another_library(pairs: Pairs, z: float, low: float, high: float) -> None:
    assert score_interval(pairs, z)[1:] == pytest.approx((low, high), abs=5e-5)


def test_pairs_are_counted_image_by_image() -> None:
    first = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1], np.bool_)
    second = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0], np.bool_)
    assert pairs_of(first, second) == (2, 3, 1, 4)
    value, low, high = score_interval(pairs_of(first, second))
    assert value == pytest.approx(0.2)
    # worked by hand: at both ends (n10 - n01 - N Δ)² = z² N (2x + Δ - Δ²) with the larger root x of the quadratic
    for end in (low, high):
        x = max(np.roots([20, end * (20 - 3 + 1) - 4, -1 * end * (1 - end)]))
        assert (2 - 10 * end) ** 2 == pytest.approx(Z95**2 * 10 * (2 * x + end - end**2))


@pytest.mark.parametrize("images", [1, 2, 10, 797, 10_000])
def test_systems_that_agree_on_every_image_have_an_interval_of_known_width(images: int) -> None:
    edge = Z95**2 / (images + Z95**2)
    assert score_interval(Pairs(images, 0, 0, 0)) == pytest.approx((0, -edge, edge), abs=1e-12)


def test_closed_forms_and_symmetry() -> None:
    for images in (1, 2, 7, 50, 400):
        for first in {0, 1, 2, images // 2, images - 1, images} & set(range(images + 1)):
            # where the second system is never right alone, the upper end is Wilson's of n10 / N
            assert score_interval(table(first, 0, images))[2] == pytest.approx(wilson(first, images)[1], abs=1e-10)
            for second in {0, 1, 3, images - first} & set(range(images - first + 1)):
                value, low, high = score_interval(table(first, second, images))
                assert -1 <= low <= value <= high <= 1
                mirrored = score_interval(table(second, first, images))
                assert mirrored == pytest.approx((-value, -high, -low), abs=1e-10)
        low = (images - Z95**2) / (images + Z95**2)
        assert score_interval(table(images, 0, images)) == pytest.approx((1, low, 1), abs=1e-10)
    assert score_statistic(table(12, 5, 60), 0.0) == pytest.approx(7 / sqrt(17))  # McNemar
    with pytest.raises(ValueError, match="no images"):
        score_interval(Pairs(0, 0, 0, 0))


def test_the_constrained_probability_is_the_likeliest() -> None:
    """T has the variance of the x that a numerical search of the likelihood finds."""
    random = rng.generator(3, "tables")
    for _ in range(50):
        images = int(random.integers(5, 200))
        first, second = random.multinomial(images, [0.2, 0.1, 0.7])[:2]
        delta = float(random.uniform(-0.9, 0.9))

        def loss(x: float, n=images, f=first, s=second, d=delta) -> float:
            return -(f * np.log(x + d) + s * np.log(x) + (n - f - s) * np.log(1 - 2 * x - d))

        bounds = (max(0.0, -delta) + 1e-12, (1 - delta) / 2 - 1e-12)
        x = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        expected = (first - second - images * delta) / sqrt(images * (2 * x + delta - delta**2))
        assert score_statistic(table(int(first), int(second), images), delta) == pytest.approx(expected, rel=1e-3)


def coverage(images: int, p10: float, p01: float) -> float:
    """Probability that the interval holds p10 - p01, over all tables of N images, exactly."""
    total = 0.0
    for first in range(images + 1):
        for second in range(images - first + 1):
            chance = stats.multinomial.pmf([first, second, images - first - second], images, [p10, p01, 1 - p10 - p01])
            if chance > 1e-9 and abs(score_statistic(table(first, second, images), p10 - p01)) <= Z95:
                total += chance
    return total


@pytest.mark.parametrize(
    ("images", "p10", "p01"), [(100, 0.10, 0.10), (100, 0.15, 0.05), (60, 0.20, 0.10), (60, 0.30, 0.05)]
)
def test_the_interval_covers_the_difference_in_95_of_100_tables(images: int, p10: float, p01: float) -> None:
    assert 0.935 <= coverage(images, p10, p01) <= 0.965


def point(system: str, hits: np.ndarray, kept: bool = True) -> PointRecord:
    counts = {"images": len(hits), "correct": int(hits.sum())}
    result = PointResult(
        Point(system, 3.0), counts, 1, counts, "maximum", outcomes={"correct": pack(hits)} if kept else {}
    )
    return point_records([result], ACCURACY)[0]


def test_points_with_outcomes_are_paired_on_their_common_images_and_others_are_not() -> None:
    random = rng.generator(4, "hits")
    hard = random.random(400)
    first, second = (hard + 0.1 * random.random(400) < limit for limit in (0.75, 0.7))
    a, b = point("a", first), point("b", second)
    found = difference_of(a, b)
    assert found[:3] == score_interval(pairs_of(first, second))
    assert found[3:] == ("paired", 400)
    shorter = difference_of(a, point("b", second[:150]))  # it stopped after fewer batches
    assert shorter[:3] == score_interval(pairs_of(first[:150], second[:150]))
    assert shorter.images == 150
    old = difference_of(a, point("b", second, kept=False))
    assert old[:3] == difference_interval(ACCURACY, a.counts, b.counts)
    assert old[3:] == ("independent", None)
    # what is hard for one is hard for the other: pairs say more
    assert found.high - found.low < 0.6 * (old.high - old.low)
    not_run = point_records([PointResult(Point("c", 3.0), None, 0, None, None)], ACCURACY)[0]
    assert difference_of(a, not_run) is None


def score_point(values: np.ndarray, kept: bool = True) -> PointRecord:
    counts, scores = {"images": len(values)}, summarised({"psnr_db": values})
    outcomes = {"psnr_db": pack_scores(values)} if kept else {}
    result = PointResult(Point("a", 3.0), counts, 1, counts, "maximum", (), scores, scores, outcomes)
    return point_records([result], MeanScore("psnr_db"))[0]


def test_scores_are_compared_by_a_bootstrap_over_images() -> None:
    random = rng.generator(6, "scores")
    image = random.normal(20, 5, 300)
    first, second = ((image + shift + random.normal(0, 1, 300)).astype(np.float32) for shift in (0.5, 0.0))
    found = difference_of(score_point(first), score_point(second))
    differences = first.astype(np.float64) - second
    assert found.value == pytest.approx(differences.mean())
    # of 300 differences without a long tail it is Student's interval, but for its own chance
    half = stats.t.ppf(0.975, 299) * stats.sem(differences)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.1 * half)
    assert found == difference_of(score_point(first), score_point(second))  # the same draws every time
    assert found[3:] == ("paired", 300)
    apart = difference_of(score_point(first), score_point(second, kept=False))
    assert apart.basis == "independent"
    assert apart.high - apart.low > 4 * (found.high - found.low)
    assert bootstrap_interval(first, first - np.float32(1)) == pytest.approx((1, 1, 1), abs=1e-5)
    assert difference_of(score_point(first[:1]), score_point(second[:1])) is None


def test_the_spread_over_seeds() -> None:
    assert over_seeds([0.01, 0.03, 0.05]) == pytest.approx((3, 0.03, 0.02, 0.01, 0.05))
    assert over_seeds([0.02]) == (1, 0.02, 0.0, 0.02, 0.02)
    with pytest.raises(ValueError, match="none"):
        over_seeds([])
