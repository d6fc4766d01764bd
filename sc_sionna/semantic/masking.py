"""Which patches are kept (Sec. III-A2).

Both ends draw the kept patches from a shared seed, so the choice costs no bits on the link. The draw is NumPy's, outside
the networks: it is the same on every backend, and the networks take ``keep`` as an input. An attacker, who knows only the
law of the masks, may also draw them within a graph: ``in_graph(batch_size, seed)`` is the same law drawn by Keras.
"""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.semantic.patches import patchify


class Masking(Protocol):
    """A rule that says which patches of each image are sent; a config names it as ``module:Class``.

    The class is built with ``num_patches`` and ``num_kept``. A method ``in_graph(batch_size, seed)``, the same law as
    tensors, is wanted only where an attack draws for itself.
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
        """Kept positions of every image, drawn on the host."""
        noise = rng.random((batch_size, self.num_patches))
        return np.sort(np.argsort(noise, axis=1)[:, : self.num_kept], axis=1).astype(np.int32)

    def in_graph(self, batch_size: int | Tensor, seed: keras.random.SeedGenerator) -> Tensor:
        """The same law, drawn by Keras."""
        return _smallest(keras.random.uniform((batch_size, self.num_patches), seed=seed), self.num_kept)


class NoiseRelatedMasking:
    """Patches where semantic noise hits are masked more often (Sec. III-A2), drawn anew for every image.

    energy : non-negative ``[P]``, the mean squared gradient of the task's loss at each patch position, as
        :func:`gradient_energy` measures it on training images
    temperature : T > 0

    The P - N masked positions are drawn one after the other without replacement, each time with probability
    proportional to energy^(1/T): T = 1 masks in proportion to the energy, large T uniformly, small T always the same
    patches. The draw is the P - N largest of ln(energy)/T + Gumbel noise, which has that very law (Kool et al. 2019,
    arXiv:1903.06059). Energies below 1e-6 of their mean count as that much; energies that are all zero mask uniformly.
    """

    def __init__(self, num_patches: int, num_kept: int, energy: Any, temperature: float = 1.0) -> None:
        energy = np.asarray(energy, np.float64)
        mean = energy.mean() or 1.0
        self.num_patches = num_patches
        self.num_kept = num_kept
        self.log_weights = np.log(np.maximum(energy / mean, 1e-6)) / temperature

    def __call__(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        """Kept positions of every image, drawn on the host by the Gumbel trick."""
        keys = self.log_weights + rng.gumbel(size=(batch_size, self.num_patches))
        return np.sort(np.argsort(keys, axis=1)[:, : self.num_kept], axis=1).astype(np.int32)

    def in_graph(self, batch_size: int | Tensor, seed: keras.random.SeedGenerator) -> Tensor:
        """The same law, drawn by Keras."""
        uniform = keras.random.uniform((batch_size, self.num_patches), seed=seed)
        gumbel = -ops.log(-ops.log(uniform + 1e-30))  # a uniform number may be 0
        return _smallest(gumbel + ops.convert_to_tensor(self.log_weights, dtype="float32"), self.num_kept)


class FixedMasking:
    """The same ``positions``, increasing, of every image; nothing is drawn."""

    def __init__(self, positions: np.ndarray) -> None:
        self.positions = np.asarray(positions, np.int32)

    def __call__(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        """The same positions for every image; ``rng`` is not used."""
        return np.tile(self.positions, (batch_size, 1))

    def in_graph(self, batch_size: int | Tensor, seed: keras.random.SeedGenerator) -> Tensor:
        """The same positions as a tensor; ``seed`` is not used."""
        return ops.tile(ops.convert_to_tensor(self.positions)[None], (batch_size, 1))


class MaskingAmong:
    """A rule that draws among some positions: ``masking`` was built with their number and draws their ranks.

    candidates : positions that may be sent, increasing; the others are never kept
    """

    def __init__(self, masking: Masking, candidates: np.ndarray) -> None:
        self.masking = masking
        self.candidates = np.asarray(candidates, np.int32)

    def __call__(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        """The candidates whose ranks the rule draws."""
        return self.candidates[self.masking(batch_size, rng)]

    @property
    def in_graph(self) -> Tensor:
        """The inner rule's draw of ranks, as positions; None where that rule draws on the host only."""
        ranks = getattr(self.masking, "in_graph", None)
        if ranks is None:
            return None
        candidates = ops.convert_to_tensor(self.candidates)
        return lambda batch_size, seed: ops.take(candidates, ranks(batch_size, seed), axis=0)


