"""Images to features of the kept patches (Sec. III-A1)."""

from __future__ import annotations

from typing import Any

from keras import layers

from sc_sionna.config import CodecSettings
from sc_sionna.semantic.masking import gather_kept
from sc_sionna.semantic.patches import patchify
from sc_sionna.semantic.transformer import PositionEmbedding, ViTBlock


class Encoder(layers.Layer):
    """Patches → embedding + position → drop the masked ones → ViT blocks.

    ``call(images [B, H, W, 3] in [0, 1], keep [B, N] int32) -> [B, N, dim]``. Masked patches are removed before the
    first block, so they cost neither computation nor symbols.
    """

    def __init__(self, settings: CodecSettings, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # pixels are centred before they are rounded
        self.settings = settings
        self.embed = layers.Dense(settings.dim, name="embed")
        self.position = PositionEmbedding(settings.num_patches, settings.dim, name="position")
        self.blocks = [
            ViTBlock(settings.dim, settings.num_heads, settings.mlp_ratio, name=f"block{i}")
            for i in range(settings.depth)
        ]
        self.norm = layers.LayerNormalization(epsilon=1e-6, name="norm")

    def call(self, images: Any, keep: Any) -> Any:
        tokens = self.position(self.embed(patchify(images - 0.5, self.settings.patch_size)))  # [B, P, dim]
        x = gather_kept(tokens, keep)  # [B, N, dim]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
