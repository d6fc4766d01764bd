"""Geometry of the budget ε: directions, projection and random points of the ball, in ``keras.ops`` and on the host."""

from __future__ import annotations

from typing import Literal

import keras
import numpy as np
from keras import ops

from sc_sionna.core.tensor import Tensor

Norm = Literal["linf", "l2"]


def _norms(x: Tensor) -> Tensor:
    """ℓ2 norm of each image of ``[B, H, W, 3]`` as float64 ``[B, 1, 1, 1]``."""
    return ops.sqrt(ops.sum(ops.square(ops.cast(x, "float64")), axis=(1, 2, 3), keepdims=True))


def ascent_direction(gradient: Tensor, norm: Norm) -> Tensor:
    """Steepest ascent of unit size: sign(g) for ℓ∞, g / ‖g‖₂ of each image for ℓ2.

    Where g is 0 or not finite nothing moves. Eq. (6) has sign(0) = 1, which would brighten the pixels of the patches that
    happen to be masked in a draw.
    """
    gradient = ops.where(ops.isfinite(gradient), gradient, ops.zeros_like(gradient))
    if norm == "linf":
        return ops.sign(gradient)  # Eq. (6), times ε or α where it is called
    norms = _norms(gradient)
    inverse = ops.where(norms > 0, 1.0 / ops.where(norms > 0, norms, ops.ones_like(norms)), ops.zeros_like(norms))
    return gradient * ops.cast(inverse, "float32")


def project(images: Tensor, clean: Tensor, epsilon: float | Tensor, norm: Norm) -> Tensor:
    """Π of Eq. (7): onto the ball of radius ε around the clean images, then the box [0, 1] (which keeps the ball)."""
    noise = images - clean
    epsilon = ops.convert_to_tensor(epsilon, dtype="float64")
    if norm == "linf":
        limit = ops.cast(epsilon, noise.dtype)
        noise = ops.minimum(ops.maximum(noise, -limit), limit)  # Eq. (4b), p = ∞
    else:
        norms = _norms(noise)
        scale = ops.minimum(epsilon / ops.maximum(norms, 1e-30), 1.0)
        noise = noise * ops.cast(scale, "float32")  # Eq. (4b), p = 2
    return ops.clip(clean + noise, 0.0, 1.0)


def project_on_host(images: np.ndarray, clean: np.ndarray, epsilon: float, norm: Norm) -> np.ndarray:
    """:func:`project` from arrays to a float32 array."""
    noisy, centre = (ops.convert_to_tensor(np.asarray(x, np.float32)) for x in (images, clean))
    return ops.convert_to_numpy(project(noisy, centre, epsilon, norm))


def random_noise(shape: tuple[int, ...], epsilon: float, norm: Norm, generator: np.random.Generator) -> np.ndarray:
    """Noise that is uniform in the ball, one point for each image: float32 ``[B, H, W, 3]``."""
    if norm == "linf":
        return generator.uniform(-epsilon, epsilon, shape).astype(np.float32)
    direction = ops.convert_to_numpy(ascent_direction(generator.standard_normal(shape, np.float32), norm))
    radius = epsilon * generator.random(shape[0]) ** (1.0 / np.prod(shape[1:]))
    return np.asarray(direction * radius.reshape(-1, 1, 1, 1).astype(np.float32))


def random_noise_in_graph(images: Tensor, epsilon: float, norm: Norm, seed: keras.random.SeedGenerator) -> Tensor:
    """The same law as :func:`random_noise`, drawn by Keras in the shape of ``images``."""
    shape = ops.shape(images)
    if norm == "linf":
        return keras.random.uniform(shape, -epsilon, epsilon, seed=seed)
    direction = ascent_direction(keras.random.normal(shape, seed=seed), norm)
    share = keras.random.uniform((shape[0], 1, 1, 1), seed=seed)
    return direction * epsilon * ops.power(share, 1.0 / float(np.prod(images.shape[1:])))


def random_start(images: np.ndarray, epsilon: float, norm: Norm, generator: np.random.Generator) -> np.ndarray:
    """Uniform in the ball, then into the box: float32 ``[I, H, W, 3]``."""
    return project_on_host(images + random_noise(images.shape, epsilon, norm, generator), images, epsilon, norm)


def random_sign_noise(images: np.ndarray, epsilon: float, generator: np.random.Generator) -> np.ndarray:
    """The control of the ℓ∞ attack: noise of the same power with random signs, ``[I, H, W, 3]`` in [0, 1]."""
    noise = np.where(generator.random(images.shape) < 0.5, -epsilon, epsilon)
    return np.clip(images + noise, 0.0, 1.0).astype(np.float32)
