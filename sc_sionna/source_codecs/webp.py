"""Lossy WebP (RFC 9649) without the parts of its file that every image of one size shares."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sc_sionna.source_codecs.base import ContainerCodec, SourceSettings

CHUNK = 20  # RIFF, size, WEBP, VP8, size
TAG = slice(20, 23)  # of the frame: its type and the size of its first partition
START = slice(23, 30)  # start code, width and height (RFC 6386, 9.1)


class WebpSettings(SourceSettings):
    """Pillow's WebP encoder."""

    quality: int = Field(1, ge=0, le=100, description="WebP quality, 0 to 100")


class WebpCodec(ContainerCodec):
    """A VP8 key frame. The chunk headers follow from its length, start code and size are known to both ends."""

    FORMAT = "WEBP"
    Settings = WebpSettings

    @classmethod
    def ladders(cls, settings: Any, image_size: int) -> list[list[Any]]:
        """Qualities from fine to coarse."""
        return [[settings.with_(quality=q) for q in (95, 80, 65, 50, 35, 25, 15, 8, 4, 1)]]

    def options(self) -> dict[str, int]:
        """The slowest and best search."""
        return {"quality": self.settings.quality, "method": 6}

    def strip(self, file: bytes) -> bytes:
        """The frame without start code, width and height, and without the byte that fills the file to an even length."""
        body = file[TAG] + file[START.stop :]
        return body[:-1] if self._odd(file) else body

    @staticmethod
    def _odd(file: bytes) -> bool:
        return int.from_bytes(file[16:20], "little") % 2 == 1  # then the file ends with a byte of padding

    def wrap(self, sent: bytes) -> bytes:
        """The chunk headers, whose lengths follow from the frame's, and the frame."""
        side = self.image_size.to_bytes(2, "little")
        frame = sent[:3] + b"\x9d\x01\x2a" + side + side + sent[3:]
        padded = frame + b"\0" * (len(frame) % 2)
        header = b"RIFF" + (12 + len(padded)).to_bytes(4, "little") + b"WEBPVP8 " + len(frame).to_bytes(4, "little")
        return header + padded
