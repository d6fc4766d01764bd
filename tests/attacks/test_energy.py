"""Where semantic noise hits, on a model whose gradient is known."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks.energy import noise_energy
from sc_sionna.core.errors import UserError


class LinearVictim:
    """Two classes with logits ±(w · x)/2, w constant on each 2×2 patch of a 4×4 image; the mask hides a patch per draw."""

    WEIGHTS = np.array([[1.0, 2.0], [3.0, 0.0]], np.float32)  # by patch

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        shown = np.ones((count, 4), np.float32)
        shown[np.arange(count), np.arange(count) % 2] = 0  # the first two patches take turns
        return (shown,)

    def outputs(self, images, shown):
        weights = np.kron(self.WEIGHTS, np.ones((2, 2), np.float32))[None, :, :, None]
        mask = ops.repeat(ops.repeat(ops.reshape(shown, (-1, 2, 2)), 2, axis=1), 2, axis=2)[..., None]
        score = ops.sum(images * weights * mask, axis=(1, 2, 3))
        return {"logits": ops.stack([score / 2, -score / 2], axis=-1)}


def test_energy_is_the_mean_squared_gradient_by_patch() -> None:
    images = np.zeros((5, 4, 4, 3), np.float32)  # score 0: d CE / d score = ±1/2 for every image
    labels = np.array([0, 1, 0, 1, 1], np.int32)
    energy = noise_energy(LinearVictim(), images, labels, 2, np.random.default_rng(0), draws=2, batch_size=3)
    # the gradient is averaged over two draws, of which the first two patches are in one each
    gradient = np.array([1.0, 2.0, 3.0, 0.0]) / 2 * np.array([0.5, 0.5, 1.0, 1.0])
    np.testing.assert_allclose(energy, gradient**2 / (gradient**2).mean(), rtol=1e-5)


def test_images_out_of_range_are_named() -> None:
    with pytest.raises(UserError, match="pixels are in"):
        noise_energy(LinearVictim(), np.full((2, 4, 4, 3), 2.0), np.zeros(2, int), 2, np.random.default_rng(0))
