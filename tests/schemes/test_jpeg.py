"""JPEG as bits: what arrives whole is the image, what does not is None and never an exception."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from sc_sionna.core.errors import UserError
from sc_sionna.schemes.codecs.jpeg import encode_jpeg
from sc_sionna.schemes.jpeg import (
    HEADER_BITS,
    JpegSettings,
    decode_jpeg,
    from_payload,
    to_payload,
)

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


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300), st.integers(0, 64))
@example(b"\x00", 0)
@example(b"\xff" * 256, 7)  # a length whose two bytes differ: the most significant comes first
def test_payload_and_back_is_exact_whatever_padding_follows(stream: bytes, padding: int) -> None:
    bits = to_payload(stream)
    assert bits.shape == (HEADER_BITS + 8 * len(stream),)
    assert int("".join(map(str, bits[:HEADER_BITS])), 2) == len(stream)
    assert from_payload(bits) == stream
    assert from_payload(np.concatenate([bits, np.ones(padding, bits.dtype)])) == stream


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=100), st.integers(0, 10**6))
def test_a_header_that_asks_for_more_than_arrived_gives_none(stream: bytes, cut: int) -> None:
    bits = to_payload(stream)
    assert from_payload(bits[: cut % (len(bits) - 7)]) is None  # at least a byte is missing


def test_a_header_of_zero_gives_none() -> None:
    assert from_payload(np.zeros(64, np.int32)) is None


def test_the_header_has_a_limit_and_names_it() -> None:
    longest = to_payload(bytes(65_535))
    assert (longest[:HEADER_BITS] == 1).all()
    with pytest.raises(UserError, match=r"stream of 65536 bytes.* at most 65535; lower the quality") as caught:
        to_payload(bytes(65_536))
    assert "\n" not in str(caught.value)


def test_an_image_too_large_for_the_header_is_refused_and_not_by_the_encoder() -> None:
    # with optimised tables libjpeg wants the whole stream in one buffer, which Pillow makes too small for such an image
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    to_payload(encode_jpeg(noise, JpegSettings(quality=50)))
    with pytest.raises(UserError, match="16-bit length header"):
        to_payload(encode_jpeg(noise, JpegSettings(quality=95, subsampling="4:4:4")))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("optimize", [True, False])
def test_an_image_that_arrives_is_the_image(subsampling: str, optimize: bool) -> None:
    image = smooth_image()
    stream = encode_jpeg(image, JpegSettings(quality=95, subsampling=subsampling, optimize=optimize))
    decoded = decode_jpeg(stream, SHAPE)
    assert decoded is not None
    assert decoded.shape == SHAPE
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - image).mean() < 4  # of 255; chroma is sampled at a quarter
    np.testing.assert_array_equal(decoded, decode_jpeg(stream, SHAPE, tolerate_errors=True))


def test_every_setting_of_the_encoder_reaches_it() -> None:
    noise = np.random.default_rng(1).integers(0, 256, SHAPE, dtype=np.uint8)
    base = len(encode_jpeg(noise, JpegSettings()))
    assert len(encode_jpeg(noise, JpegSettings(quality=20))) < base
    assert len(encode_jpeg(noise, JpegSettings(subsampling="4:4:4"))) > base
    assert len(encode_jpeg(noise, JpegSettings(optimize=False))) > base
    assert encode_jpeg(noise, JpegSettings()) == encode_jpeg(noise, JpegSettings())


def test_a_grey_stream_becomes_rgb() -> None:
    from io import BytesIO

    buffer = BytesIO()
    Image.fromarray(np.full((32, 32), 77, np.uint8)).save(buffer, "JPEG")
    decoded = decode_jpeg(buffer.getvalue(), SHAPE)
    assert decoded is not None
    assert decoded.shape == SHAPE
    assert (decoded == 77).all()


def test_a_truncated_stream_is_none_unless_errors_are_tolerated() -> None:
    image = smooth_image()
    stream = encode_jpeg(image, JpegSettings(quality=95))
    whole = decode_jpeg(stream, SHAPE)
    assert whole is not None
    cut = stream[: len(stream) - len(stream) // 8]
    assert decode_jpeg(cut, SHAPE) is None
    tolerated = decode_jpeg(cut, SHAPE, tolerate_errors=True)
    assert tolerated is not None
    np.testing.assert_array_equal(tolerated[:8], whole[:8])  # as far as the decoder gets
    assert (tolerated != whole).any()
    for length in (0, 1, 2, 20, 300):  # before the frame header there is nothing to show
        assert decode_jpeg(stream[:length], SHAPE) is None
    assert decode_jpeg(b"", SHAPE, tolerate_errors=True) is None
    assert decode_jpeg(b"\x89PNG\r\n\x1a\n" + bytes(50), SHAPE, tolerate_errors=True) is None


@pytest.mark.parametrize(("height", "width"), [(32, 40), (16, 32), (0, 32), (10_000, 10_000), (65_500, 65_500)])
def test_a_stream_of_another_size_is_none_without_a_word(height: int, width: int) -> None:
    stream = with_size(encode_jpeg(smooth_image(), JpegSettings()), height, width)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns of large sizes: on the user's terminal that is chatter
        assert decode_jpeg(stream, SHAPE) is None
        assert decode_jpeg(stream, SHAPE, tolerate_errors=True) is None


def test_another_format_is_no_jpeg() -> None:
    from io import BytesIO

    buffer = BytesIO()
    Image.fromarray(smooth_image()).save(buffer, "PNG")
    assert decode_jpeg(buffer.getvalue(), SHAPE) is None


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=8), st.booleans())
def test_damage_anywhere_gives_an_image_of_the_size_or_none(damage: list, tolerate: bool) -> None:
    stream = bytearray(encode_jpeg(smooth_image(), JpegSettings()))
    for position, flip in damage:
        stream[position % len(stream)] ^= flip
    decoded = decode_jpeg(bytes(stream), SHAPE, tolerate_errors=tolerate)
    assert decoded is None or (decoded.shape == SHAPE and decoded.dtype == np.uint8)


@pytest.mark.parametrize("before", [True, False])
def test_pillows_global_switch_is_left_as_it_was(before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", before)
    stream = encode_jpeg(smooth_image(), JpegSettings())
    for tolerate in (True, False):
        decode_jpeg(stream, SHAPE, tolerate)
        decode_jpeg(stream[:100], SHAPE, tolerate)
        assert before is ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", 0),
        ("quality", 96),
        ("subsampling", "4:1:1"),
        ("undecodable", "guess"),
        ("block_bits", 63),
        ("block_bits", 8449),
        ("crc", "none"),  # without a CRC the receiver could not tell a lost stream
        ("progressive", True),
    ],
)
def test_settings_that_cannot_work_are_one_line_with_the_name(name: str, value: object) -> None:
    with pytest.raises(UserError, match=name) as caught:
        JpegSettings(**{name: value})
    assert "\n" not in str(caught.value)
