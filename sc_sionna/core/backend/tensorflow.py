"""Gradients and compilation under TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

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
