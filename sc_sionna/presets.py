"""Named presets: what each data set's systems are made of and how they are trained."""

from __future__ import annotations

from typing import Any

from sc_sionna.config import CodecSettings, LinkSettings, Preset, TrainSettings
from sc_sionna.errors import UserError

# The systems differ in these settings of the codec and of the training alone; widths, depths and heads are shared.
SYSTEMS: dict[str, dict[str, dict[str, Any]]] = {
    "masked-vqvae": {},
    "jpeg-ldpc": {
        "codec": {"bottleneck": "none", "masking_ratio": 0.0},
        "train": {"channel": "none", "pretrain_epochs": 0},
    },
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {
        "codec": {},
        "train": {
            # from scratch: 10 epochs of masked pre-training before 50 cost 0.2 of accuracy at 3 dB on these 1,295 images
            "epochs": 130,
            "batch_size": 32,
            "label_smoothing": 0.0,
            "shift": 1,
            "val_repeats": 4,
        },
    },
    "cifar10": {
        "codec": {
            "dim": 128,
            "depth": 6,
            "decoder_dim": 128,
            "codebook_size": 256,
            "code_dim": 16,
            "head_dim": 256,
        },
        "train": {
            "epochs": 16,
            "batch_size": 128,
            "warmup_epochs": 1.0,
            "shift": 3,
            "flip": True,
            "precision": "mixed_bfloat16",
            "val_repeats": 1,
        },
    },
    # Sec. V-A: 14 x 14 patches, 14 layers, 12 heads, J = 256, masking ratio 0.5. The width is not stated; 768 is the
    # usual one for 12 heads.
    "paper": {
        "codec": {
            "image_size": 224,
            "patch_size": 16,
            "dim": 768,
            "depth": 14,
            "num_heads": 12,
            "mlp_ratio": 4.0,
            "decoder_dim": 384,
            "decoder_num_heads": 6,
            "codebook_size": 256,
            "code_dim": 32,
            "head_dim": 512,
        },
        "train": {"epochs": 100, "pretrain_epochs": 100, "batch_size": 8, "flip": True, "precision": "mixed_bfloat16"},
    },
}


def make_preset(
    name: str,
    system: str,
    codec: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
) -> Preset:
    """The preset of a system with some settings changed; UserError for an unknown name or setting."""
    if name not in PRESETS:
        raise UserError(f"preset = {name!r}: unknown; choose {', '.join(PRESETS)}")
    if system not in SYSTEMS:
        raise UserError(f"system = {system!r}: unknown; choose {', '.join(SYSTEMS)}")
    base, special = PRESETS[name], SYSTEMS[system]
    return Preset(
        name=name,
        system=system,
        dataset=name if name != "paper" else "imagenette",
        codec=CodecSettings(**{**base["codec"], **special.get("codec", {}), **(codec or {})}),
        link=LinkSettings(**(link or {})),
        train=TrainSettings(**{**base["train"], **special.get("train", {}), **(train or {})}),
    )
