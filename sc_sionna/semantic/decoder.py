"""Received features and mask tokens to the tokens that a task's head reads (Sec. III-A1), and the layer to pixels."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from sc_sionna.core.tensor import Tensor
from sc_sionna.semantic.masking import scatter_kept
from sc_sionna.semantic.patches import unpatchify
from sc_sionna.semantic.transformer import PositionEmbedding, ViTBlock
from sc_sionna.settings import CodecSettings


class Decoder(layers.Layer):
    """The light decoder: the full set of tokens, received features and mask tokens, each with its position.

    ``call(received [B, N, D], keep [B, N], snr_db [B], sent_mask [B, N] or None) -> [B, P, decoder_dim]``. The SNR is used
    only where the settings ask for it (``decoder.knows_snr``): one embedding, linear in dB, added to every token. Kept
    patches out of ``sent_mask`` were dropped by the transmitter and get the mask token.
    """

    def __init__(self, settings: CodecSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        # unit-norm code vectors would drown in the position embedding: bring their entries to unit variance
        cosine_codes = settings.bottleneck == "codebook" and settings.codebook.distance == "cosine"
        self.input_scale = (
            settings.code_dim**0.5 if cosine_codes else 2**0.5 if settings.bottleneck == "analog" else 1.0
        )
        self.embed = layers.Dense(settings.decoder.dim, name="embed")
        self.position = PositionEmbedding(settings.num_patches, settings.decoder.dim, name="position")
        self.snr_embed = layers.Dense(settings.decoder.dim, name="snr") if settings.decoder.knows_snr else None
        self.blocks = [
            ViTBlock(settings.decoder.dim, settings.decoder.num_heads, settings.decoder.mlp_ratio, name=f"block{i}")
            for i in range(settings.decoder.depth)
        ]
        self.norm = layers.LayerNormalization(epsilon=1e-6, name="norm")

    def build(self, *_: Any) -> None:
        """Create the mask token, which stands for every patch that does not arrive."""
        self.mask_token = self.add_weight(
            shape=(self.settings.decoder.dim,), initializer=keras.initializers.RandomNormal(stddev=0.02), name="mask"
        )

    def call(self, received: Tensor, keep: Tensor, snr_db: Tensor | None, sent_mask: Tensor | None = None) -> Tensor:
        """Decoded tokens of all P positions."""
        kept = self.embed(received * self.input_scale)
        mask_token = ops.cast(self.mask_token, kept.dtype)
        x = self.position(scatter_kept(kept, keep, mask_token, self.settings.num_patches, sent_mask))
        if self.snr_embed is not None:
            x = x + self.snr_embed(ops.reshape(ops.cast(snr_db, x.dtype) / 10.0, (-1, 1)))[:, None, :]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class ReconstructHead(layers.Layer):
    """One linear layer per token back to pixels: ``[B, P, dim] -> images [B, H, W, 3]`` in float32."""

    def __init__(self, settings: CodecSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        self.out = layers.Dense(settings.patch_size**2 * 3, dtype="float32", name="pixels")

    def call(self, tokens: Tensor) -> Tensor:
        """Images whose pixels are unbounded: the loss pulls them into [0, 1], nothing clips them."""
        pixels = self.out(tokens) + 0.5
        return unpatchify(pixels, self.settings.patch_size, self.settings.image_size)
