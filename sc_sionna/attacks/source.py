"""Sample-dependent semantic noise at the transmitter, Eq. (4) to (7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from pydantic import Field, model_validator

from sc_sionna.attacks.objective import Objective
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.settings import Settings
from sc_sionna.tasks import NOISE_LOSSES, NoiseLoss, noise_loss

Norm = Literal["linf", "l2"]

# ---------------------------------------------------------------- geometry of the budget, on the host


def as_inputs(images: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images float32 ``[I, H, W, 3]`` in [0, 1] and labels int32 ``[I]``, or a UserError."""
    images = np.asarray(ops.convert_to_numpy(images), np.float32)
    labels = np.asarray(ops.convert_to_numpy(labels), np.int32)
    if images.ndim != 4 or len(images) == 0 or labels.shape != images.shape[:1]:
        raise UserError(
            f"images {images.shape}, labels {labels.shape}: an attack takes [I, H, W, 3] and [I] with I >= 1; reshape them"
        )
    if not (images.min() >= 0.0 and images.max() <= 1.0):  # also false for NaN
        raise UserError(
            f"images from {images.min()} to {images.max()}: pixels are in [0, 1]; divide 8-bit pixels by 255"
        )
    return images, labels


def _scale(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return x * scale.reshape(-1, 1, 1, 1).astype(np.float32)


def _norms(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(x, dtype=np.float64).sum(axis=(1, 2, 3)))


def ascent_direction(gradient: np.ndarray, norm: Norm) -> np.ndarray:
    """Steepest ascent of unit size: sign(g) for ℓ∞, g / ‖g‖₂ of each image for ℓ2.

    Where g is 0 or not finite nothing moves. Eq. (6) has sign(0) = 1, which would brighten the pixels of the patches that
    happen to be masked in a draw.
    """
    gradient = np.where(np.isfinite(gradient), gradient, 0.0)
    if norm == "linf":
        return np.sign(gradient)
    norms = _norms(gradient)
    return _scale(gradient, np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0))


def project(images: np.ndarray, clean: np.ndarray, epsilon: float, norm: Norm) -> np.ndarray:
    """Π of Eq. (7): onto the ball of radius ε around the clean images, then the box [0, 1] (which keeps the ball)."""
    noise = images - clean
    if norm == "linf":
        noise = np.clip(noise, -epsilon, epsilon)
    else:
        norms = _norms(noise)
        noise = _scale(noise, np.minimum(1.0, epsilon / np.maximum(norms, 1e-30)))
    return np.clip(clean + noise, 0.0, 1.0).astype(np.float32)


def random_start(images: np.ndarray, epsilon: float, norm: Norm, generator: np.random.Generator) -> np.ndarray:
    """Uniform in the ball, then into the box."""
    if norm == "linf":
        noise = generator.uniform(-epsilon, epsilon, images.shape).astype(np.float32)
    else:
        direction = ascent_direction(generator.standard_normal(images.shape, np.float32), norm)
        noise = _scale(direction, epsilon * generator.random(len(images)) ** (1.0 / images[0].size))
    return project(images + noise, images, epsilon, norm)


def random_sign_noise(images: np.ndarray, epsilon: float, generator: np.random.Generator) -> np.ndarray:
    """The control of the ℓ∞ attack: noise of the same power with random signs, ``[I, H, W, 3]`` in [0, 1]."""
    noise = np.where(generator.random(images.shape) < 0.5, -epsilon, epsilon)
    return project(images + noise, images, epsilon, "linf")


# ---------------------------------------------------------------- the attack


