"""Counts merge, intervals cover, and nothing that was not run looks perfect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc_sionna.core import rng
from sc_sionna.sweep.metrics import (
    ACCURACY,
    BIT_ERROR_RATE,
    BLOCK_ERROR_RATE,
    difference_interval,
    effective_trials,
    merge,
    rate,
    to_counts,
    wilson,
)

COUNTS = st.dictionaries(st.sampled_from(["images", "correct", "bits", "bit_errors"]), st.integers(0, 10**12))


@settings(deadline=None)  # a busy machine is no failure
@given(COUNTS, COUNTS, COUNTS)
def test_merge_is_associative_and_commutative_with_a_neutral_element(a, b, c) -> None:
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == merge(a, b, c)
    assert merge(a, b) == merge(b, a)
    assert merge(a, {}) == a


def test_merge_leaves_its_parts_alone() -> None:
    part = {"images": 1}
    merge(part, part)
    assert part == {"images": 1}


def test_counts_are_integers_and_not_negative() -> None:
    assert to_counts({"images": np.int64(3)}) == {"images": 3}
    assert type(to_counts({"images": np.int32(3)})["images"]) is int
    with pytest.raises(TypeError):
        to_counts({"images": 3.0})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="images = -1"):
        to_counts({"images": -1})


def test_no_trials_have_no_rate_and_no_interval() -> None:
    assert rate({}, "correct", "images") is None
    assert wilson(0, 0) is None
    assert ACCURACY.value({}) is None
    assert BIT_ERROR_RATE.interval({"bits": 0, "images": 0}) is None
    assert ACCURACY.difference_z({}, {"images": 1, "correct": 1}) is None


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe (1998), Stat. Med. 17:857-872, Table I, method 3 (Wilson score without continuity correction)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_published_values(successes: int, trials: int, low: float, high: float) -> None:
    interval = wilson(successes, trials)
    assert interval is not None
    assert interval == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_estimate_and_mirrors(pair: tuple[int, int]) -> None:
    successes, trials = pair
    interval, mirrored = wilson(successes, trials), wilson(trials - successes, trials)
    assert interval is not None
    assert mirrored is not None
    assert 0 <= interval[0] <= successes / trials <= interval[1] <= 1
    assert interval == pytest.approx((1 - mirrored[1], 1 - mirrored[0]), abs=1e-12)


def test_wilson_refuses_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match=r"successes = 3: must lie in \[0, trials = 2\]"):
        wilson(3, 2)


def _coverage(errors: np.ndarray, bits: int, truth: float, with_squares: bool) -> float:
    """Share of rows of ``errors [runs, images]`` whose interval of the bit error rate holds the truth."""
    covered = 0
    for row in errors:
        counts = {"images": row.size, "bits": row.size * bits, "bit_errors": int(row.sum())}
        if with_squares:
            counts["bit_errors_sq"] = int((row.astype(np.int64) ** 2).sum())
        interval = BIT_ERROR_RATE.interval(counts)
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    return covered / len(errors)


def test_intervals_cover_where_the_bits_of_an_image_fail_together() -> None:
    random = rng.generator(7, "coverage")
    runs, images, bits = 2000, 200, 192
    p = random.beta(0.3, 2.0, size=(runs, images))  # the fading of an image sets its bit error rate
    errors = random.binomial(bits, p)
    truth = 0.3 / 2.3
    with_squares = _coverage(errors, bits, truth, with_squares=True)
    assert abs(with_squares - 0.95) < 4 * np.sqrt(0.95 * 0.05 / runs)
    assert _coverage(errors, bits, truth, with_squares=False) > 0.99  # conservative
    naive = [wilson(int(row.sum()), images * bits) for row in errors]
    assert np.mean([n is not None and n[0] <= truth <= n[1] for n in naive]) < 0.4  # what bits as samples would claim


def test_effective_trials_of_independent_bits_are_the_bits() -> None:
    errors = rng.generator(8, "independent").binomial(100, 0.1, size=20_000).astype(np.int64)
    counts = {"images": errors.size, "bits": errors.size * 100, "bit_errors": int(errors.sum())}
    counts["bit_errors_sq"] = int((errors**2).sum())
    ratio = effective_trials(counts, "bit_errors", "bits") / counts["bits"]
    assert abs(ratio - 1) < 4 * np.sqrt(2 / errors.size)  # the relative deviation of a variance estimate


def test_effective_trials_of_images_that_fail_as_a_whole_are_the_images() -> None:
    counts = {"images": 1000, "bits": 50_000, "bit_errors": 100 * 50, "bit_errors_sq": 100 * 50**2}
    assert effective_trials(counts, "bit_errors", "bits") == pytest.approx(999)


def test_blocks_that_are_not_part_of_images_count_in_full() -> None:
    counts = {"blocks": 400, "block_errors": 20}
    assert BLOCK_ERROR_RATE.interval(counts) == wilson(20, 400)


def test_errors_of_both_kinds_of_metric() -> None:
    assert ACCURACY.errors({"images": 10, "correct": 7}) == 3
    assert BLOCK_ERROR_RATE.errors({"blocks": 10, "block_errors": 7}) == 7


def test_difference_z_is_standard_normal_and_zero_where_both_agree() -> None:
    random = rng.generator(9, "z")
    zs = []
    for a, b in zip(random.binomial(500, 0.8, 2000), random.binomial(300, 0.8, 2000), strict=True):
        z = ACCURACY.difference_z({"images": 500, "correct": int(a)}, {"images": 300, "correct": int(b)})
        assert z is not None
        zs.append(z)
    assert abs(np.mean(zs)) < 4 / np.sqrt(2000)
    assert abs(np.std(zs) - 1) < 4 / np.sqrt(4000)
    assert ACCURACY.difference_z({"images": 5, "correct": 5}, {"images": 9, "correct": 9}) == 0


def test_difference_interval_agrees_with_newcombes_table() -> None:
    """Newcombe (1998, Table II, method 10): 56/70 − 48/80 = 0.2 [0.0524, 0.3339]; 10/10 − 0/10: [0.6075, 1]."""
    for (a, m), (b, n), expected in [((56, 70), (48, 80), (0.2, 0.0524, 0.3339)), ((10, 10), (0, 10), (1, 0.6075, 1))]:
        found = difference_interval(ACCURACY, {"correct": a, "images": m}, {"correct": b, "images": n})
        assert found == pytest.approx(expected, abs=5e-5)
    assert difference_interval(ACCURACY, {"correct": 0, "images": 0}, {"correct": 1, "images": 2}) is None
