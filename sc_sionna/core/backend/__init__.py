"""What Keras has no backend-free call for: gradients and compilation, one file per backend behind one signature."""

from __future__ import annotations

import keras

from sc_sionna.core.startup import check_keras

BACKEND = keras.backend.backend()
check_keras(BACKEND, keras.config.floatx())

if BACKEND == "tensorflow":
    from sc_sionna.core.backend.tensorflow import compile_function, value_and_grad, value_and_input_grad
else:
    from sc_sionna.core.backend.torch import compile_function, value_and_grad, value_and_input_grad

__all__ = ["BACKEND", "compile_function", "value_and_grad", "value_and_input_grad"]
