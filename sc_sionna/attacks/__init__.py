"""Semantic attackers and what keeps them honest, in ``keras.ops``, NumPy and ``autodiff`` only (any Keras backend)."""
