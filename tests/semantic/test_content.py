"""What a payload carries: the estimators against sources whose entropy is known, and the verdict of collapse."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.semantic.content import (
    COLLAPSED_ENTROPY_BITS,
    conditional_entropy,
    distinct_indices,
    payload_content,
    variance_within,
)

IMAGES, KEPT, PATCHES, CLASSES = 2000, 8, 16, 4


def draws(seed: int = 0) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """A generator, kept positions ``[M, N]`` and predicted classes ``[M]``."""
    generator = np.random.default_rng(seed)
    positions = np.sort(generator.random((IMAGES, PATCHES)).argsort(axis=1)[:, :KEPT], axis=1)
    return generator, positions, generator.integers(0, CLASSES, IMAGES)


def test_distinct_indices_counts_within_an_image() -> None:
    assert distinct_indices(np.array([[3, 3, 3, 3], [1, 2, 1, 2], [0, 1, 2, 3]])) == pytest.approx((1 + 2 + 4) / 3)


@pytest.mark.parametrize("size", [2, 4, 16])
def test_entropy_of_a_uniform_source_that_depends_on_nothing(size: int) -> None:
    generator, positions, classes = draws()
    indices = generator.integers(0, size, positions.shape)
    # 64 pairs of 250 samples: the corrected estimate is unbiased to order 1/n², each pair's deviation is below 0.1 bits
    assert conditional_entropy(indices, positions, classes) == pytest.approx(np.log2(size), abs=0.02)


def test_an_index_that_position_and_class_determine_has_no_entropy() -> None:
    _, positions, classes = draws()
    assert conditional_entropy(classes[:, None] * PATCHES + positions, positions, classes) == 0.0
    assert conditional_entropy(np.repeat(classes[:, None], KEPT, axis=1), positions, classes) == 0.0


def test_what_the_condition_says_is_not_counted_and_the_rest_is() -> None:
    """Index = (class, position, 3 fair bits): 3 bits are left; without the class in the condition two more are."""
    generator, positions, classes = draws()
    indices = (classes[:, None] * PATCHES + positions) * 8 + generator.integers(0, 8, positions.shape)
    assert conditional_entropy(indices, positions, classes) == pytest.approx(3.0, abs=0.02)
    assert conditional_entropy(indices, positions, np.zeros_like(classes)) == pytest.approx(5.0, abs=0.03)


def test_the_correction_takes_away_most_of_the_bias_of_counted_frequencies() -> None:
    """One pair of 200 samples of 16 equally likely indices: counting alone is 15 / (400 ln 2) = 0.054 bits too low."""
    generator = np.random.default_rng(3)
    corrected = [
        conditional_entropy(generator.integers(0, 16, (25, 8)), np.zeros((25, 8), int), np.zeros(25, int))
        for _ in range(400)
    ]
    assert np.mean(corrected) == pytest.approx(4.0, abs=4 * np.std(corrected) / 20 + 0.003)
    assert np.std(corrected) / 20 < 0.002  # so that 0.054 would be seen


def test_variance_within_splits_the_variance() -> None:
    generator = np.random.default_rng(1)
    between, within = generator.normal(size=(4000, 1, 3)), generator.normal(size=(4000, 64, 3))
    # the mean of an image's 64 features takes 1/64 of the variance within it
    assert variance_within(2.0 * between + within) == pytest.approx(63 / 64 / 5, abs=0.01)
    assert variance_within(np.repeat(between, 8, axis=1)) == pytest.approx(0.0, abs=1e-12)
    assert variance_within(np.ones((5, 4, 2))) == 0.0


def test_the_class_number_repeated_is_called_collapsed_and_content_is_not() -> None:
    generator, positions, classes = draws()
    repeated = payload_content(np.repeat(classes[:, None], KEPT, axis=1), positions, classes)
    assert repeated == {"distinct_indices": 1.0, "index_entropy_bits": 0.0, "collapsed": True}
    rich = payload_content(generator.integers(0, 64, positions.shape), positions, classes)
    assert not rich["collapsed"]
    assert rich["index_entropy_bits"] > COLLAPSED_ENTROPY_BITS
    # different indices everywhere, and yet nothing that position and class do not say
    known = payload_content(classes[:, None] * PATCHES + positions, positions, classes)
    assert known["distinct_indices"] == KEPT
    assert known["collapsed"]


def test_few_different_indices_are_collapse_even_where_they_vary_between_images() -> None:
    generator = np.random.default_rng(2)
    indices = np.repeat(generator.integers(0, 64, (500, 1)), 32, axis=1)  # 6 bits an image, but one index in each
    found = payload_content(indices, np.tile(np.arange(32), (500, 1)), np.zeros(500, int))
    assert found["index_entropy_bits"] > 4
    assert found["distinct_indices"] == 1.0
    assert found["collapsed"]
