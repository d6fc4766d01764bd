"""Training of the semantic codec: losses, the calibrated channel, the loop, weights (``keras.ops`` and ``autodiff``)."""
