"""AVIF without the parts of its file that every image of one size shares."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.source_codecs.base import ContainerCodec, SourceSettings, black

# From the box's name to the length of the one extent of the one item: version and flags 4, field sizes 2, item count 2,
# item 2, data reference 2, extent count 2, extent offset 4
EXTENT_LENGTH = 4 + 4 + 2 + 2 + 2 + 2 + 2 + 4


class AvifSettings(SourceSettings):
    """Pillow's AVIF encoder."""

    quality: int = Field(30, ge=0, le=100, description="AVIF quality, 0 to 100")


class AvifCodec(ContainerCodec):
    """The AV1 frame alone.

    All boxes before it, and the sequence header at the item's start, are those of a black image; the boxes say the item's
    length twice: in ``iloc`` (ISO/IEC 14496-12, 8.11.3) and in the header of ``mdat``, the last box.
    """

    FORMAT = "AVIF"
    Settings = AvifSettings

    @classmethod
    def ladders(cls, settings: Any, image_size: int) -> list[list[Any]]:
        """Qualities from fine to coarse, few of them: each takes milliseconds a picture."""
        return [[settings.with_(quality=q) for q in (70, 50, 35, 20, 8, 1)]]

    def options(self) -> dict[str, object]:
        """A thorough search in one thread, so that equal images give equal bits.

        The slowest one (speed 0) takes tens of times as long and saves at most 1 % of the file of 32 x 32 pixels.
        """
        return {"quality": self.settings.quality, "speed": 5, "max_threads": 1}

    @cached_property
    def container(self) -> tuple[bytes, int, bytes]:
        """The boxes up to the item's first byte, where in them its length stands, and its sequence header."""
        file = self.file(black(self.image_size))
        start = file.index(b"mdat") + 4
        place = file.index(b"iloc") + EXTENT_LENGTH
        item = file[start:]
        if file[place : place + 4] != len(item).to_bytes(4, "big") or item[:3] != b"\x12\x00\x0a":
            raise UserError(
                "avif: this Pillow writes more than one item, or its parts in another order; choose another codec"
            )
        return file[:start], place, item[: 4 + item[3]]  # temporal delimiter, sequence header with its size (AV1, 5.3)

    def strip(self, file: bytes) -> bytes:
        """The frame behind the sequence header."""
        boxes, _, sequence = self.container
        return file[len(boxes) + len(sequence) :]

    def wrap(self, sent: bytes) -> bytes:
        """The boxes with the item's length put in twice, the sequence header and the frame."""
        boxes, place, sequence = self.container
        item = sequence + sent
        size = (len(item) + 8).to_bytes(4, "big")
        return boxes[:place] + len(item).to_bytes(4, "big") + boxes[place + 4 : -8] + size + b"mdat" + item
