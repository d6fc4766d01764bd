"""Source codecs: what is sent is the whole file's image, exactly; damage never raises; sizes are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.source_codecs import AvifCodec, JpegCodec, PixelsCodec, WebpCodec
from sc_sionna.source_codecs.base import ContainerCodec, SourceCodec, read_image

CODECS = {"jpeg": JpegCodec, "webp": WebpCodec, "avif": AvifCodec, "pixels": PixelsCodec}
MADE = [
    ("jpeg", {"quality": 3}),
    ("jpeg", {"quality": 40, "subsampling": "4:4:4"}),
    ("jpeg", {"quality": 25, "halved": True}),
    ("jpeg", {"quality": 75, "tables": "sent", "optimize": True}),
    ("webp", {"quality": 1}),
    ("webp", {"quality": 60}),
    ("avif", {"quality": 5}),
    ("pixels", {}),
    ("pixels", {"side": 5, "depth": 3, "colour": "rgb"}),
]


def make(name: str, image_size: int = 32, **settings) -> SourceCodec:
    return CODECS[name](CODECS[name].Settings(**settings), image_size)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Digits, noise, and one colour each: the extremes of what a codec is given."""
    generator = np.random.default_rng(1)
    digits = load("digits", "val").pixels[:6]
    noise = generator.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    flat = np.stack([np.full((32, 32, 3), value, np.uint8) for value in (0, 255)])
    red = np.zeros((1, 32, 32, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    return np.concatenate([digits, noise, flat, red])


@pytest.mark.parametrize(("name", "settings"), MADE)
def test_what_arrives_is_what_the_whole_file_shows(name: str, settings: dict, pictures: np.ndarray) -> None:
    codec = make(name, **settings)
    for pixels in pictures:
        bits = codec.encode(pixels)
        assert bits.dtype == np.uint8
        assert set(np.unique(bits)) <= {0, 1}
        assert codec.num_bits in (None, len(bits))
        shown = codec.decode(bits)
        assert shown is not None
        assert shown.shape == pixels.shape
        if isinstance(codec, ContainerCodec) and not settings.get("halved"):
            file = codec.file(pixels)
            np.testing.assert_array_equal(shown, read_image(file, codec.FORMAT, (32, 32)))
            assert len(bits) <= 8 * len(file)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "quality"), [("jpeg", 3), ("jpeg", 20), ("jpeg", 75), ("webp", 1)])
def test_ten_thousand_pictures_arrive_as_the_whole_file_shows_them(name: str, quality: int) -> None:
    """Digits with noise of every strength, moved about and coloured: no two alike."""
    codec, generator = make(name, quality=quality), np.random.default_rng(quality)
    digits = load("digits", "train").pixels
    for number in range(10_000):
        pixels = np.roll(digits[number % len(digits)], generator.integers(0, 32, 2), (0, 1)) * generator.random(3)
        pixels = np.clip(pixels + generator.normal(0, 60 * generator.random(), pixels.shape), 0, 255).astype(np.uint8)
        shown = codec.decode(codec.encode(pixels))
        np.testing.assert_array_equal(shown, read_image(codec.file(pixels), codec.FORMAT, (32, 32)))


@pytest.mark.parametrize(("name", "settings"), MADE)
def test_damage_gives_an_image_or_none_and_never_raises(name: str, settings: dict, pictures: np.ndarray) -> None:
    codec, generator = make(name, **settings), np.random.default_rng(2)
    for pixels in pictures[:4]:
        bits = codec.encode(pixels)
        flipped = bits ^ (generator.random(len(bits)) < 0.05)
        noise = generator.integers(0, 2, len(bits))
        for received in (flipped, noise, np.zeros_like(bits), np.ones_like(bits), bits[:-9], bits[:8], bits[:0]):
            shown = codec.decode(np.asarray(received, np.uint8))
            assert shown is None or (shown.shape == (32, 32, 3) and shown.dtype == np.uint8)


def test_shared_tables_leave_the_scan_alone(pictures: np.ndarray) -> None:
    """Of a 32 x 32 JPEG the tables and headers are 623 bytes, known to both ends (T.81, B.5)."""
    shared, sent = make("jpeg", quality=10), make("jpeg", quality=10, tables="sent")
    for pixels in pictures:
        assert len(sent.encode(pixels)) - len(shared.encode(pixels)) == 8 * 623
        np.testing.assert_array_equal(shared.decode(shared.encode(pixels)), sent.decode(sent.encode(pixels)))


def test_the_shared_container_saves_what_it_says() -> None:
    pixels = load("digits", "val").pixels[0]
    for name, saved in (("webp", 20 + 7), ("avif", 267 + 8 + 13)):  # chunk heads and start code; boxes, mdat, sequence
        codec = make(name)
        assert isinstance(codec, ContainerCodec)
        assert 0 <= len(codec.file(pixels)) - len(codec.encode(pixels)) / 8 - saved <= 1  # WebP pads odd frames


def test_a_thumbnail_is_box_averages(pictures: np.ndarray) -> None:
    codec = make("pixels", side=8, depth=8, colour="rgb")
    small = pictures[6].reshape(8, 4, 8, 4, 3).mean(axis=(1, 3))
    levels = codec.encode(pictures[6]).reshape(8, 8, 3, 8) @ (1 << np.arange(7, -1, -1))
    assert np.abs(levels - small).max() <= 1.0  # Pillow averages rows, rounds, averages columns, and rounds again
    shown = Image.fromarray(np.round(levels).astype(np.uint8)).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(codec.decode(codec.encode(pictures[6])), np.asarray(shown))


def test_a_received_size_is_not_believed(pictures: np.ndarray) -> None:
    small, large = make("jpeg", image_size=16, tables="sent"), make("jpeg", tables="sent")
    assert small.decode(large.encode(pictures[0])) is None


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("jpeg", {"optimize": True}, "not known to the receiver"),
        ("jpeg", {"quality": 0}, "quality = 0"),
        ("webp", {"quality": 101}, "quality = 101"),
        ("pixels", {"side": 33}, "side = 33: a thumbnail of 32 pixels at most"),
        ("pixels", {"depth": 9}, "depth = 9"),
    ],
)
def test_bad_settings_are_one_line(name: str, settings: dict, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        make(name, **settings)
    assert "\n" not in str(caught.value)


def test_a_format_that_pillow_was_built_without_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.delitem(Image.SAVE, "AVIF")
    with pytest.raises(UserError, match="AVIF: this Pillow was built without it; install Pillow"):
        make("avif")
