"""Weights of tiny untrained codecs under the names of the digits' schemes: what attacks them compiles in a moment."""

from __future__ import annotations

from pathlib import Path

from sc_sionna.core import rng
from sc_sionna.semantic.weights import save_weights
from sc_sionna.settings import CodecSettings
from sc_sionna.settings.presets import make_preset
from sc_sionna.tasks import make_codec

SIZES = {
    "image_size": 32, "patch_size": 8, "code_dim": 4, "codebook": {"size": 16},
    "encoder": {"dim": 16, "depth": 2, "num_heads": 2},
    "decoder": {"dim": 16, "depth": 1, "num_heads": 2, "head_dim": 16},
}  # fmt: skip
TINY_DIGITS = CodecSettings(**SIZES)
CODECS = {
    "masked-vqvae": TINY_DIGITS,
    "masked-vqvae+fim": TINY_DIGITS.with_(importance={"layers": (0,)}, codebook={"orthogonality_weight": 0.1}),
    "jscc": TINY_DIGITS.with_(bottleneck="analog", masking={"ratio": 0.0}),
    "jpeg-ldpc": TINY_DIGITS.with_(bottleneck="none", masking={"ratio": 0.0}),
}


def write_tiny_weights(folder: Path) -> Path:
    """All of them, into ``folder``, which is returned."""
    for name, settings in CODECS.items():
        rng.set_global_seeds(1, name)
        preset = make_preset("digits", name).with_(codec=settings.model_dump())
        save_weights(folder, preset, make_codec(settings).initialise(), {}, "none")
    return folder
