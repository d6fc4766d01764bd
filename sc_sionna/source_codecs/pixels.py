"""A thumbnail: box averages at a few bits a value. No transform, no entropy code, no network."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.source_codecs.base import SourceCodec, SourceSettings

SIDES, DEPTHS = (32, 24, 20, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1), (1, 2, 3, 4)


class PixelsSettings(SourceSettings):
    """Size and depth of the thumbnail."""

    side: int = Field(8, ge=1, le=256, description="height and width of the thumbnail in pixels")
    depth: int = Field(2, ge=1, le=8, description="bits of each value")
    colour: Literal["grey", "rgb"] = Field("grey", description="one value a pixel, or three")


class PixelsCodec(SourceCodec):
    """Box average to ``side`` x ``side``, uniform quantisation to 2^depth levels from black to white, bilinear back.

    Any bits are an image, so nothing is ever undecodable: an error is a wrong shade of one pixel.
    """

    Settings = PixelsSettings

    @classmethod
    def ladders(cls, settings: Any, image_size: int) -> list[list[Any]]:
        """At every depth, grey and in colour, thumbnails from large to small."""
        return [
            [settings.with_(side=side, depth=depth, colour=colour) for side in SIDES if side <= image_size]
            for colour in ("grey", "rgb")
            for depth in DEPTHS
        ]

    def __init__(self, settings: PixelsSettings, image_size: int) -> None:
        super().__init__(settings, image_size)
        if settings.side > image_size:
            raise UserError(
                f"side = {settings.side}: a thumbnail of {image_size} pixels at most; set side <= {image_size}"
            )
        self.channels = 3 if settings.colour == "rgb" else 1
        self.num_bits = settings.side**2 * settings.depth * self.channels

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Box averages, quantised, most significant bit first."""
        s = self.settings
        image = Image.fromarray(pixels).convert("RGB" if self.channels == 3 else "L")
        small = np.asarray(image.resize((s.side, s.side), Image.Resampling.BOX), np.float64)
        levels = np.round(small / 255.0 * (2**s.depth - 1)).astype(np.uint8).reshape(-1, 1)
        return ((levels >> np.arange(s.depth - 1, -1, -1)) & 1).astype(np.uint8).ravel()

    def decode(self, bits: np.ndarray) -> np.ndarray | None:
        """The thumbnail, interpolated to full size; None for another number of bits."""
        s = self.settings
        if bits.shape != (self.num_bits,):
            return None
        levels = bits.reshape(-1, s.depth).astype(np.int64) @ (1 << np.arange(s.depth - 1, -1, -1))
        small = np.round(levels * (255.0 / (2**s.depth - 1))).astype(np.uint8).reshape(s.side, s.side, -1)
        image = Image.fromarray(small if self.channels == 3 else small[..., 0]).convert("RGB")
        return np.asarray(image.resize((self.image_size, self.image_size), Image.Resampling.BILINEAR))
