"""Which patches are kept (Sec. III-A2).

Both ends draw the kept patches from a shared seed, so the choice costs no bits on the link. The draw is NumPy's, outside
the networks: it is the same on every backend, and the networks take ``keep`` as an input.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from keras import ops


class Masking(Protocol):
    """A rule that says which patches of each image are sent; a config names it as ``module:Class``.

    The class is built with ``num_patches`` and ``num_kept``.
    """

    def __call__(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        """Kept positions int32 ``[B, N]``, increasing along N, without repetition."""
        ...


class UniformMasking:
    """Each patch is masked with the same probability: N of P positions without replacement, anew for every image."""

    def __init__(self, num_patches: int, num_kept: int) -> None:
        self.num_patches = num_patches
        self.num_kept = num_kept

    def __call__(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        noise = rng.random((batch_size, self.num_patches))
        return np.sort(np.argsort(noise, axis=1)[:, : self.num_kept], axis=1).astype(np.int32)


def gather_kept(tokens: Any, keep: Any) -> Any:
    """Tokens ``[B, P, D]`` at positions ``keep [B, N]``: ``[B, N, D]``."""
    return ops.take_along_axis(tokens, keep[..., None], axis=1)


def scatter_kept(kept: Any, keep: Any, mask_token: Any, num_patches: int) -> Any:
    """Put kept tokens ``[B, N, D]`` back at their positions, ``mask_token [D]`` elsewhere: ``[B, P, D]``.

    A one-hot product rather than a scatter: it has the same gradient on every backend and is exact, since every
    position receives at most one token.
    """
    onehot = ops.cast(ops.equal(keep[:, :, None], ops.arange(num_patches, dtype="int32")[None, None, :]), kept.dtype)
    placed = ops.matmul(ops.transpose(onehot, (0, 2, 1)), kept)
    is_kept = ops.sum(onehot, axis=1)[..., None]
    return placed + (1.0 - is_kept) * mask_token
