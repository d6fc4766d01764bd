"""What Keras has no backend-free call for: gradients and compilation, one file per backend behind one signature."""

from __future__ import annotations

import keras

BACKEND = keras.backend.backend()

if BACKEND == "tensorflow":
    from sc_sionna.core.backend.tensorflow import compile_function, value_and_grad, value_and_input_grad
elif BACKEND == "torch":
    from sc_sionna.core.backend.torch import compile_function, value_and_grad, value_and_input_grad
else:
    raise ImportError(f"KERAS_BACKEND = {BACKEND!r}: gradients are written for tensorflow and torch; set one of them")

__all__ = ["BACKEND", "compile_function", "value_and_grad", "value_and_input_grad"]
