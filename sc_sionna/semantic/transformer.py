"""Position embedding and the pre-norm ViT block (Dosovitskiy et al. 2021, arXiv:2010.11929, (1) to (3))."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sc_sionna.core.tensor import Tensor


def sincos_positions(num_patches: int, dim: int) -> np.ndarray:
    """Two-dimensional sine and cosine embedding of a square grid: float32 ``[P, dim]`` (as in masked autoencoders)."""
    side = round(num_patches**0.5)
    quarter = dim // 4
    omega = 10000.0 ** (-np.arange(quarter) / max(quarter, 1))
    rows, cols = np.divmod(np.arange(num_patches), side)
    angles = [np.outer(axis, omega) for axis in (rows, cols)]
    table = np.concatenate([f(a) for a in angles for f in (np.sin, np.cos)], axis=1)
    return np.pad(table, ((0, 0), (0, dim - table.shape[1]))).astype(np.float32)


class PositionEmbedding(layers.Layer):
    """Adds a learned embedding, started from sines and cosines, for every patch position.

    ``call(tokens [B, N, dim], positions [B, N] or None) -> [B, N, dim]``; None stands for all P positions in order.
    """

    def __init__(self, num_patches: int, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_patches = num_patches
        self.dim = dim

    def build(self, *_: Any) -> None:
        """Create the table ``[P, dim]``, started from sines and cosines."""
        self.table = self.add_weight(
            shape=(self.num_patches, self.dim),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(sincos_positions(*shape), dtype=dtype),
            name="table",
        )

    def call(self, tokens: Tensor, positions: Tensor | None = None) -> Tensor:
        """Tokens with the embedding of their positions added."""
        table = ops.cast(self.table, tokens.dtype)
        return tokens + (table if positions is None else ops.take(table, positions, axis=0))


class ViTBlock(layers.Layer):
    """x + MSA(LN(x)), then x + MLP(LN(x)). ``call(x [B, T, dim]) -> [B, T, dim]``."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.head_width = dim // num_heads
        self.norm1 = layers.LayerNormalization(epsilon=1e-6, name="norm1")
        self.qkv = layers.Dense(3 * dim, name="qkv")
        self.proj = layers.Dense(dim, name="proj")
        self.norm2 = layers.LayerNormalization(epsilon=1e-6, name="norm2")
        self.fc1 = layers.Dense(int(dim * mlp_ratio), activation="gelu", name="fc1")
        self.fc2 = layers.Dense(dim, name="fc2")

    def build(self, input_shape: Any) -> None:
        """Build every layer for tokens ``[B, T, dim]``."""
        for layer in (self.norm1, self.qkv, self.proj, self.norm2, self.fc1):
            layer.build(input_shape)
        self.fc2.build((*input_shape[:-1], self.fc1.units))

    def _attend(self, x: Tensor) -> Tensor:
        tokens, dim = x.shape[1], x.shape[2]
        qkv = ops.reshape(self.qkv(x), (-1, tokens, 3, self.num_heads, self.head_width))
        q, k, v = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3, axis=0)
        scores = ops.matmul(q * self.head_width**-0.5, ops.transpose(k, (0, 1, 3, 2)))
        mixed = ops.matmul(keras.activations.softmax(scores), v)
        return self.proj(ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, tokens, dim)))

    def call(self, x: Tensor) -> Tensor:
        """Tokens after attention and MLP, each with its residual connection."""
        x = x + self._attend(self.norm1(x))
        return x + self.fc2(self.fc1(self.norm2(x)))
