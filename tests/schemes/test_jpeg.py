"""JPEG as bits: what arrives whole is the image, what does not is None and never an exception."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sc_sionna.core.errors import UserError
from sc_sionna.source_codecs.base import read_image
from sc_sionna.source_codecs.jpeg import JpegSettings, encode_jpeg

SHAPE = (32, 32, 3)


def smooth_image(seed: int = 0) -> np.ndarray:
    """A colour gradient with a little noise, uint8; JPEG keeps it closely."""
    down, right = np.mgrid[0:32, 0:32] / 31.0
    image = np.stack([down, right, 1 - down], axis=-1) * 200 + 20
    return np.round(image + np.random.default_rng(seed).normal(0, 2, SHAPE)).clip(0, 255).astype(np.uint8)


def with_size(stream: bytes, height: int, width: int) -> bytes:
    """The stream with another size in its frame header (marker FFC0, length, precision, then the two sizes)."""
    start = stream.index(b"\xff\xc0") + 5
    return stream[:start] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + stream[start + 4 :]


def decode_jpeg(stream: bytes) -> np.ndarray | None:
    """As the codec reads what it received."""
    return read_image(stream, "JPEG", SHAPE[:2])


def test_noise_with_tables_of_its_own_fits_pillows_buffer() -> None:
    # with optimised tables libjpeg wants the whole stream in one buffer, which Pillow makes too small for such an image
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    settings = JpegSettings(quality=95, subsampling="4:4:4", tables="sent", optimize=True)
    assert read_image(encode_jpeg(noise, settings), "JPEG", (224, 224)) is not None


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("optimize", [True, False])
def test_an_image_that_arrives_is_the_image(subsampling: str, optimize: bool) -> None:
    image = smooth_image()
    stream = encode_jpeg(image, JpegSettings(quality=95, subsampling=subsampling, optimize=optimize, tables="sent"))
    decoded = decode_jpeg(stream)
    assert decoded is not None
    assert decoded.shape == SHAPE
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - image).mean() < 4  # of 255; chroma is sampled at a quarter


def test_every_setting_of_the_encoder_reaches_it() -> None:
    noise = np.random.default_rng(1).integers(0, 256, SHAPE, dtype=np.uint8)
    base = len(encode_jpeg(noise, JpegSettings()))
    assert len(encode_jpeg(noise, JpegSettings(quality=20))) < base
    assert len(encode_jpeg(noise, JpegSettings(subsampling="4:4:4"))) > base
    assert len(encode_jpeg(noise, JpegSettings(optimize=True, tables="sent"))) < base
    assert encode_jpeg(noise, JpegSettings()) == encode_jpeg(noise, JpegSettings())


def test_a_grey_stream_becomes_rgb() -> None:
    from io import BytesIO

    buffer = BytesIO()
    Image.fromarray(np.full((32, 32), 77, np.uint8)).save(buffer, "JPEG")
    decoded = decode_jpeg(buffer.getvalue())
    assert decoded is not None
    assert decoded.shape == SHAPE
    assert (decoded == 77).all()


def test_a_truncated_stream_is_none() -> None:
    stream = encode_jpeg(smooth_image(), JpegSettings(quality=95))
    for length in (0, 1, 2, 20, 300, len(stream) - len(stream) // 8):
        assert decode_jpeg(stream[:length]) is None
    assert decode_jpeg(b"\x89PNG\r\n\x1a\n" + bytes(50)) is None


@pytest.mark.parametrize(("height", "width"), [(32, 40), (16, 32), (0, 32), (10_000, 10_000), (65_500, 65_500)])
def test_a_stream_of_another_size_is_none_without_a_word(height: int, width: int) -> None:
    stream = with_size(encode_jpeg(smooth_image(), JpegSettings()), height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns of large sizes: on the user's terminal that is chatter
        assert decode_jpeg(stream) is None


def test_another_format_is_no_jpeg() -> None:
    from io import BytesIO

    buffer = BytesIO()
    Image.fromarray(smooth_image()).save(buffer, "PNG")
    assert decode_jpeg(buffer.getvalue()) is None


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=8))
def test_damage_anywhere_gives_an_image_of_the_size_or_none(damage: list) -> None:
    stream = bytearray(encode_jpeg(smooth_image(), JpegSettings()))
    for position, flip in damage:
        stream[position % len(stream)] ^= flip
    decoded = decode_jpeg(bytes(stream))
    assert decoded is None or (decoded.shape == SHAPE and decoded.dtype == np.uint8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", 0),
        ("quality", 96),
        ("subsampling", "4:1:1"),
        ("max_block_bits", 63),
        ("max_block_bits", 8449),
        ("crc", "none"),  # without a CRC the receiver could not tell a lost stream
        ("progressive", True),
    ],
)
def test_settings_that_cannot_work_are_one_line_with_the_name(name: str, value: object) -> None:
    with pytest.raises(UserError, match=name) as caught:
        JpegSettings(**{name: value})
    assert "\n" not in str(caught.value)
