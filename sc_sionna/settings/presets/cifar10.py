"""CIFAR-10 at 32 x 32: 4 x 4 patches, sized for two cores."""

from __future__ import annotations

from typing import Any

PRESET: dict[str, dict[str, Any]] = {
    "codec": {
        "encoder": {"dim": 128, "depth": 6},
        "decoder": {"dim": 128, "head_dim": 256, "knows_snr": True},
        "codebook": {"size": 256},
        "code_dim": 16,
    },
    # A code that carries content: the quantiser comes late, indices of most images arrive in training (with four
    # streams the link's cliff is near 5 dB), and reconstruction stays beside the task.
    "train": {
        "pretrain_epochs": 8,
        "continuous_epochs": 5,
        "epochs": 16,
        "reconstruction_weight": 0.2,
        "snr_range_db": (0.0, 18.0),
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
