"""Every random stream of a simulation, derived from (run seed, names of what it is for).

A stream depends only on its path, so results depend neither on the order of the work, nor on restarts, nor on how many
workers share it. NumPy draws what belongs to the host (masks, batches, bit flips); TensorFlow's stateless generators
take the two 32-bit words of :func:`seed_words`; :func:`set_global_seeds` feeds Keras (initial weights, dropout).
"""

from __future__ import annotations

import hashlib

import numpy as np

Part = int | float | str


def _digest(run_seed: int, path: tuple[Part, ...]) -> bytes:
    # repr keeps 3 and 3.0 apart from "3"; SNRs are always passed as float so that 3 dB has one name
    return hashlib.sha256(repr((int(run_seed), *path)).encode()).digest()


def seed_words(run_seed: int, *path: Part) -> np.ndarray:
    """Two int32 words for ``tf.random.stateless_*``: int32 ``[2]``."""
    return np.frombuffer(_digest(run_seed, path)[:8], dtype="<i4").astype(np.int32)


def seed_int(run_seed: int, *path: Part) -> int:
    """A non-negative 31-bit seed, for libraries that take one integer."""
    return int.from_bytes(_digest(run_seed, path)[:4], "little") & 0x7FFFFFFF


def generator(run_seed: int, *path: Part) -> np.random.Generator:
    """NumPy generator (Philox) of the stream named by ``path``."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(run_seed, path)[:16], "little")))


def set_global_seeds(run_seed: int, *path: Part) -> None:
    """Seed Keras' global state (weight initialisers, dropout) from the same run seed."""
    import keras

    keras.utils.set_random_seed(seed_int(run_seed, *path))
