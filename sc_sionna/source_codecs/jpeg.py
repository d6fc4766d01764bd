"""JPEG (ITU-T T.81) as bits for the digital link.

With the standard Huffman tables and the standard quantisation tables of a quality, everything before the scan is the same
for all images of one size. Both ends know it, as they know a codebook, and it is not sent (``tables="shared"``); T.81,
B.5, calls such a stream the abbreviated format.
"""

from __future__ import annotations

import io
from functools import cached_property
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageFile
from pydantic import Field, model_validator

from sc_sionna.source_codecs.base import ContainerCodec, SourceSettings, black, read_image

END = b"\xff\xd9"  # end of image, the last marker of every file
QUALITIES = (95, 85, 75, 60, 50, 40, 30, 25, 20, 15, 10, 7, 5, 3, 2, 1)


class JpegSettings(SourceSettings):
    """Pillow's JPEG encoder, and which part of its file is sent."""

    quality: int = Field(75, ge=1, le=95, description="JPEG quality, 1 to 95")
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = Field("4:2:0", description="chroma subsampling")
    tables: Literal["shared", "sent"] = Field(
        "shared", description="'shared' sends the scan alone, since both ends know the standard tables; 'sent' the file"
    )
    optimize: bool = Field(False, description="true for Huffman tables made for the image, which have to be sent")
    halved: bool = Field(False, description="true to halve height and width before coding, and double them after")

    @model_validator(mode="after")
    def _check(self) -> JpegSettings:
        if self.optimize and self.tables == "shared":
            raise ValueError(
                "optimize = True: tables made for an image are not known to the receiver; set tables = 'sent', or "
                "optimize = false"
            )
        return self


def encode_jpeg(pixels: np.ndarray, settings: Any) -> bytes:
    """One uint8 image ``[H, W, 3]`` as a JPEG stream.

    settings : with ``quality``, ``subsampling`` and ``optimize`` as :class:`JpegSettings` has them
    """
    buffer = io.BytesIO()
    previous = ImageFile.MAXBLOCK
    # Pillow's own guess is too small for noise with optimised tables
    ImageFile.MAXBLOCK = max(previous, 4 * pixels.size)
    try:
        Image.fromarray(pixels).save(
            buffer, "JPEG", quality=settings.quality, subsampling=settings.subsampling, optimize=settings.optimize
        )
    finally:
        ImageFile.MAXBLOCK = previous
    return buffer.getvalue()


class JpegCodec(ContainerCodec):
    """Baseline JPEG, whole or as its scan alone, at full or at half size."""

    FORMAT = "JPEG"
    Settings = JpegSettings

    @classmethod
    def ladders(cls, settings: Any, image_size: int) -> list[list[Any]]:
        """Every quality at full size, and at half size."""
        return [[settings.with_(quality=q, halved=halved) for q in QUALITIES] for halved in (False, True)]

    @property
    def coded_size(self) -> int:
        """Height and width of the coded image."""
        return -(-self.image_size // 2) if self.settings.halved else self.image_size

    def file(self, pixels: np.ndarray) -> bytes:
        """The image as a whole JPEG file."""
        return encode_jpeg(pixels, self.settings)

    @cached_property
    def header(self) -> bytes:
        """Everything up to the first byte of the scan, the same for all images; empty where the tables are sent."""
        if self.settings.tables == "sent":
            return b""
        file = self.file(black(self.coded_size))
        start = file.index(b"\xff\xda")  # start of scan, followed by the length of its header
        return file[: start + 2 + int.from_bytes(file[start + 2 : start + 4], "big")]

    def strip(self, file: bytes) -> bytes:
        """The scan alone, or the file without its last marker."""
        return file[len(self.header) : -len(END)]

    def wrap(self, sent: bytes) -> bytes:
        """The file of a scan."""
        return self.header + sent + END

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """The image at full or at half size as bits."""
        if self.settings.halved:
            size = (self.coded_size, self.coded_size)
            pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
        return super().encode(pixels)

    def decode(self, bits: np.ndarray) -> np.ndarray | None:
        """The picture at full size, interpolated where it was sent at half."""
        file = self.wrap(np.packbits(bits.astype(np.uint8)).tobytes())
        decoded = read_image(file, self.FORMAT, (self.coded_size,) * 2)
        if decoded is None or not self.settings.halved:
            return decoded
        return np.asarray(Image.fromarray(decoded).resize((self.image_size,) * 2, Image.Resampling.BILINEAR))
