"""A codec that fills a number of bits: what it chooses, what arrives, and what it says where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.source_codecs import JpegCodec, PixelsCodec, SourceCodec, WebpCodec
from sc_sionna.source_codecs.base import SourceSettings
from sc_sionna.source_codecs.fitted import FittedCodec, Ladders


def ladders_of(codec: type[SourceCodec]) -> Ladders:
    return Ladders(codec, codec.Settings(), 32)


LADDERS = {codec: ladders_of(codec) for codec in (JpegCodec, PixelsCodec, WebpCodec)}


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    noise = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    return np.concatenate([load("digits", "val").pixels[:8], noise])


def error_of(shown: np.ndarray, pixels: np.ndarray) -> float:
    return float(np.mean((shown.astype(float) - pixels) ** 2))


@pytest.mark.parametrize("codec", LADDERS)
@pytest.mark.parametrize("num_bits", [64, 200, 777])
def test_every_picture_takes_the_bits_and_shows_the_least_error_that_fits(codec, num_bits: int, pictures) -> None:
    fitted = FittedCodec(LADDERS[codec], num_bits)
    for pixels in pictures:
        bits = fitted.encode(pixels)
        assert bits.shape == (num_bits,)
        assert set(np.unique(bits)) <= {0, 1}
        # by trying everything
        fits = [c for c in LADDERS[codec].codecs if len(c.encode(pixels)) <= fitted.room]
        assert fitted.says_nothing(bits) == (not fits)
        shown = fitted.decode(bits)
        if not fits:
            assert shown is None
            continue
        least = min(error_of(c.decode(c.encode(pixels)), pixels) for c in fits)
        assert error_of(shown, pixels) <= 1.02 * least  # a coarser step that happens to err less is not looked at


def test_the_bits_that_say_how_are_few() -> None:
    assert FittedCodec(LADDERS[JpegCodec], 200).room == 200 - 6 - 5  # 32 settings and none; up to 25 bytes
    assert FittedCodec(LADDERS[PixelsCodec], 200).room == 200 - 8  # 128 settings and none; a length follows from each


@pytest.mark.parametrize("codec", LADDERS)
def test_damage_gives_a_picture_or_none_and_never_raises(codec, pictures) -> None:
    fitted, generator = FittedCodec(LADDERS[codec], 400), np.random.default_rng(2)
    bits = fitted.encode(pictures[0])
    for _ in range(200):
        damaged = bits ^ (generator.random(len(bits)) < generator.choice([0.003, 0.03, 0.5])).astype(np.uint8)
        shown = fitted.decode(damaged)
        assert shown is None or (shown.shape == (32, 32, 3) and shown.dtype == np.uint8)
    assert fitted.decode(bits[:-1]) is None


def test_too_few_bits_are_one_line() -> None:
    least = FittedCodec.least_bits(LADDERS[JpegCodec])
    FittedCodec(LADDERS[JpegCodec], least)
    with pytest.raises(UserError, match=r"num_bits = \d+: .* take more link.channel_uses"):
        FittedCodec(LADDERS[JpegCodec], least - 1)


class Odd(SourceCodec):
    """Writes 7 bits, whose number cannot be said in bytes."""

    Settings = SourceSettings

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        return np.zeros(7, np.uint8)

    def decode(self, bits: np.ndarray) -> np.ndarray | None:
        return np.zeros((32, 32, 3), np.uint8)


def test_a_length_that_is_no_whole_byte_is_one_line(pictures) -> None:
    with pytest.raises(UserError, match="Odd: wrote 7 bits; a length is said in whole bytes"):
        FittedCodec(ladders_of(Odd), 64).encode(pictures[0])
