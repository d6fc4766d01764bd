from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import make_masking
from sc_sionna.semantic.masking import (
    MaskingAmong,
    NoiseRelatedMasking,
    UniformMasking,
    gather_kept,
    gradient_energy,
    scatter_kept,
)
from sc_sionna.semantic.patches import patchify, unpatchify
from sc_sionna.settings import CodecSettings


@settings(max_examples=15, deadline=None)
@given(side=st.integers(1, 5), patch=st.integers(1, 6), channels=st.integers(1, 4))
def test_patches_invert_exactly(side, patch, channels):
    images = np.random.default_rng(0).random((2, side * patch, side * patch, channels)).astype(np.float32)
    patches = np.asarray(patchify(images, patch))
    assert patches.shape == (2, side * side, patch * patch * channels)
    if side > 1:  # the second patch is the one to the right of the first
        np.testing.assert_array_equal(
            patches[0, 1].reshape(patch, patch, channels), images[0, :patch, patch : 2 * patch]
        )
    np.testing.assert_array_equal(np.asarray(unpatchify(patches, patch, side * patch)), images)


def test_uniform_masking_keeps_every_position_equally_often():
    masking = UniformMasking(16, 8)
    keep = masking(4000, np.random.default_rng(1))
    assert keep.shape == (4000, 8)
    assert keep.dtype == np.int32
    assert (np.diff(keep, axis=1) > 0).all()
    counts = np.bincount(keep.ravel(), minlength=16)
    z = (counts - 2000) / np.sqrt(4000 * 0.25)
    assert np.abs(z).max() < 4


def test_both_ends_draw_the_same_patches():
    masking = UniformMasking(16, 8)
    np.testing.assert_array_equal(masking(5, np.random.default_rng(9)), masking(5, np.random.default_rng(9)))


def test_scatter_puts_tokens_at_their_positions():
    tokens = np.random.default_rng(0).random((3, 16, 5)).astype(np.float32)
    keep = UniformMasking(16, 6)(3, np.random.default_rng(2))
    mask_token = np.full(5, -1.0, np.float32)
    full = np.asarray(scatter_kept(gather_kept(tokens, keep), keep, mask_token, 16))
    for b in range(3):
        for p in range(16):
            expected = tokens[b, p] if p in keep[b] else mask_token
            np.testing.assert_array_equal(full[b, p], expected)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, float("nan")])
def test_masking_ratio_outside_the_interval(ratio):
    with pytest.raises(UserError, match=r"masking.ratio = .*\[0, 1\)"):
        CodecSettings(masking={"ratio": ratio})


def test_masking_by_the_users_own_class():
    masking = make_masking(CodecSettings(masking={"rule": "tests.semantic.test_patches_masking:FirstPatches"}))
    np.testing.assert_array_equal(masking(2, np.random.default_rng(0))[1], np.arange(32))


def test_dropped_tokens_become_mask_tokens():
    tokens = np.random.default_rng(0).random((2, 3, 5)).astype(np.float32)
    keep = np.array([[0, 2, 3], [1, 2, 3]], np.int32)
    sent = np.array([[True, False, True], [False, True, True]])
    full = np.asarray(scatter_kept(tokens, keep, np.full(5, -1.0, np.float32), 4, sent))
    np.testing.assert_array_equal(full[0, [1, 2]], -np.ones((2, 5)))
    np.testing.assert_array_equal(full[1, [0, 1]], -np.ones((2, 5)))
    np.testing.assert_array_equal(full[0, [0, 3]], tokens[0, [0, 2]])
    np.testing.assert_array_equal(full[1, [2, 3]], tokens[1, [1, 2]])


# ---------------------------------------------------------------------- noise-related masking (Sec. III-A2)

ENERGY = tuple(float(x) for x in np.linspace(0.25, 4.0, 16))
NOISY = CodecSettings(image_size=16, patch_size=4, masking={"rule": "noise-related", "noise_energy": ENERGY})


