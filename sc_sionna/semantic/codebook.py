"""The discrete codebook: vector quantiser, Eq. (11) and (12), its use, and measures against collapse."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sc_sionna.core.tensor import Tensor


def _normalise(x: Tensor) -> Tensor:
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-12)


class Codebook(layers.Layer):
    """J basis vectors e_j of dimension D shared by transmitter and receiver (Sec. III-B).

    * :meth:`encode`: features to indices, the nearest neighbour of Eq. (11). ``distance="cosine"`` normalises features
      and basis vectors first, which keeps codes from dying by scale; ``"euclidean"`` is Eq. (11) as printed.
    * :meth:`decode`: indices to basis vectors.
    * :meth:`straight_through`: what the receiver's decoder sees. Forward it is exactly the *received* basis vector;
      backward the gradient goes unaltered to the sent feature (van den Oord et al. 2017, arXiv:1711.00937), at training
      and at inference alike, so that an attacker always has a gradient. With ``task_trains_codebook`` the received
      vector also receives the task's gradient: indices that the channel confuses drift together.
    * :meth:`losses_of`: second and third term of Eq. (12), averaged over features.

    Arithmetic is float32 under every precision policy: nearest neighbours of rounded features are not reproducible.
    """

    def __init__(
        self,
        size: int,
        dim: int,
        distance: str = "cosine",
        task_trains_codebook: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.size = size
        self.dim = dim
        self.cosine = distance == "cosine"
        self.task_trains_codebook = task_trains_codebook

    def build(self, *_: Any) -> None:
        """Create the J basis vectors, ``[J, D]``."""
        self.vectors = self.add_weight(
            shape=(self.size, self.dim), initializer=keras.initializers.RandomNormal(stddev=1.0), name="vectors"
        )

    @property
    def basis(self) -> Tensor:
        """The basis vectors as the look-up and the decoder use them: ``[J, D]``."""
        return _normalise(self.vectors) if self.cosine else ops.convert_to_tensor(self.vectors)

    def features(self, raw: Tensor) -> Tensor:
        """The encoder's output as it is compared with the codebook: float32 ``[..., D]``."""
        raw = ops.cast(raw, "float32")
        return _normalise(raw) if self.cosine else raw

    def scores(self, features: Tensor) -> Tensor:
        """-||z - e_j||² up to a term that does not depend on j: ``[..., J]``; its argmax is Eq. (11)."""
        basis = self.basis
        return 2.0 * ops.matmul(features, ops.transpose(basis)) - ops.sum(ops.square(basis), axis=-1)

    def encode(self, features: Tensor) -> Tensor:
        """Eq. (11): features ``[B, N, D]`` to indices int32 ``[B, N]``."""
        return ops.cast(ops.argmax(ops.stop_gradient(self.scores(features)), axis=-1), "int32")  # Eq. (11)

    def decode(self, indices: Tensor) -> Tensor:
        """Indices ``[B, N]`` to basis vectors ``[B, N, D]``, of norm 1 with the cosine distance."""
        return ops.take(self.basis, indices, axis=0)

    def posterior_mean(self, llr: Tensor) -> Tensor:
        """Posterior-mean basis vectors ``[B, N, D]`` from LLRs of the index bits ``[B, N·m]``, ln P(1)/P(0).

        Σ_i P(i) e_i over all 2^m bit patterns i, the bits taken as independent; a pattern that names no vector means
        the vector of i mod J, as :class:`~sc_sionna.semantic.index_mapper.IndexMapper` has it. Differentiable.
        """
        bits = (self.size - 1).bit_length()
        patterns = (np.arange(2**bits)[:, None] >> np.arange(bits - 1, -1, -1)) & 1  # [2^m, m]
        llr = ops.reshape(ops.cast(llr, "float32"), (-1, llr.shape[-1] // bits, bits))
        # ln P(i) up to a term that no pattern changes: the sum of the LLRs of the bits that are 1
        score = ops.matmul(llr, ops.convert_to_tensor(patterns.T.astype(np.float32)))  # [B, N, 2^m]
        vectors = ops.take(self.basis, np.arange(2**bits) % self.size, axis=0)
        return ops.matmul(ops.softmax(score, axis=-1), vectors)

    def straight_through(self, features: Tensor, received_indices: Tensor) -> Tensor:
        """Basis vectors ``[B, N, D]`` of the received indices.

        Their gradient goes to ``features``, and to the vectors as well where ``task_trains_codebook`` is set.
        """
        received = self.decode(received_indices)
        passed = features + ops.stop_gradient(received - features)
        if self.task_trains_codebook:
            passed = passed + (received - ops.stop_gradient(received))
        return passed

    def losses_of(self, features: Tensor, sent_indices: Tensor, beta: float) -> dict[str, Any]:
        """Terms of Eq. (12): ``codebook`` = ||ng[z_e] − e_j||², ``commitment`` = β ||z_e − ng[e_j]||²."""
        sent = self.decode(sent_indices)
        # Eq. (12): the second and the third term
        gap = ops.mean(ops.sum(ops.square(ops.stop_gradient(features) - sent), axis=-1))
        commit = ops.mean(ops.sum(ops.square(features - ops.stop_gradient(sent)), axis=-1))
        return {"codebook": gap, "commitment": beta * commit}

    def orthogonality(self) -> Tensor:
        """How far the normalised basis vectors are from orthogonal (Sec. IV-B3): ‖EᵀE − I‖² / (J (J − 1)), in [0, 1].

        The paper adds ‖EᵀE‖₂. Its notation gives ‖·‖ of a matrix to Frobenius, and Frobenius is what the aim asks for:
        the similarity of *every* pair falls, where the spectral norm moves the dominant direction alone. Both are least
        at the same codebooks: orthonormal ones, or tight frames if J > D, when orthogonality is out of reach and the
        value stays at or above (J/D − 1)/(J − 1). The diagonal of EᵀE is constant and left out; the square makes the
        gradient vanish at the minimum; J (J − 1) makes it the mean squared cosine of two vectors, whatever J. Computed
        as ‖EEᵀ‖² from D x D numbers, never J x J.
        """
        unit = _normalise(self.vectors)
        gram = ops.matmul(ops.transpose(unit), unit)
        diagonal = ops.sum(ops.square(ops.sum(ops.square(unit), axis=-1)))
        return (ops.sum(ops.square(gram)) - diagonal) / (self.size * (self.size - 1))

    # Measures against collapse run on the host between steps; they change values, never shapes.

    def initialise_from(self, features: np.ndarray, rng: np.random.Generator, iterations: int = 10) -> None:
        """Start from the data: k-means (Lloyd) on a sample of features ``[M, D]``, M >= J."""
        centres = features[rng.choice(len(features), self.size, replace=len(features) < self.size)].astype(np.float32)
        for _ in range(iterations):
            nearest = np.argmax(2 * features @ centres.T - (centres**2).sum(1), axis=1)
            counts = np.bincount(nearest, minlength=self.size)
            sums = np.zeros_like(centres)
            np.add.at(sums, nearest, features)
            used = counts > 0
            centres[used] = sums[used] / counts[used, None]
            centres[~used] = features[rng.choice(len(features), int((~used).sum()))]
        self.vectors.assign(centres)

    def replace_unused(self, counts: np.ndarray, features: np.ndarray, rng: np.random.Generator) -> int:
        """Move codes that were not used since the last call onto random features; returns how many moved."""
        unused = np.flatnonzero(counts == 0)
        if len(unused):
            vectors = np.array(ops.convert_to_numpy(self.vectors))
            vectors[unused] = features[rng.choice(len(features), len(unused))]
            self.vectors.assign(vectors)
        return len(unused)


def usage(counts: np.ndarray) -> dict[str, float]:
    """Codes in use and perplexity exp(H) of the index distribution from counts ``[J]``; zero counts give zeros."""
    total = counts.sum()
    if total == 0:
        return {"codes_used": 0, "perplexity": 0.0}
    p = counts[counts > 0] / total
    return {"codes_used": len(p), "perplexity": float(np.exp(-(p * np.log(p)).sum()))}
