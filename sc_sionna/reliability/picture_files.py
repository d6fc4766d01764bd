"""Hostile pictures in an image folder: refused in one line, or exactly the pixels that were meant."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sc_sionna.data.folder import load_folder
from sc_sionna.reliability.checkpoint_files import Foreign
from sc_sionna.reliability.damage import MEMORY, peak_memory
from sc_sionna.reliability.outcome import Outcome
from sc_sionna.reliability.trap import Trap

Random = np.random.Generator
SIDE = 16
Made = bytes | Callable[[Path], object]  # a file's content, or what puts something at its path
# A case: name of the entry in the class folder, what is there, and the pixels that it means (None: it must be refused)
Case = Callable[[Random], tuple[str, Made, np.ndarray | None]]


def hostile_pictures(count: int, random: Random, folder: Path) -> Outcome:
    """Put ``count`` pictures, one at a time, beside a good one and load the folder; the kinds take turns."""
    outcome, root = Outcome("images"), folder / "data" / "d"
    good = _pixels(random)
    for part, number in (("train/a", 10), ("train/b", 10), ("test/b", 1)):
        (root / part).mkdir(parents=True)
        for i in range(number):
            Image.fromarray(good).save(root / part / f"{i}.png")
    cases = list(_CASES.items())
    with Trap(folder) as trap:
        for number in range(count):
            case, make = cases[number % len(cases)]
            name, made, wanted = make(random)
            place = root / "test" / "a"
            place.mkdir()
            path = place / name
            _ = path.write_bytes(made) if isinstance(made, bytes) else made(path)
            memory = peak_memory()

            def same(wanted: np.ndarray | None = wanted) -> bool:
                images = load_folder(folder / "data", "d", "test", SIDE)
                first = wanted is not None and len(images) == 2 and np.array_equal(images.pixels[0], wanted)
                return first and list(images.labels) == [0, 1] and np.array_equal(images.pixels[1], good)

            outcome.add(case, same)
            trap.report(case, outcome)
            if peak_memory() - memory > MEMORY:
                outcome.intrusion(case, f"took {peak_memory() - memory:.0f} MB")
            shutil.rmtree(place)
    return outcome


def _pixels(random: Random) -> np.ndarray:
    return random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def _saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _good(name: str) -> Case:
    """A good picture under a name that the folder may refuse."""

    def make(random: Random) -> tuple[str, Made, np.ndarray | None]:
        pixels = _pixels(random)
        return name, _saved(Image.fromarray(pixels)), pixels

    return make


def _refused(name: str, data: Callable[[], Made]) -> Case:
    return lambda random: (name, data(), None)


def _damaged(damage: Callable[[bytes, Random], bytes], kind: str = "PNG") -> Case:
    """A file whose format has sums over its pixels: whole, or refused."""

    def make(random: Random) -> tuple[str, Made, np.ndarray | None]:
        pixels = _pixels(random)
        data = _saved(Image.fromarray(pixels), kind)
        with Image.open(io.BytesIO(data)) as image:
            wanted = np.asarray(image.convert("RGB"))
        return f"x.{kind.lower()}", damage(data, random), wanted

    return make


def _flipped(data: bytes, random: Random) -> bytes:
    content = bytearray(data)
    content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
    return bytes(content)


def _cut(data: bytes, random: Random) -> bytes:
    return data[: int(random.integers(len(data)))]


def _turned(orientation: int) -> Case:
    """A scene as a turned camera stores it, with the mark that turns it back."""
    back = {
        1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
        5: lambda x: x.transpose(1, 0, 2), 6: lambda x: np.rot90(x, -1), 7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
        8: lambda x: np.rot90(x, 1), 9: lambda x: x,
    }[orientation]  # fmt: skip

    def make(random: Random) -> tuple[str, Made, np.ndarray | None]:
        pixels, exif = _pixels(random), Image.Exif()
        exif[0x0112] = orientation
        return "x.png", _saved(Image.fromarray(pixels), exif=exif), back(pixels)

    return make


def _mode(mode: str, exact: bool) -> Case:
    """A picture in another mode: exactly its colours if ``exact``, else refused."""

    def make(random: Random) -> tuple[str, Made, np.ndarray | None]:
        image = Image.fromarray(_pixels(random)).convert(mode)
        return "x.png", _saved(image), np.asarray(image.convert("RGB")) if exact else None

    return make


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, depth: int, colour: int, packed: bytes, *extra: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


@cache
def _zeros(size: int) -> bytes:
    """A zlib stream of so many zeros, of which a thousand take a byte."""
    packer, block = zlib.compressobj(9), bytes(2**20)
    parts = [packer.compress(block) for _ in range(size // 2**20)]
    return b"".join([*parts, packer.compress(bytes(size % 2**20)), packer.flush()])


def _small(*extra: bytes, packed: bytes | None = None) -> bytes:
    rows = zlib.compress(bytes(SIDE * (1 + 3 * SIDE)))
    return _png(SIDE, SIDE, 8, 2, rows if packed is None else packed, *extra)


def _animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "blue")]
    return _saved(frames[0], kind, save_all=True, append_images=frames[1:])


def _palette_with_transparency() -> bytes:
    image = Image.new("P", (SIDE, SIDE), 3)
    image.putpalette(list(range(256)) * 3)
    return _saved(image, transparency=3)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n(ran) (w) file (x) writestring showpage\n%%EOF\n"
_GREY = Image.new("RGB", (SIDE, SIDE), (9, 9, 9))

_CASES: dict[str, Case] = {
    "PostScript as .jpg": _refused("x.jpg", lambda: POSTSCRIPT),
    "PostScript as .png": _refused("x.png", lambda: POSTSCRIPT),
    "a GIF as .png": _refused("x.png", lambda: _saved(_GREY, "GIF")),
    "an animated GIF": _refused("x.gif", lambda: _animated("GIF")),
    "a TIFF as .jpg": _refused("x.jpg", lambda: _saved(_GREY, "TIFF")),
    "a pickle as .png": _refused("x.png", lambda: pickle.dumps(Foreign())),
    "SVG as .png": _refused("x.png", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'),
    "13,000 x 13,000 in 170 kB": _refused("x.png", lambda: _png(13_000, 13_000, 8, 0, _zeros(13_000 * 13_001))),
    "a small header, a gigabyte within": _refused("x.png", lambda: _png(13_000, SIDE, 8, 0, _zeros(2**30))),
    "a gigabyte of text": _refused("x.png", lambda: _small(_chunk(b"zTXt", b"a\0\0" + _zeros(2**30)))),
    "a gigabyte of profile": _refused("x.png", lambda: _small(_chunk(b"iCCP", b"a\0\0" + _zeros(2**30)))),
    "200 megapixels in the header": _refused("x.png", lambda: _png(20_000, 10_000, 8, 2, zlib.compress(b"0"))),
    "200 megapixels, bitmap": _refused("x.bmp", lambda: _saved(_GREY, "BMP")[:18] + struct.pack("<ii", 20_000, 10_000)),
    "200 megapixels, PPM": _refused("x.ppm", lambda: b"P6 20000 10000 255\n0"),
    "a PPM side of 4,300 digits": _refused("x.ppm", lambda: b"P6 " + b"9" * 4300 + b" 1 255\n"),
    "no pixels": _refused("x.png", lambda: _png(0, 0, 8, 2, zlib.compress(b""))),
    "no data": _refused("x.png", lambda: _small(packed=b"")),
    "too few rows": _refused("x.png", lambda: _small(packed=zlib.compress(bytes(40)))),
    "another size": _refused("x.png", lambda: _saved(_GREY.resize((8, 8)))),
    "an empty file": _refused("x.png", lambda: b""),
    **{f"a flipped bit, {i}": _damaged(_flipped) for i in range(6)},
    **{f"cut short, {kind} {i}": _damaged(_cut, kind) for kind in ("PNG", "JPEG", "BMP", "WEBP", "PPM") for i in (1, 2)},
    **{f"EXIF orientation {i}": _turned(i) for i in range(1, 10)},
    "16 bits of grey": _refused("x.png", lambda: _saved(Image.fromarray(np.full((SIDE, SIDE), 40_000, np.uint16)))),
    "16 bits of colour": _refused("x.png", lambda: _png(SIDE, SIDE, 16, 2, zlib.compress(bytes(SIDE * (1 + 6 * SIDE))))),
    "CMYK": _refused("x.jpg", lambda: _saved(_GREY.convert("CMYK"), "JPEG")),
    "floats": _refused("x.tiff", lambda: _saved(Image.new("F", (SIDE, SIDE)), "TIFF")),
    "a palette": _mode("P", True),
    "grey": _mode("L", True),
    "1 bit": _mode("1", True),
    "opaque": _mode("RGBA", True),
    "transparent": _refused("x.png", lambda: _saved(Image.new("RGBA", (SIDE, SIDE), (1, 2, 3, 4)))),
    "a palette with transparency": _refused("x.png", _palette_with_transparency),
    "an animated PNG": _refused("x.png", lambda: _animated("PNG")),
    "an animated WebP": _refused("x.webp", lambda: _animated("WEBP")),
    "two MPO frames": _refused("x.jpg", lambda: _animated("MPO")),
    "a damaged profile": _refused("x.png", lambda: _saved(_GREY, icc_profile=b"no profile")),
    "another gamma": _refused("x.png", lambda: _small(_chunk(b"gAMA", struct.pack(">I", 100_000)))),
    "a link to nothing": _refused("x.png", lambda: lambda path: path.symlink_to("nowhere")),
    "a link to itself": _refused("x.png", lambda: lambda path: path.symlink_to(path.name)),
    "a link to a device": _refused("x.png", lambda: lambda path: path.symlink_to("/dev/zero")),
    "a link to a system file": _refused("x.png", lambda: lambda path: path.symlink_to("/etc/passwd")),
    "a pipe": _refused("x.png", lambda: lambda path: os.mkfifo(path)),
    "a folder": _refused("x.png", lambda: lambda path: path.mkdir()),
    "a name of escape codes": _good("\x1b[2J\x1b]0;t\x07.png"),
    "a name of two lines": _good("a\nerror: b.png"),
    "a name of no Unicode": _good("\udcff.png"),
    "a name that reads backwards": _good("\u202egnp.png"),
    "a name of spaces": _good("  .png"),
    "another's name refused": _refused("a\nerror: \x1b[2J.png", lambda: b"none"),
    "no picture of two lines": _refused("a\n\x1b[2J.txt", lambda: b"none"),
    "a suffix in upper case": _good("X.PNG"),
    "a JPEG's suffix": _good("x.jpg"),
}  # fmt: skip
