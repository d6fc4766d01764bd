"""The only file that knows the Keras backend's gradient and compilation API (TensorFlow or PyTorch)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras

BACKEND = keras.backend.backend()

if BACKEND == "tensorflow":
    import tensorflow as tf

    def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
        """One graph of a function of tensors; shapes that vary are relaxed instead of traced again."""
        # a partial of its own: TensorFlow counts traces per code object and would warn of several systems as of one
        return tf.function(partial(function), reduce_retracing=True, autograph=False)

    def value_and_grad(
        function: Callable[[], tuple[Any, Any]], variables: Sequence[Any]
    ) -> tuple[tuple[Any, Any], list[Any]]:
        """``function() -> (loss, aux)``; returns it and d loss / d variable for every Keras variable (None if unused)."""
        with tf.GradientTape() as tape:
            loss, aux = function()
        gradients = tape.gradient(loss, list(variables))
        # a look-up's gradient comes as slices; every other backend gives it dense
        return (loss, aux), [None if g is None else tf.convert_to_tensor(g) for g in gradients]

    def value_and_input_grad(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[tuple[Any, Any], Any]:
        """``function(x) -> (loss, aux)``; returns it and d loss / d x."""
        x = tf.convert_to_tensor(x)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            loss, aux = function(x)
        return (loss, aux), tape.gradient(loss, x)

elif BACKEND == "torch":
    import torch

    def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def value_and_grad(
        function: Callable[[], tuple[Any, Any]], variables: Sequence[Any]
    ) -> tuple[tuple[Any, Any], list[Any]]:
        loss, aux = function()
        return (loss, aux), list(torch.autograd.grad(loss, [v.value for v in variables], allow_unused=True))

    def value_and_input_grad(function: Callable[[Any], tuple[Any, Any]], x: Any) -> tuple[tuple[Any, Any], Any]:
        x = keras.ops.convert_to_tensor(x).detach().requires_grad_(True)
        loss, aux = function(x)
        (gradient,) = torch.autograd.grad(loss, [x])
        return (loss, aux), gradient

else:
    raise ImportError(f"KERAS_BACKEND = {BACKEND!r}: gradients are written for tensorflow and torch; set one of them")
