"""A source codec: pixels to bits and back, the conventional half of a scheme over the digital link."""

from __future__ import annotations

import io
import warnings
from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.settings import Settings


class SourceSettings(Settings):
    """How the stream of a source codec is protected; a codec's own settings are added to these."""

    crc: Literal["CRC24A", "CRC24B", "CRC16", "CRC11", "CRC6"] = Field(
        "CRC16", description="the CRC by which the receiver knows that a block arrived"
    )
    max_block_bits: int = Field(
        3840, ge=64, le=8448, description="the most information bits of a code block, CRC included; a stream is divided"
    )


class SourceCodec(ABC):
    """Compresses square RGB images of one size; both ends hold the same object.

    A subclass names its ``Settings`` class and writes :meth:`encode` and :meth:`decode`. Everything that both ends can
    compute beforehand (tables, containers, the image's size) is not part of the bits.

    settings : of the subclass's own class
    image_size : height and width of every image in pixels

    Attributes
    ----------
    num_bits : the number of bits of every image where it is always the same, so that no length has to be sent; else None
    """

    Settings: type[SourceSettings]
    num_bits: int | None = None

    def __init__(self, settings: Any, image_size: int) -> None:
        self.settings, self.image_size = settings, image_size

    @classmethod
    def ladders(cls, settings: Any, image_size: int) -> list[list[Any]]:
        """Settings among which a number of bits chooses, each list from fine to coarse; only those given by default."""
        return [[settings]]

    @abstractmethod
    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Image uint8 ``[H, H, 3]`` to bits uint8 ``[L]`` of 0 and 1."""

    @abstractmethod
    def decode(self, bits: np.ndarray) -> np.ndarray | None:
        """Bits ``[L]`` to image uint8 ``[H, H, 3]``; None where they are no image of this codec. Never raises on damage."""


class ContainerCodec(SourceCodec):
    """A codec of Pillow's whose files share a container: what is equal in all files of one size is not sent.

    The subclass cuts a file down to what differs from image to image (:meth:`strip`) and builds the file again
    (:meth:`wrap`). A file that does not survive the round trip byte for byte is a UserError: its pixels would not either.
    """

    FORMAT: str

    def __init__(self, settings: Any, image_size: int) -> None:
        super().__init__(settings, image_size)
        Image.init()
        if self.FORMAT not in Image.SAVE:
            raise UserError(
                f"{self.FORMAT}: this Pillow was built without it; install Pillow from its wheels, or leave the scheme out"
            )

    def options(self) -> dict[str, Any]:
        """Keyword arguments of Pillow's encoder."""
        return {"quality": self.settings.quality}

    @abstractmethod
    def strip(self, file: bytes) -> bytes:
        """What is sent of a file."""

    @abstractmethod
    def wrap(self, sent: bytes) -> bytes:
        """The file of what was sent."""

    def file(self, pixels: np.ndarray) -> bytes:
        """The image as a whole file."""
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, self.FORMAT, **self.options())
        return buffer.getvalue()

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """The file without its container; UserError where both ends cannot know that."""
        file = self.file(pixels)
        sent = self.strip(file)
        if self.wrap(sent) != file:
            raise UserError(
                f"{self.FORMAT} of {self.image_size} x {self.image_size} pixels: Pillow writes a container that both ends "
                "cannot know; choose another codec"
            )
        return np.unpackbits(np.frombuffer(sent, np.uint8))

    def decode(self, bits: np.ndarray) -> np.ndarray | None:
        """The picture of the file that the bits belong to; None where it is none."""
        return read_image(self.wrap(np.packbits(bits.astype(np.uint8)).tobytes()), self.FORMAT, (self.image_size,) * 2)


def read_image(file: bytes, image_format: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Pixels uint8 ``[H, W, 3]`` of a received file, or None where it is no image of that format and ``shape`` (H, W)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes and of damage, which is refused here
            with Image.open(io.BytesIO(file), formats=[image_format]) as image:
                if (image.height, image.width) != shape:  # a damaged size must not allocate gigabytes
                    return None
                return np.asarray(image.convert("RGB"))
    except (
        OSError,
        RuntimeError,
        SyntaxError,
        ValueError,
        EOFError,
        OverflowError,
        MemoryError,
        Image.DecompressionBombError,
    ):
        return None


def black(image_size: int) -> np.ndarray:
    """The image of which both ends make the container that they share."""
    return np.zeros((image_size, image_size, 3), np.uint8)
