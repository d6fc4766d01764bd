"""Weight perturbation of adversarial training, Eq. (10) and Algorithm 2 (Wu et al. 2020, arXiv:2004.05884)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from keras import ops

from sc_sionna.core.errors import UserError


def perturbed_variables(variables: Sequence[Any]) -> list[int]:
    """Positions of the variables that are perturbed: kernels of networks, no biases, norms, positions or codebooks."""
    return [i for i, v in enumerate(variables) if len(v.shape) > 1 and v.path.endswith("kernel")]


@contextmanager
def perturbed(variables: Sequence[Any], gradients: Sequence[Any], gamma: float) -> Iterator[None]:
    """Within the block the weights are θ + ν, afterwards θ again, bit for bit, whatever happened inside.

    ν = γ·‖θ‖·g/‖g‖ for each tensor with its gradient g: one ascent step onto the boundary of ‖ν‖ ≤ γ‖θ‖ of Eq. (10b).
    Tensors without a gradient, or with one that is zero or not finite, stay where they are.

    Raises UserError unless 0 < γ < 1.
    """
    if not 0 < gamma < 1:
        raise UserError(
            f"gamma = {gamma}: the weight perturbation is a share of the weights' norm in (0, 1); set 0.005"
        )
    chosen = [(variables[i], gradients[i]) for i in perturbed_variables(variables) if gradients[i] is not None]
    saved = [ops.copy(v.value) for v, _ in chosen]
    try:
        for variable, gradient in chosen:
            size = ops.norm(gradient)
            usable = ops.logical_and(ops.isfinite(size), size > 0)
            step = gamma * ops.norm(variable.value) / ops.where(usable, size, 1.0)  # Eq. (10b) with equality
            # the gradient itself is masked too: 0 · inf is not a number
            direction = ops.where(usable, gradient, ops.zeros_like(gradient))
            variable.assign_add(ops.cast(step * direction, variable.dtype))
        yield
    finally:
        for (variable, _), value in zip(chosen, saved, strict=True):
            variable.assign(value)
