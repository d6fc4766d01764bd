"""Victims that can be computed by hand."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

SIDE = 4
PIXELS = SIDE * SIDE * 3


class LinearVictim:
    """logits = flatten(images) @ weights, received image = gain · images; nothing is random."""

    def __init__(self, num_classes: int = 2, gain: float = 0.5, seed: int = 0) -> None:
        self.weights = np.random.default_rng(seed).standard_normal((PIXELS, num_classes)).astype(np.float32)
        self.gain = gain
        self.traced = 0

    def draw(self, count, generator):
        return ()

    def outputs(self, images, *draw):
        self.traced += 1
        flat = ops.reshape(images, (-1, PIXELS))
        return {"logits": ops.matmul(flat, self.weights), "image": self.gain * images}

    def draw_in_graph(self, count, seed):
        return ()

    def ascent(self, labels):
        """d margin / d image of a two-class victim: ``[I, H, W, 3]``."""
        return (self.weights[:, 1 - labels] - self.weights[:, labels]).T.reshape(-1, SIDE, SIDE, 3)


class MaskedLinearVictim(LinearVictim):
    """Each draw hides half of the pixels on average."""

    def draw(self, count, generator):
        return (generator.integers(0, 2, (count, SIDE, SIDE, 1)).astype(np.float32),)

    def draw_in_graph(self, count, seed):
        return (ops.cast(keras.random.uniform((count, SIDE, SIDE, 1), seed=seed) < 0.5, "float32"),)

    def outputs(self, images, *draw):
        return super().outputs(images * draw[0])


class SteppedVictim(LinearVictim):
    """A quantiser without a straight-through pass: 16 levels per pixel, no gradient."""

    def outputs(self, images, *draw):
        return super().outputs(ops.stop_gradient(ops.round(images * 15.0) / 15.0))


class FlatVictim(LinearVictim):
    """Gradient zero everywhere, as that of a saturated activation."""

    def outputs(self, images, *draw):
        return super().outputs(0.0 * images)


class BrokenVictim(LinearVictim):
    """Gradient NaN: the square root at 0."""

    def outputs(self, images, *draw):
        return super().outputs(ops.sqrt(0.0 * images))


def middle_grey(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Images between 0.4 and 0.6, labels 0 and 1 in turn."""
    images = np.random.default_rng(1).uniform(0.4, 0.6, (count, SIDE, SIDE, 3)).astype(np.float32)
    return images, np.arange(count, dtype=np.int32) % 2
