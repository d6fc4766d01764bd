"""What semantic noise maximises: a loss of the task (:mod:`sc_sionna.tasks`), averaged over draws, and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.attacks.victim import Victim
from sc_sionna.core.backend import compile_function, value_and_input_grad
from sc_sionna.core.errors import UserError
from sc_sionna.tasks import NoiseLoss

NO_GRADIENT = (
    "the attacked system has no gradient with respect to the image; give its quantiser and link a straight-through pass, "
    "or use the black-box attack"
)


Loss = Callable[[dict[str, Any], Any, Any], Any]
Target = tuple[np.ndarray, np.ndarray]  # labels [I], and what the loss compares the outputs with, a row per image


class Objective:
    """The loss of each image averaged over draws, and its gradient: the one pass that all attacks share.

    Each image is repeated ``draws`` times with a row of the draw each (expectation over transformation, Athalye et al.
    2018, arXiv:1707.07397). Images are worked off ``batch_size`` at a time, the last part padded, in one graph.
    """

    def __init__(self, victim: Victim, loss: Loss, draws: int, batch_size: int) -> None:
        self.victim, self.loss, self.draws, self.batch_size = victim, loss, draws, batch_size
        self._losses = compile_function(lambda *inputs: (self._mean_losses(*inputs),))
        self._gradient = compile_function(self._losses_and_gradient)
        self._reference_of = loss.reference if isinstance(loss, NoiseLoss) else None
        self._reference = compile_function(lambda *inputs: (self._mean_reference(*inputs),))

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Fresh draws for ``count`` images: ``count · draws`` rows, those of an image together."""
        return self.victim.draw(count * self.draws, generator)

    def target(self, images: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> Target:
        """Labels, and what the loss refers to: the clean image, or its outputs' mean over draws."""
        if self._reference_of is None:
            return labels, images
        (clean,) = self._in_parts(self._reference, (images, labels, images), self.draw(len(images), generator))
        return labels, clean

    def losses(self, images: np.ndarray, target: Target, draw: tuple[np.ndarray, ...]) -> np.ndarray:
        """Loss of each image ``[I]``; a forward pass, no gradient."""
        return self._in_parts(self._losses, (images, *target), draw)[0]

    def gradient(
        self, images: np.ndarray, target: Target, draw: tuple[np.ndarray, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Loss of each image ``[I]`` and its gradient ``[I, H, W, 3]``; a forward and a backward pass."""
        losses, gradient = self._in_parts(self._gradient, (images, *target), draw)
        return losses, gradient

    def _repeat(self, x: Any) -> Any:
        return x if self.draws == 1 else ops.repeat(x, self.draws, axis=0)

    def _mean(self, x: Any) -> Any:
        return ops.mean(ops.reshape(x, (-1, self.draws, *x.shape[1:])), axis=1)

    def _mean_losses(self, images: Any, labels: Any, reference: Any, *draw: Any) -> Any:
        outputs = self.victim.outputs(self._repeat(images), *draw)
        return self._mean(ops.cast(self.loss(outputs, self._repeat(labels), self._repeat(reference)), "float32"))

    def _mean_reference(self, images: Any, labels: Any, reference: Any, *draw: Any) -> Any:
        assert self._reference_of is not None
        return self._mean(self._reference_of(self.victim.outputs(self._repeat(images), *draw)))

    def _losses_and_gradient(self, images: Any, labels: Any, reference: Any, *draw: Any) -> tuple[Any, Any]:
        def total(x: Any) -> tuple[Any, Any]:
            losses = self._mean_losses(x, labels, reference, *draw)
            return ops.sum(losses), losses

        try:
            (_, losses), gradient = value_and_input_grad(total, images)
        except RuntimeError as error:  # PyTorch raises where TensorFlow returns None
            if "require grad" in str(error) or "not have been used" in str(error):
                raise UserError(NO_GRADIENT) from None
            raise
        if gradient is None:
            raise UserError(NO_GRADIENT)
        return losses, gradient

    def _in_parts(
        self, function: Callable[..., Any], arrays: tuple[np.ndarray, ...], draw: tuple[np.ndarray, ...]
    ) -> list[np.ndarray]:
        count, size = len(arrays[0]), self.batch_size
        arrays = (self.victim.prepare(arrays[0]), *arrays[1:])
        parts = []
        for start in range(0, count, size):
            inputs = [_rows(x, start, size) for x in arrays]
            inputs += [_rows(x, start * self.draws, size * self.draws) for x in draw]
            results = function(*[ops.convert_to_tensor(x) for x in inputs])
            parts.append([ops.convert_to_numpy(x) for x in results])
        return [np.concatenate(column)[:count] for column in zip(*parts, strict=True)]


def _rows(x: np.ndarray, start: int, size: int) -> np.ndarray:
    """``size`` rows from ``start``, filled up with the first of them."""
    part = x[start : start + size]
    return part if len(part) == size else np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)])
