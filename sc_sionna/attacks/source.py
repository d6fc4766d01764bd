"""Sample-dependent semantic noise at the transmitter, Eq. (4) to (7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from pydantic import Field, model_validator

from sc_sionna.attacks.ball import (
    Norm,
    ascent_direction,
    project,
    project_on_host,
    random_noise,
    random_noise_in_graph,
)
from sc_sionna.attacks.objective import Objective, as_inputs, rows_of
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.settings import Settings
from sc_sionna.tasks import NOISE_LOSSES, NoiseLoss, noise_loss

MAX_NORM = 2000.0  # the ℓ2 norm of the largest image, 1024 x 1024 x 3, is 1774


class SourceAttackSettings(Settings):
    """Iterative FGSM with projection, Eq. (7); ``steps`` = 1 is FGSM, Eq. (6)."""

    norm: Norm = Field("linf", description="the norm of the budget, 'linf' or 'l2'")
    epsilon: float = Field(
        ge=0,
        le=MAX_NORM,
        allow_inf_nan=False,
        description="the budget: a pixel's change on the [0, 1] scale, or the ℓ2 norm per image",
    )
    steps: int = Field(10, ge=1, le=100_000, description="the number of steps K")
    step_size: float | None = Field(None, gt=0, le=1e6, description="the step size α with K·α > ε; none is 2.5·ε/K")
    random_start: bool = Field(False, description="true to start at a random point of the ball")
    draws: int = Field(
        1, ge=1, le=4096, description="the draws of mask and channel that each gradient is averaged over"
    )
    loss: str = Field(
        "cross_entropy",
        description=f"the task loss that the noise maximises: {', '.join(NOISE_LOSSES)}, or module:NAME",
    )
    batch_size: int = Field(
        64, ge=1, le=65536, description="images per pass; fewer are padded to it, so that one graph serves all"
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


class SourceDraws(NamedTuple):
    """All that is random in an attack on B images, as tensors or arrays; B·d rows, the d draws of an image together.

    steps : the victim's draws of every step, each ``[K, B·d, ...]``: kept patches, and where it has one the channel's error
    start : noise that the first step starts from, ``[B, H, W, 3]``; None without a random start
    target : the victim's draws for the clean outputs that a loss compares with, each ``[B·d, ...]``; empty for other losses
    """

    steps: tuple[Tensor, ...] = ()
    start: Tensor | None = None
    target: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Crafted:
    """Adversarial ``images`` float32 ``[I, H, W, 3]`` and ``losses [K, I]``, each image's before step k."""

    images: np.ndarray
    losses: np.ndarray