def test_uniform_draws_are_what_they_were():
    keep = make_masking(CodecSettings(image_size=16, patch_size=4, masking={"ratio": 0.75}))(
        2, np.random.default_rng(9)
    )
    np.testing.assert_array_equal(keep, [[1, 8, 11, 12], [0, 2, 4, 13]])


def test_noisier_patches_are_kept_less_often():
    keep = make_masking(NOISY)(4000, np.random.default_rng(1))
    assert keep.shape == (4000, 8)
    assert keep.dtype == np.int32
    assert (np.diff(keep, axis=1) > 0).all()
    share = np.bincount(keep.ravel(), minlength=16) / 4000
    assert np.corrcoef(share, ENERGY)[0, 1] < -0.9
    assert (share[:-2] > share[2:]).all()
    np.testing.assert_array_equal(keep, make_masking(NOISY)(4000, np.random.default_rng(1)))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_one_masked_patch_is_drawn_in_proportion_to_its_energy(temperature):
    keep = NoiseRelatedMasking(16, 15, ENERGY, temperature)(20000, np.random.default_rng(2))
    masked = 20000 - np.bincount(keep.ravel(), minlength=16)
    p = np.array(ENERGY) ** (1 / temperature)
    p /= p.sum()
    z = (masked - 20000 * p) / np.sqrt(20000 * p * (1 - p))
    assert np.abs(z).max() < 4


@pytest.mark.parametrize(("energy", "temperature"), [(ENERGY, 1e9), (np.zeros(16), 1.0)])
def test_hot_or_without_statistics_it_is_uniform(energy, temperature):
    keep = NoiseRelatedMasking(16, 8, energy, temperature)(4000, np.random.default_rng(3))
    z = (np.bincount(keep.ravel(), minlength=16) - 2000) / np.sqrt(4000 * 0.25)
    assert np.abs(z).max() < 4


def test_cold_it_always_masks_the_noisiest():
    energy = np.where(np.arange(16) % 2, 4.0, 0.0)
    keep = NoiseRelatedMasking(16, 8, energy, 0.01)(50, np.random.default_rng(3))
    np.testing.assert_array_equal(keep, np.tile(np.arange(0, 16, 2), (50, 1)))


def test_gradient_energy_by_hand():
    gradients = np.zeros((2, 4, 4, 3), np.float32)
    gradients[0, :2, 2:] = 3.0  # patch 1 of one of two images
    gradients[:, 2, 0] = -2.0  # one pixel of patch 2 in both
    np.testing.assert_allclose(gradient_energy(gradients, 2), [0, 9 / 2, 4 / 4, 0])


def test_masking_draws_only_among_the_candidates():
    candidates = np.array([1, 4, 6, 9, 15], np.int32)
    for settings_ in (NOISY.with_(masking={"ratio": 0.8}), NOISY.with_(masking={"rule": "uniform", "ratio": 0.8})):
        masking = make_masking(settings_, candidates)
        assert isinstance(masking, MaskingAmong)
        keep = masking(200, np.random.default_rng(0))
        assert keep.shape == (200, 3)
        assert keep.dtype == np.int32
        assert (np.diff(keep, axis=1) > 0).all()
        assert set(keep.ravel()) == set(candidates)
    few = make_masking(NOISY, candidates)(2, np.random.default_rng(0))  # 8 are wanted, 5 may be sent
    np.testing.assert_array_equal(few, np.tile(candidates, (2, 1)))
    own = make_masking(
        NOISY.with_(masking={"rule": "tests.semantic.test_patches_masking:FirstPatches"}), candidates[:3]
    )
    np.testing.assert_array_equal(own(1, np.random.default_rng(0)), [[1, 4, 6]])
    every = make_masking(NOISY, np.arange(16))
    np.testing.assert_array_equal(every(5, np.random.default_rng(7)), make_masking(NOISY)(5, np.random.default_rng(7)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"masking": {"noise_energy": None}}, "masking.rule = 'noise-related': needs noise_energy"),
        ({"masking": {"noise_energy": (1.0,) * 15}}, "masking.noise_energy: 15 values for 16 patch positions"),
        (
            {"masking": {"noise_energy": (1.0,) * 15 + (-0.5,)}},
            "masking.noise_energy: -0.5 is not a finite number >= 0",
        ),
        ({"masking": {"noise_energy": (float("nan"),) * 16}}, "masking.noise_energy = nan: not a finite number"),
        ({"masking": {"noise_energy": (float("inf"),) * 16}}, "masking.noise_energy = inf: not a finite number"),
        ({"masking": {"temperature": 0.0}}, "masking.temperature = 0.0"),
    ],
)
def test_bad_noise_statistics_are_one_clear_line(change, words):
    with pytest.raises(UserError, match=r"(?s)^(?!.*\n)") as error:
        NOISY.with_(**change)
    assert words in str(error.value)


