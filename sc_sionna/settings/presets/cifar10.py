"""CIFAR-10 at 32 x 32: 4 x 4 patches, sized for two cores."""

from __future__ import annotations

from typing import Any

PRESET: dict[str, dict[str, Any]] = {
    "codec": {
        "encoder": {"dim": 128, "depth": 6},
        "decoder": {"dim": 128, "head_dim": 256},
        "codebook": {"size": 256},
        "code_dim": 16,
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
