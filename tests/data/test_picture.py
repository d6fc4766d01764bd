"""What becomes of a picture's properties on reading: converted right, or refused with a line."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from sc_sionna.core.errors import UserError
from sc_sionna.data import picture
from sc_sionna.data.picture import read_image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (8, 8), dtype=np.uint8)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def rows_of(pixels: np.ndarray) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def refused(path, size: int | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read_image(path, size)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    """The file holds what a turned camera saw; what is read is the upright scene."""
    scene = np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((16, 16), np.uint8))
    turned = {
        1: scene, 2: scene[:, ::-1], 3: scene[::-1, ::-1], 4: scene[::-1], 5: scene.T, 6: np.rot90(scene, 1),
        7: scene[::-1, ::-1].T, 8: np.rot90(scene, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{suffix}"
    lossless = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
    Image.fromarray(np.ascontiguousarray(turned)).convert("RGB").save(path, exif=exif, **lossless)
    found = read_image(path, 32)[4::16, 4::16, 0].astype(int)
    assert np.abs(found - [[0, 80], [160, 240]]).max() <= 4


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_grey_palette_and_opaque_images_become_rgb_exactly(tmp_path, mode):
    image = Image.fromarray(PIXELS).convert(mode)
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("suffix", [".bmp", ".ppm", ".PNG", ".pgm"])
def test_lossless_formats(tmp_path, suffix):
    image = Image.fromarray(PIXELS if suffix != ".pgm" else GREY)
    image.save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), np.asarray(image.convert("RGB")))


def transparent(path, kind: str) -> None:
    alpha = np.full((8, 8, 1), 255, np.uint8)
    alpha[3, 3] = 254
    rgba = Image.fromarray(np.concatenate([PIXELS, alpha], axis=-1))
    if kind == "palette":
        Image.fromarray(GREY // 64).convert("P").save(path, transparency=int(GREY[0, 0] // 64))
    elif kind == "palette alphas":
        Image.fromarray(GREY // 64).convert("P").save(path, transparency=bytes([255, 255, 10, 255]))
    elif kind == "colour key":
        Image.fromarray(PIXELS).save(path, transparency=tuple(int(v) for v in PIXELS[2, 2]))
    elif kind == "grey key":
        Image.fromarray(GREY).save(path, transparency=int(GREY[2, 2]))
    else:
        rgba.convert("LA" if kind == "grey" else "RGBA").save(path, **({"lossless": True} if kind == "webp" else {}))


@pytest.mark.parametrize("kind", ["palette", "palette alphas", "colour key", "grey key", "grey", "colour", "webp"])
def test_transparency_has_no_right_background(tmp_path, kind):
    path = tmp_path / ("a.webp" if kind == "webp" else "a.png")
    transparent(path, kind)
    assert "transparent pixels, every pixel must be opaque" in refused(path)


def test_sixteen_bits_are_refused(tmp_path):
    deep = (GREY.astype(np.uint16) * 200).astype(">u2")
    (tmp_path / "grey.png").write_bytes(png(8, 8, 16, 0, rows_of(deep)))
    (tmp_path / "rgb.png").write_bytes(png(8, 8, 16, 2, rows_of(np.stack([deep] * 3, axis=-1))))
    (tmp_path / "grey.pgm").write_bytes(b"P5 8 8 65535\n" + deep.tobytes())
    for name in ("grey.png", "rgb.png", "grey.pgm"):
        assert "16 bits per channel, 8 bits" in refused(tmp_path / name), name


@pytest.mark.parametrize("mode", ["CMYK", "YCCK"])
def test_print_colours_are_refused(tmp_path, mode):
    Image.fromarray(PIXELS).convert("CMYK").save(tmp_path / "a.jpg")
    if mode == "YCCK":  # Adobe's marker says how the four components are meant
        data = (tmp_path / "a.jpg").read_bytes()
        marker = data.find(b"Adobe\x00")
        assert marker > 0
        (tmp_path / "a.jpg").write_bytes(data[: marker + 11] + b"\x02" + data[marker + 12 :])
    assert "colour mode CMYK, 8 bits of grey or RGB are wanted" in refused(tmp_path / "a.jpg")


def wide_gamut_profile() -> bytes:
    """A matrix profile with sRGB's primaries rotated: red is green, green is blue, blue is red."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        data[132 + 12 * i : 136 + 12 * i].decode(): 132 + 12 * i for i in range(struct.unpack(">I", data[128:132])[0])
    }
    places = [data[tags[name] + 4 : tags[name] + 12] for name in ("rXYZ", "gXYZ", "bXYZ")]
    for name, place in zip(("rXYZ", "gXYZ", "bXYZ"), (places[1], places[2], places[0]), strict=True):
        data[tags[name] + 4 : tags[name] + 12] = place
    return bytes(data)


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_an_icc_profile_is_applied(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    pixels = np.tile(np.array([200, 30, 90], np.uint8), (8, 8, 1))
    lossless = {"png": {}, "webp": {"lossless": True}, "jpg": {"quality": 95}}[suffix]
    Image.fromarray(pixels).save(path, icc_profile=wide_gamut_profile(), **lossless)
    found = read_image(path).astype(int)
    assert np.abs(found - [90, 200, 30]).max() <= (6 if suffix == "jpg" else 2)
    Image.fromarray(pixels).save(path, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
                                 **lossless)  # fmt: skip
    assert np.abs(read_image(path).astype(int) - pixels).max() <= (3 if suffix == "jpg" else 0)


def test_a_damaged_profile_is_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png", icc_profile=b"not a profile at all" * 9)
    assert "ICC profile" in refused(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (chunk(b"gAMA", struct.pack(">I", 100000)), "PNG gamma 1, 0.45455 (sRGB) is wanted"),
        (chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)), "chromaticities"),
        (chunk(b"gAMA", struct.pack(">I", 45455)), None),
        (chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 100000)), None),
        (chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)), None),
    ],
)
def test_png_colours_other_than_srgb_are_refused(tmp_path, extra, words):
    (tmp_path / "a.png").write_bytes(png(8, 8, 8, 2, rows_of(PIXELS), extra))
    if words is None:
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PIXELS)
    else:
        assert words in refused(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_animations_are_refused(tmp_path, suffix):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert "2 frames, an image has one" in refused(tmp_path / f"a.{suffix}")


def test_a_stereo_picture_is_refused(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[Image.fromarray(PIXELS)])
    assert "2 frames" in refused(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "EPS", "ICO"])
