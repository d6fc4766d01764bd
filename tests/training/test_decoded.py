"""Training images as source codecs show them."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.settings import TrainSettings
from sc_sionna.source_codecs import JpegCodec, PixelsCodec
from sc_sionna.source_codecs.fitted import Ladders
from sc_sionna.training.decoded import FEWEST_BITS, MOST_BITS, DecodedPictures


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return load("digits", "val").pixels[:40]


@pytest.mark.parametrize("room", [30, 300, 900, 10**6])
def test_the_finest_setting_of_a_ladder_that_fits_is_shown(pixels, room):
    """By trying every setting: the ladder's lengths fall, so the first that fits is the finest."""
    for codec_class in (JpegCodec, PixelsCodec):
        ladders = Ladders(codec_class, codec_class.Settings(), 32)
        for number, ladder in enumerate(ladders.ladders):
            lengths = [len(codec.encode(pixels[0])) for codec in ladder]
            if lengths != sorted(lengths, reverse=True):
                continue  # on such a ladder any setting that fits may be found
            first = next((codec for codec, length in zip(ladder, lengths, strict=True) if length <= room), ladder[-1])
            expected = first.decode(first.encode(pixels[0]))
            np.testing.assert_array_equal(ladders.shown(pixels[0], number, room), expected)


def test_pictures_are_those_of_the_codec_from_coarse_to_fine(pixels):
    shown = DecodedPictures(("jpeg", "pixels"), 32)(pixels, np.random.default_rng(1))
    assert (shown.shape, shown.dtype) == (pixels.shape, np.uint8)
    error = np.square(shown.astype(float) - pixels).mean(axis=(1, 2, 3))
    assert (error > 0).mean() > 0.9
    assert error.max() > 10 * np.median(error)
    again = DecodedPictures(("jpeg", "pixels"), 32)(pixels, np.random.default_rng(1))
    np.testing.assert_array_equal(shown, again)
    assert 0 < FEWEST_BITS < MOST_BITS


def test_without_codecs_images_stay_and_nothing_is_drawn(pixels):
    generator, untouched = np.random.default_rng(1), np.random.default_rng(1)
    np.testing.assert_array_equal(DecodedPictures((), 32)(pixels, generator), pixels)
    assert generator.integers(2**62) == untouched.integers(2**62)


def test_validation_keeps_its_labels(pixels):
    images = load("digits", "val").head(20)
    shown = DecodedPictures(("pixels",), 32).of(images, np.random.default_rng(1))
    np.testing.assert_array_equal(shown.labels, images.labels)
    assert shown.split == "val"
    assert (shown.pixels != images.pixels).any()


def test_unknown_codecs_and_an_attack_behind_a_codec_are_refused():
    with pytest.raises(UserError, match=r"train.source_codecs = 'gif': unknown; choose avif, jpeg, pixels, webp"):
        DecodedPictures(("gif",), 32)
    with pytest.raises(UserError, match=r"source_codecs = jpeg: semantic noise comes before a source codec"):
        TrainSettings(source_codecs=("jpeg",), attack_epsilon=0.01)
