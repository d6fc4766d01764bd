"""CIFAR-10 at 32 x 32: 4 x 4 patches, sized for two cores."""

from __future__ import annotations

from typing import Any

PRESET: dict[str, dict[str, Any]] = {
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
    "at": {
        "attack_epsilon": 8 / 255,
    },
}
