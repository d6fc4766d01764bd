"""Gradients under PyTorch, which runs eagerly; the signatures are those of the TensorFlow file beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import torch


def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself: PyTorch runs it eagerly."""
    return function


def value_and_grad(
    function: Callable[[], tuple[Any, Any]], variables: Sequence[Any]
) -> tuple[tuple[Any, Any], list[Any]]:
    """``function() -> (loss, aux)``; returns it and d loss / d variable for every Keras variable (None if unused)."""
    loss, aux = function()
    return (loss, aux), list(torch.autograd.grad(loss, [v.value for v in variables], allow_unused=True))


def value_and_input_grad(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[tuple[Any, Any], Any]:
    """``function(x) -> (loss, aux)``; returns it and d loss / d x."""
    with torch.enable_grad():  # Keras predicts, and infers shapes, without gradients
        x = keras.ops.convert_to_tensor(x).detach().requires_grad_(True)
        loss, aux = function(x)
        (gradient,) = torch.autograd.grad(loss, [x])
    return (loss, aux), gradient