def test_only_the_accepted_formats_reach_a_decoder(tmp_path, kind, monkeypatch):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind)
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    assert "its content is none of JPEG, PNG, BMP, WEBP, PPM" in refused(tmp_path / "a.jpg")


def test_content_counts_and_not_the_suffix(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", "PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), PIXELS)


@pytest.mark.parametrize("side", [13_000, 14_200])
@pytest.mark.parametrize("size", [None, 32])
def test_a_huge_picture_in_a_small_file_costs_no_memory(tmp_path, side, size):
    """169 and 202 megapixels, of one bit each; a process of its own, so that its peak is its own."""
    line = b"\0" * (1 + side // 8)
    (tmp_path / "a.png").write_bytes(png(side, side, 1, 0, line * side))
    assert (tmp_path / "a.png").stat().st_size < 40_000
    code = (
        "import resource\nfrom pathlib import Path\nfrom sc_sionna.data.picture import read_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try:\n    read_image(Path({str(tmp_path / 'a.png')!r}), {size})\n"
        "except ValueError as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    message, grown = done.stdout.splitlines()
    assert "wanted" in message or "are read" in message
    assert int(grown) < 20


def test_the_file_is_bounded_before_it_is_read(tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(picture, "MAX_FILE_BYTES", 100)
    assert "bytes, at most 100 are read" in refused(tmp_path / "a.png")


def test_damage_and_truncation_are_one_line_or_an_image(tmp_path):
    rng, outcomes = np.random.default_rng(5), []
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 50, zip=True)
    for suffix in ("png", "jpg", "webp", "bmp"):
        path = tmp_path / f"a.{suffix}"
        named = {"pnginfo": info} if suffix == "png" else {}
        Image.fromarray(PIXELS).save(path, icc_profile=wide_gamut_profile() if suffix == "jpg" else None, **named)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for number in range(150):
            damaged = whole[: rng.integers(1, len(whole))].copy() if number % 3 == 0 else whole.copy()
            damaged[rng.integers(0, len(damaged), 3)] = rng.integers(0, 256, 3)
            path.write_bytes(damaged.tobytes())
            try:
                outcomes.append(read_image(path, 8).shape)
            except UserError as error:
                outcomes.append("\n" in str(error))
    assert set(outcomes) == {(8, 8, 3), False}