def iterate(
    objective: Objective, norm: Norm, images: Tensor, labels: Tensor, reference: Tensor, start: Tensor,
    draws: tuple[Tensor, ...], epsilon: float | Tensor, alpha: float | Tensor, numbers: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The K steps of Eq. (7) as one loop of the graph: the noisy images, and the loss of each before step k ``[K, B]``.

    draws : of every step, each ``[K, B·d, ...]``
    numbers : 0 to K − 1, int32
    """
    count = ops.shape(numbers)[0]

    def step(k: Tensor, noisy: Tensor, losses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        drawn = [ops.take(part, k, axis=0) for part in draws]
        loss, gradient = objective.losses_and_gradient(noisy, labels, reference, *drawn)
        noisy = project(noisy + alpha * ascent_direction(gradient, norm), images, epsilon, norm)  # Eq. (7)
        return k + 1, noisy, ops.where(ops.equal(numbers, k)[:, None], loss[None], losses)

    first = ops.convert_to_tensor(0, dtype="int32")
    losses = ops.zeros((count, ops.shape(images)[0]), dtype="float32")
    _, noisy, losses = ops.while_loop(lambda k, *_: k < count, step, (first, start, losses))
    return noisy, losses


class SourceAttack(keras.layers.Layer):
    """Semantic noise at the transmitter, Eq. (7): s ← Π_ε(s + α·sign(∇L)), or α·∇L/‖∇L‖₂ for ℓ2.

    The victim's draw (mask, channel) is new in every step, so the attacker knows its statistics only, unless the victim
    hands out a known one. A step is one forward and one backward pass of ``draws`` rows per image, at inference.

    It is called eagerly, in ``tf.function``, within a ``keras.Model`` and under PyTorch; its K steps are a loop of the
    graph. The result is a constant to whoever differentiates it. The victim's weights are not this layer's: they are
    neither trained nor saved with it, and the noise follows their present values.

    Input
    -----
    images : [B, H, W, 3], float32 in [0, 1]
    labels : [B], int32
    draws : :class:`SourceDraws`, for example of :meth:`sample`: the same draws give the same noise. None lets the layer
        draw for itself in the graph, from the seed that it was made with, anew in every call. UserError where the victim's
        masking or channel can be drawn on the host only.

    Output
    ------
    The images with semantic noise, [B, H, W, 3], float32.

    Parameters
    ----------
    victim : the system under attack
    settings : budget, steps and loss
    objective : that of another attack on the same victim with the same loss, draws and batch size, whose compiled passes
        are then shared
    seed : of the draws that the layer makes for itself
    """

    def __init__(
        self,
        victim: Victim,
        settings: SourceAttackSettings,
        objective: Objective | None = None,
        seed: int = 0,
        name: str | None = None,
    ) -> None:
        super().__init__(dtype="float32", name=name)
        self.settings = settings
        self.objective = objective or Objective(victim, settings.task_loss(), settings.draws, settings.batch_size)
        self.seed = keras.random.SeedGenerator(seed)
        self.built = True

    def at(self, epsilon: float, steps: int | None = None) -> SourceAttack:
        """The same attack with another budget, for a warm-up or a curve; the compiled pass is shared."""
        changed = self.settings.with_(epsilon=epsilon, steps=self.settings.steps if steps is None else steps)
        return SourceAttack(self.objective.victim, changed, self.objective)

    # ---------------------------------------------------------------- as a layer

    def call(self, images: Tensor, labels: Tensor, draws: SourceDraws | None = None) -> Tensor:
        """Noisy images ``[B, H, W, 3]`` of ``images`` in [0, 1] with ``labels [B]``; no gradient passes through.

        draws : of :meth:`sample`, or None to draw with the layer's own seed. UserError where their shapes do not fit.
        """
        s = self.settings
        if s.epsilon == 0:
            return images
        labels = ops.cast(labels, "int32")
        draws = self._draw(images) if draws is None else self._checked(SourceDraws(*draws), images)
        reference = self.objective.reference(images, labels, *draws.target)
        start = images if draws.start is None else project(images + draws.start, images, s.epsilon, s.norm)
        numbers = ops.arange(s.steps, dtype="int32")
        noisy, _ = iterate(
            self.objective, s.norm, images, labels, reference, start, draws.steps, s.epsilon, s.alpha, numbers
        )
        return ops.stop_gradient(noisy)

    def compute_output_spec(
        self, images: Tensor, labels: Tensor, draws: SourceDraws | None = None
    ) -> keras.KerasTensor:
        """Float32 in the shape of ``images``, so that Keras need not run the steps to know it."""
        return keras.KerasTensor(images.shape, dtype="float32")

    def _draw(self, images: Tensor) -> SourceDraws:
        """Draws by Keras; those of a step follow each other, as on the host."""
        s, victim = self.settings, self.objective.victim
        rows = ops.shape(images)[0] * s.draws
        target = victim.draw_in_graph(rows, self.seed) if self.objective.compares_outputs else ()
        start = random_noise_in_graph(images, s.epsilon, s.norm, self.seed) if s.random_start else None
        steps = [victim.draw_in_graph(rows, self.seed) for _ in range(s.steps)]
        return SourceDraws(tuple(ops.stack(parts) for parts in zip(*steps, strict=True)), start, target)

    def _checked(self, draws: SourceDraws, images: Tensor) -> SourceDraws:
        s, batch = self.settings, images.shape[0]
        wanted = s.steps, None if batch is None else batch * s.draws
        for part in draws.steps:
            found = tuple(part.shape[:2])
            if any(w is not None and f is not None and w != f for w, f in zip(wanted, found, strict=True)):
                raise UserError(
                    f"draws.steps of shape {tuple(part.shape)}: {s.steps} steps of {s.draws} draws for {batch} images are "
                    f"[{s.steps}, {wanted[1]}, ...]; draw them with SourceAttack.sample"
                )
        if (draws.start is None) == s.random_start:
            raise UserError(
                f"draws.start: {'missing' if s.random_start else 'given'} with random_start = {s.random_start}; make the "
                "two agree, or draw with SourceAttack.sample"
            )
        return draws

    # ---------------------------------------------------------------- from the host

    def sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> SourceDraws:
        """Draws for images of a shape ``[I, H, W, 3]`` as arrays, the same for the same state of the generator."""
        s, objective = self.settings, self.objective
        target = objective.draw(shape[0], generator) if objective.compares_outputs else ()
        start = random_noise(shape, s.epsilon, s.norm, generator) if s.random_start else None
        steps = [objective.draw(shape[0], generator) for _ in range(s.steps)]
        return SourceDraws(tuple(np.stack(parts) for parts in zip(*steps, strict=True)), start, target)

    def craft(self, images: Tensor, labels: Tensor, generator: np.random.Generator) -> Crafted:
        """Any number of images ``[I, H, W, 3]`` with labels ``[I]``, on the draws of :meth:`sample`, as arrays.

        Images are worked off ``batch_size`` at a time, the last part padded, in one compiled graph. UserError for images
        out of [0, 1], and for a victim without a gradient.
        """
        s, objective = self.settings, self.objective
        clean, labels = as_inputs(images, labels)
        if s.epsilon == 0:
            return Crafted(clean.copy(), np.zeros((0, len(clean)), np.float32))
        draws = self.sample(clean.shape, generator)
        reference = objective.reference_of(clean, labels, draws.target)
        start = clean
        if draws.start is not None:
            start = project_on_host(clean + draws.start, clean, s.epsilon, s.norm)
        numbers, budget = np.arange(s.steps, dtype=np.int32), (np.float64(s.epsilon), np.float32(s.alpha))
        size, run, parts = s.batch_size, objective.compiled(iterate), []
        for first in range(0, len(clean), size):
            inputs = [rows_of(x, first, size) for x in (clean, labels, reference, start)]
            drawn = [rows_of(x, first * s.draws, size * s.draws, axis=1) for x in draws.steps]
            tensors = keras.tree.map_structure(ops.convert_to_tensor, [*inputs, drawn, *budget, numbers])
            parts.append([ops.convert_to_numpy(x) for x in run(s.norm, *tensors)])
        noisy, losses = zip(*parts, strict=True)
        return Crafted(np.concatenate(noisy)[: len(clean)], np.concatenate(losses, axis=1)[:, : len(clean)])
