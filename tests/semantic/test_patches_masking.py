from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc_sionna.config import CodecSettings
from sc_sionna.errors import UserError
from sc_sionna.semantic.codec import make_masking
from sc_sionna.semantic.masking import UniformMasking, gather_kept, scatter_kept
from sc_sionna.semantic.patches import patchify, unpatchify


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
    with pytest.raises(UserError, match=r"masking_ratio = .*\[0, 1\)"):
        CodecSettings(masking_ratio=ratio)


def test_masking_by_the_users_own_class():
    masking = make_masking(CodecSettings(masking="tests.semantic.test_patches_masking:FirstPatches"))
    np.testing.assert_array_equal(masking(2, np.random.default_rng(0))[1], np.arange(32))


class FirstPatches:
    def __init__(self, num_patches: int, num_kept: int) -> None:
        self.num_kept = num_kept

    def __call__(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        return np.tile(np.arange(self.num_kept, dtype=np.int32), (batch_size, 1))