def _smallest(keys: Tensor, count: int) -> Tensor:
    """Positions of the ``count`` smallest of each row, increasing: int32 ``[B, count]``."""
    return ops.cast(ops.sort(ops.argsort(keys, axis=1)[:, :count], axis=1), "int32")


class CheckedMasking:
    """A user's own rule, each of whose draws is compared with the contract of :class:`Masking`.

    masking : built with ``num_patches`` and ``num_kept``; name : what the settings call it

    Raises
    ------
    UserError when it is built, for a rule that draws other positions from the same generator; then and at every call for a
    draw that is not int32 ``[B, N]``, increasing along N within 0 to P - 1.
    """

    def __init__(self, masking: Any, name: str, num_patches: int, num_kept: int) -> None:
        self.masking, self.name, self.num_patches, self.num_kept = masking, name, num_patches, num_kept
        first, again = (self(8, np.random.default_rng(2022)) for _ in range(2))
        if not np.array_equal(first, again):
            raise self._refuse("drew other positions from the same generator: the two ends would differ; use rng alone")

    def _refuse(self, what: str) -> UserError:
        return UserError(f"masking = {self.name!r}: {what}")

    def __call__(self, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        """The rule's draw, once it is known to keep the contract; UserError where it does not."""
        keep = self.masking(batch_size, rng)
        shape = (batch_size, self.num_kept)
        if not isinstance(keep, np.ndarray) or keep.dtype != np.int32 or keep.shape != shape:
            what = f"{keep.dtype} {list(keep.shape)}" if isinstance(keep, np.ndarray) else type(keep).__name__
            raise self._refuse(f"drew {what}; an int32 array [batch, num_kept] = {list(shape)} is wanted")
        outside = keep[(keep < 0) | (keep >= self.num_patches)]
        if outside.size:
            raise self._refuse(f"kept the position {outside[0]}; positions are 0 to {self.num_patches - 1}")
        rows = np.flatnonzero((np.diff(keep, axis=1) <= 0).any(axis=1))
        if rows.size:
            kept = keep[rows[0]].tolist()
            repeated = len(set(kept)) < len(kept)
            raise self._refuse(
                f"{'repeated' if repeated else 'unsorted'} positions {kept[:8]}; let them increase strictly"
            )
        return keep


def gradient_energy(gradients: np.ndarray, patch_size: int) -> np.ndarray:
    """Where semantic noise hits: mean squared gradient of the loss per patch position, float64 ``[P]``.

    gradients : d loss / d image, ``[B, H, W, C]``. The noise of Eq. (4) to (7) follows them.
    """
    patches = patchify(np.asarray(gradients, np.float32), patch_size)
    return np.square(np.asarray(ops.convert_to_numpy(patches), np.float64)).mean(axis=(0, 2))


def gather_kept(tokens: Tensor, keep: Tensor) -> Tensor:
    """Tokens ``[B, P, D]`` at positions ``keep [B, N]``: ``[B, N, D]``."""
    return ops.take_along_axis(tokens, keep[..., None], axis=1)


def scatter_kept(
    kept: Tensor, keep: Tensor, mask_token: Tensor, num_patches: int, sent_mask: Tensor | None = None
) -> Tensor:
    """Put kept tokens ``[B, N, D]`` back at their positions, ``mask_token [D]`` elsewhere: ``[B, P, D]``.

    Tokens out of ``sent_mask`` bool ``[B, N]`` (None: all are sent) are left out, as if their patch had been masked.
    A one-hot product rather than a scatter: it has the same gradient on every backend and is exact, since every
    position receives at most one token.
    """
    onehot = ops.cast(ops.equal(keep[:, :, None], ops.arange(num_patches, dtype="int32")[None, None, :]), kept.dtype)
    if sent_mask is not None:
        onehot = onehot * ops.cast(sent_mask, kept.dtype)[..., None]
    placed = ops.matmul(ops.transpose(onehot, (0, 2, 1)), kept)
    is_kept = ops.sum(onehot, axis=1)[..., None]
    return placed + (1.0 - is_kept) * mask_token
