"""Victims with the channel that an attacker takes the expectation over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from sc_sionna.attacks.victim import CodecVictim, Sampler, sample_in_graph
from sc_sionna.core.tensor import Tensor


@dataclass(frozen=True, eq=False)
class AnalogVictim(CodecVictim):
    """An analog codec whose noise the attacker takes the expectation over: draws are keep and noise ``[B, N·D]``."""

    noise: Sampler | None = None

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Patches to keep ``[count, N]`` and noise ``[count, N·D]``."""
        assert self.noise is not None
        return *super().draw(count, generator), self.noise(count, generator)

    def draw_in_graph(self, count: int | Tensor, seed: keras.random.SeedGenerator) -> tuple[Tensor, ...]:
        """The same as tensors; UserError where the noise can be drawn on the host only."""
        assert self.noise is not None
        return *super().draw_in_graph(count, seed), sample_in_graph("noise", self.noise, count, seed)

    def outputs(self, images: Tensor, keep: Tensor, noise: Tensor | None = None) -> dict[str, Any]:
        """The codec's outputs with ``noise [B, N·D]`` added to the features."""
        snr_db = ops.full((ops.shape(images)[0],), self.snr_db or 0.0, dtype="float32")
        return self.codec(images, keep, snr_db, noise, training=False)