class SourceAttackSettings(Settings):
    """Iterative FGSM with projection, Eq. (7); ``steps`` = 1 is FGSM, Eq. (6)."""

    norm: Norm = Field("linf", description="the norm of the budget, 'linf' or 'l2'")
    epsilon: float = Field(
        ge=0,
        allow_inf_nan=False,
        description="the budget: a pixel's change on the [0, 1] scale, or the ℓ2 norm per image",
    )
    steps: int = Field(10, ge=1, description="the number of steps K")
    step_size: float | None = Field(None, gt=0, description="the step size α with K·α > ε; none is 2.5·ε/K")
    random_start: bool = Field(False, description="true to start at a random point of the ball")
    draws: int = Field(1, ge=1, description="the draws of mask and channel that each gradient is averaged over")
    loss: str = Field(
        "cross_entropy",
        description=f"the task loss that the noise maximises: {', '.join(NOISE_LOSSES)}, or module:NAME",
    )
    batch_size: int = Field(
        64, ge=1, description="images per pass; fewer are padded to it, so that one graph serves all"
    )

    @property
    def alpha(self) -> float:
        """The step size α."""
        return 2.5 * self.epsilon / self.steps if self.step_size is None else self.step_size

    @model_validator(mode="after")
    def _check(self) -> SourceAttackSettings:
        if self.norm == "linf" and self.epsilon > 1:
            raise ValueError(
                f"epsilon = {self.epsilon}: pixels are in [0, 1], so ℓ∞ noise is at most 1; "
                "divide by 255 if it counts 8-bit levels"
            )
        if self.step_size is not None and self.steps * self.step_size <= self.epsilon:
            raise ValueError(
                f"step_size = {self.step_size}: steps · step_size = {self.steps * self.step_size:.4g} must be above "
                f"epsilon = {self.epsilon} to use the whole budget; set step_size > {self.epsilon / self.steps:.4g} or none"
            )
        if self.loss in NOISE_LOSSES or ":" not in self.loss:  # code of the user's own is imported where it is used
            self.task_loss()
        return self

    def task_loss(self) -> NoiseLoss:
        """The loss itself; UserError for an unknown one, and where its gradient is zero at the start."""
        loss = noise_loss(self.loss)
        if loss.flat_at_clean and not self.random_start:
            raise UserError(
                f"loss = {self.loss!r}: the clean image compared with itself has no gradient; set random_start = true"
            )
        return loss


@dataclass(frozen=True)
class Crafted:
    """Adversarial ``images`` float32 ``[I, H, W, 3]`` and ``losses [K, I]``, each image's before step k."""

    images: np.ndarray
    losses: np.ndarray


class SourceAttack(keras.layers.Layer):
    """Semantic noise at the transmitter, Eq. (7): s ← Π_ε(s + α·sign(∇L)), or α·∇L/‖∇L‖₂ for ℓ2.

    The victim's draw (mask, channel) is new in every step, so the attacker knows its statistics only, unless the victim
    hands out a known one. A step is one forward and one backward pass of ``draws`` rows per image.

    ``call(images [I, H, W, 3], labels int32 [I], generator) -> float32 NumPy [I, H, W, 3]``; :meth:`craft` also returns
    the losses. The same generator state gives the same images.
    """

    def __init__(self, victim: Victim, settings: SourceAttackSettings, objective: Objective | None = None) -> None:
        super().__init__(dtype="float32")
        self.settings = settings
        self.objective = objective or Objective(victim, settings.task_loss(), settings.draws, settings.batch_size)

    def at(self, epsilon: float, steps: int | None = None) -> SourceAttack:
        """The same attack with another budget, for a warm-up or a curve; the compiled pass is shared."""
        changed = self.settings.with_(epsilon=epsilon, steps=self.settings.steps if steps is None else steps)
        return SourceAttack(self.objective.victim, changed, self.objective)

    def craft(self, images: Any, labels: Any, generator: np.random.Generator) -> Crafted:
        s = self.settings
        clean, labels = as_inputs(images, labels)
        if s.epsilon == 0:
            return Crafted(clean.copy(), np.zeros((0, len(clean)), np.float32))
        target = self.objective.target(clean, labels, generator)
        noisy = random_start(clean, s.epsilon, s.norm, generator) if s.random_start else clean
        losses = []
        for _ in range(s.steps):
            loss, gradient = self.objective.gradient(noisy, target, self.objective.draw(len(clean), generator))
            losses.append(loss)
            noisy = project(noisy + s.alpha * ascent_direction(gradient, s.norm), clean, s.epsilon, s.norm)
        return Crafted(noisy, np.stack(losses))

    def call(self, images: Any, labels: Any, generator: np.random.Generator) -> np.ndarray:
        return self.craft(images, labels, generator).images

    def __call__(self, images: Any, labels: Any, generator: np.random.Generator) -> np.ndarray:
        """Host arrays in and out: Keras' own ``__call__`` would make tensors of them and pages of a one-line error."""
        return self.call(images, labels, generator)
