"""What semantic noise maximises: a loss of the task (:mod:`sc_sionna.tasks`), averaged over draws, and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.attacks.victim import Victim
from sc_sionna.core.backend import compile_function, value_and_input_grad
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.tasks import NoiseLoss

NO_GRADIENT = (
    "the attacked system has no gradient with respect to the image; give its quantiser and link a straight-through pass, "
    "or use the black-box attack"
)


Loss = Callable[[dict[str, Any], Tensor, Tensor], Tensor]
Target = tuple[np.ndarray, np.ndarray]  # labels [I], and what the loss compares the outputs with, a row per image


def as_inputs(images: Tensor, labels: Tensor) -> tuple[np.ndarray, np.ndarray]:
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


class Objective:
    """The loss of each image averaged over draws, and its gradient: the one pass that all attacks share.

    Each image is repeated ``draws`` times with a row of the draw each (expectation over transformation, Athalye et al.
    2018, arXiv:1707.07397). Images are worked off ``batch_size`` at a time, the last part padded, in one graph.
    """

    def __init__(self, victim: Victim, loss: Loss, draws: int, batch_size: int) -> None:
        self.victim, self.loss, self.draws, self.batch_size = victim, loss, draws, batch_size
        self._compiled: dict[Callable[..., Any], Callable[..., Any]] = {}

    @property
    def compares_outputs(self) -> bool:
        """Whether the loss compares the outputs with those of the clean image, for which there are draws too."""
        return isinstance(self.loss, NoiseLoss) and self.loss.reference is not None

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function(self, *inputs)`` as one graph, which is kept: attacks that share this objective share it."""
        if function not in self._compiled:
            self._compiled[function] = compile_function(partial(function, self))
        return self._compiled[function]

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Fresh draws for ``count`` images: ``count · draws`` rows, those of an image together."""
        return self.victim.draw(count * self.draws, generator)

    def target(self, images: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> Target:
        """Labels, and what the loss refers to: the clean image, or the mean over draws of its outputs."""
        draw = self.draw(len(images), generator) if self.compares_outputs else ()
        return labels, self.reference_of(images, labels, draw)

    def reference_of(self, images: np.ndarray, labels: np.ndarray, draw: tuple[np.ndarray, ...]) -> np.ndarray:
        """:meth:`reference` from arrays to an array; ``draw`` is used where the loss compares outputs."""
        return self._in_parts(Objective.reference, (images, labels), draw)[0] if self.compares_outputs else images

    def losses(self, images: np.ndarray, target: Target, draw: tuple[np.ndarray, ...]) -> np.ndarray:
        """Loss of each image ``[I]``; a forward pass, no gradient."""
        return self._in_parts(Objective.mean_losses, (images, *target), draw)[0]

    def gradient(
        self, images: np.ndarray, target: Target, draw: tuple[np.ndarray, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Loss of each image ``[I]`` and its gradient ``[I, H, W, 3]``; a forward and a backward pass."""
        losses, gradient = self._in_parts(Objective.losses_and_gradient, (images, *target), draw)
        return losses, gradient

    # ---------------------------------------------------------------- on tensors, for a graph

    def reference(self, images: Tensor, labels: Tensor, *draw: Tensor) -> Tensor:
        """What the loss compares the outputs with, ``[B, ...]``: the clean image, or the mean over draws of its outputs."""
        if not isinstance(self.loss, NoiseLoss) or self.loss.reference is None:
            return images
        return self._mean(self.loss.reference(self.victim.outputs(self._repeat(images), *draw)))

    def mean_losses(self, images: Tensor, labels: Tensor, reference: Tensor, *draw: Tensor) -> Tensor:
        """Loss of each image ``[B]``, float32."""
        outputs = self.victim.outputs(self._repeat(images), *draw)
        loss = self.loss(outputs, self._repeat(labels), self._repeat(reference))  # Eq. (4a)
        return self._mean(ops.cast(loss, "float32"))

    def losses_and_gradient(
        self, images: Tensor, labels: Tensor, reference: Tensor, *draw: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss of each image ``[B]`` and its gradient ``[B, H, W, 3]``. UserError where there is none."""

        def total(x: Tensor) -> tuple[Tensor, Tensor]:
            losses = self.mean_losses(x, labels, reference, *draw)
            return ops.sum(losses), losses

        try:
            (_, losses), gradient = value_and_input_grad(total, images)  # Eq. (5): its two terms, L(s) and ∇L(s)
        except RuntimeError as error:  # PyTorch raises where TensorFlow returns None
            if "require grad" in str(error) or "not have been used" in str(error):
                raise UserError(NO_GRADIENT) from None
            raise
        if gradient is None:
            raise UserError(NO_GRADIENT)
        return losses, gradient

    def _repeat(self, x: Tensor) -> Tensor:
        return x if self.draws == 1 else ops.repeat(x, self.draws, axis=0)

    def _mean(self, x: Tensor) -> Tensor:
        return ops.mean(ops.reshape(x, (-1, self.draws, *x.shape[1:])), axis=1)

    # ---------------------------------------------------------------- in parts of one size

    def _in_parts(
        self, function: Callable[..., Any], arrays: tuple[np.ndarray, ...], draw: tuple[np.ndarray, ...]
    ) -> list[np.ndarray]:
        count, size, run = len(arrays[0]), self.batch_size, self.compiled(function)
        parts = []
        for start in range(0, count, size):
            inputs = [rows_of(x, start, size) for x in arrays]
            inputs += [rows_of(x, start * self.draws, size * self.draws) for x in draw]
            results = run(*[ops.convert_to_tensor(x) for x in inputs])
            results = results if isinstance(results, tuple) else (results,)
            parts.append([ops.convert_to_numpy(x) for x in results])
        return [np.concatenate(column)[:count] for column in zip(*parts, strict=True)]


def rows_of(x: np.ndarray, start: int, size: int, axis: int = 0) -> np.ndarray:
    """``size`` rows along an axis from ``start``, filled up with the first of them."""
    part = np.moveaxis(x, axis, 0)[start : start + size]
    if len(part) < size:
        part = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)])
    return np.moveaxis(part, 0, axis)