class FirstPatches:
    def __init__(self, num_patches: int, num_kept: int) -> None:
        self.num_kept = num_kept

    def __call__(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        return np.tile(np.arange(self.num_kept, dtype=np.int32), (batch_size, 1))


class Rule:
    """A user's rule that keeps the same positions in every image, and what a test makes of them."""

    def __init__(self, num_patches, num_kept):
        self.keep = np.arange(num_kept, dtype=np.int32)

    def __call__(self, batch_size, rng):
        return np.tile(self.keep, (batch_size, 1))


class Repeats(Rule):
    def __call__(self, batch_size, rng):
        return np.maximum(super().__call__(batch_size, rng), 1).astype(np.int32)


class Negative(Rule):
    def __call__(self, batch_size, rng):
        return super().__call__(batch_size, rng) - np.int32(1)


class Outside(Rule):
    def __call__(self, batch_size, rng):
        return super().__call__(batch_size, rng) + np.int32(33)


class Unsorted(Rule):
    def __call__(self, batch_size, rng):
        return super().__call__(batch_size, rng)[:, ::-1]


class Wide(Rule):
    def __call__(self, batch_size, rng):
        return super().__call__(batch_size, rng).astype(np.int64)


class OneRow(Rule):
    def __call__(self, batch_size, rng):
        return super().__call__(1, rng)


class AList(Rule):
    def __call__(self, batch_size, rng):
        return super().__call__(batch_size, rng).tolist()


class OwnGenerator(Rule):
    def __call__(self, batch_size, rng):
        rows = np.random.default_rng().permuted(np.tile(np.arange(64, dtype=np.int32), (batch_size, 1)), axis=1)
        return np.sort(rows[:, :32], axis=1)


class BreaksLater(Rule):
    """Right where it is tried, wrong for a batch of another size."""

    def __call__(self, batch_size, rng):
        return super().__call__(batch_size, rng)[:, :: 1 if batch_size == 8 else -1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Repeats", "repeated positions [1, 1, 2"),
        ("Negative", "kept the position -1; positions are 0 to 63"),
        ("Outside", "kept the position 64; positions are 0 to 63"),
        ("Unsorted", "unsorted positions [31, 30"),
        ("Wide", "drew int64 [8, 32]; an int32 array"),
        ("OneRow", "drew int32 [1, 32]; an int32 array [batch, num_kept] = [8, 32]"),
        ("AList", "drew list; an int32 array"),
        ("OwnGenerator", "other positions from the same generator"),
    ],
)
def test_a_rule_that_breaks_its_contract_is_refused_when_it_is_built(name, words):
    settings = CodecSettings(masking={"rule": f"tests.semantic.test_patches_masking:{name}"})
    with pytest.raises(UserError) as caught:
        make_masking(settings)
    assert f"test_patches_masking:{name}'" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rule_that_breaks_its_contract_later_is_refused_then():
    masking = make_masking(CodecSettings(masking={"rule": "tests.semantic.test_patches_masking:BreaksLater"}))
    masking(8, np.random.default_rng(0))
    with pytest.raises(UserError, match="unsorted positions"):
        masking(5, np.random.default_rng(0))
