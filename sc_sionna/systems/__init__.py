"""The schemes of Sec. V, one signature: a batch of images and an SNR to named outputs and integer counts.

Each ``transmit`` is the block diagram, a line per arrow. What does not depend on the SNR (kept patches, encoder, JPEG
streams, the classification of an image that arrived intact) is done once per batch and reused over a sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sc_sionna.baselines.jpeg_ldpc import JpegSettings
from sc_sionna.config import LinkSettings
from sc_sionna.errors import UserError
from sc_sionna.presets import SYSTEMS
from sc_sionna.systems.base import AirSurface, Batch, System
from sc_sionna.systems.jpeg_ldpc import JpegLdpcSystem
from sc_sionna.systems.jscc import JsccSystem
from sc_sionna.systems.masked_vqvae import Decoding, MaskedVqvaeSystem
from sc_sionna.training.weights import load_codec

__all__ = [
    "SYSTEM_NAMES",
    "AirSurface",
    "Batch",
    "JpegLdpcSystem",
    "JsccSystem",
    "MaskedVqvaeSystem",
    "System",
    "make_system",
]

SYSTEM_NAMES = tuple(SYSTEMS)


def make_system(
    name: str,
    preset: str,
    link: LinkSettings,
    jpeg: JpegSettings,
    mean_image: Callable[[], np.ndarray],
    weights: Path | None = None,
    decoding: Decoding = "hard",
) -> System:
    """A scheme by name with its stored weights.

    mean_image : gives the mean training image uint8 [H, W, 3], which JPEG+LDPC shows for a lost stream
    weights : folder, default the package's
    decoding : of indices, "hard" or "soft"

    Raises UserError for an unknown system, and weights that are missing or altered.
    """
    if name not in SYSTEM_NAMES:
        raise UserError(f"system = {name!r}: unknown; choose {', '.join(SYSTEM_NAMES)}")
    model, _ = load_codec(preset, name, weights)
    if name.startswith("jpeg-ldpc"):
        return JpegLdpcSystem(name, model, link, jpeg, mean_image)
    if name.startswith("jscc"):
        return JsccSystem(name, model, link)
    return MaskedVqvaeSystem(name, model, link, decoding)
