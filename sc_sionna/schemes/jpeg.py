"""JPEG source coding as bits for the digital link (Sec. V-A: "JPEG+LDPC").

image ─ JPEG ─ length header ─▶ code blocks with CRC ~~~ DigitalLink ~~~▶ blocks, CRC verdicts ─▶ stream ─▶ image
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import ImageFile
from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.schemes.codecs.base import read_image
from sc_sionna.settings import Settings

HEADER_BITS = 16


class JpegSettings(Settings):
    """Pillow's JPEG encoder, and what the receiver shows for a stream that it cannot decode."""

    quality: int = Field(75, ge=1, le=95, description="JPEG quality, 1 to 95")
    subsampling: Literal["4:4:4", "4:2:2", "4:2:0"] = Field("4:2:0", description="chroma subsampling")
    optimize: bool = Field(True, description="true for Huffman tables made for the image")
    undecodable: Literal["mean", "best-effort"] = Field(
        "mean", description="'mean' shows the mean training image, 'best-effort' decodes what arrived where it can"
    )
    block_bits: int = Field(1024, ge=64, le=8448, description="information bits of a code block, CRC included")
    crc: Literal["CRC24A", "CRC24B", "CRC16", "CRC11", "CRC6"] = Field(
        "CRC24A", description="the CRC by which the receiver knows that a block arrived"
    )


def decode_jpeg(stream: bytes, shape: tuple[int, ...], tolerate_errors: bool = False) -> np.ndarray | None:
    """Image uint8 of ``shape``, or None where the stream is no JPEG of that size.

    ``tolerate_errors`` accepts a truncated or damaged stream as far as the decoder gets.
    """
    previous = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = tolerate_errors
    try:
        return read_image(stream, "JPEG", shape[:2])
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = previous


def to_payload(stream: bytes) -> np.ndarray:
    """Length header (16 bits, bytes, most significant first) and stream as bits: uint8 ``[16 + 8·len]``."""
    limit = 2**HEADER_BITS - 1
    if len(stream) > limit:
        raise UserError(
            f"JPEG stream of {len(stream)} bytes: the {HEADER_BITS}-bit length header says at most {limit}; "
            "lower the quality or the image size"
        )
    return np.unpackbits(np.frombuffer(len(stream).to_bytes(HEADER_BITS // 8, "big") + stream, dtype=np.uint8))


def from_payload(bits: np.ndarray) -> bytes | None:
    """Stream from received bits, as long as its header says; None where the header asks for more than arrived."""
    data = np.packbits(bits.astype(np.uint8)).tobytes()
    length = int.from_bytes(data[: HEADER_BITS // 8], "big")
    stream = data[HEADER_BITS // 8 : HEADER_BITS // 8 + length]
    return stream if len(stream) == length and length > 0 else None
