"""The paper's model at 224 x 224, Sec. V-A: 14 x 14 patches, 14 layers, 12 heads, J = 256, masking ratio 0.5.

The width is not stated; 768 is the usual one for 12 heads.
"""

from __future__ import annotations

from typing import Any

PRESET: dict[str, dict[str, Any]] = {
    "codec": {
        "image_size": 224,
        "patch_size": 16,
        "encoder": {"dim": 768, "depth": 14, "num_heads": 12, "mlp_ratio": 4.0},
        "decoder": {"dim": 384, "num_heads": 6, "mlp_ratio": 4.0, "head_dim": 512},
        "codebook": {"size": 256},
        "code_dim": 32,
    },
    "train": {"epochs": 100, "pretrain_epochs": 100, "batch_size": 8, "flip": True, "precision": "mixed_bfloat16"},
    "at": {
        "attack_epsilon": 0.016,
    },
}
