"""Both LDPC decoders on the same codewords and the same noise: BPSK over AWGN, a flag per block in error.

The reference is Sionna's ``LDPC5GDecoder`` as it comes: flooding iterations of exact sum-product (boxplus-phi), compiled by
XLA.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from sionna.phy.fec.ldpc import LDPC5GDecoder

from sc_sionna.phy.ldpc.decoder import LayeredLDPCDecoder, ldpc_encoder

CODED_BITS = 400_000  # per call, so that the reference's messages stay small


def blocks_per_batch(n: int) -> int:
    """Blocks of n coded bits per call."""
    return max(32, min(2048, CODED_BITS // n))


class DecoderPair:
    """One code (k, n): its encoder and both decoders.

    k, n : information and coded bits of a block
    num_iter : the most iterations of either decoder
    """

    def __init__(self, k: int, n: int, num_iter: int) -> None:
        self.k, self.n = k, n
        encoder = ldpc_encoder(k, n)
        self._encode = tf.function(encoder, jit_compile=True)
        self._reference = tf.function(LDPC5GDecoder(encoder, num_iter=num_iter), jit_compile=True)
        self._layered = LayeredLDPCDecoder(encoder, num_iter=num_iter)

    def draw(self, seed: int, ebno_db: float, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Information bits ``[B, k]`` and logits ``[B, n]`` of one batch, from a seed of its own.

        ``ebno_db`` is per information bit: σ² = 1 / (2 · k/n · 10^(Eb/N0 / 10)), logits 2y/σ².
        """
        rng = np.random.default_rng([seed, self.k, self.n, round(1000 * (ebno_db + 100)), batch])
        bits = rng.integers(0, 2, (blocks_per_batch(self.n), self.k)).astype(np.float32)
        variance = 1 / (2 * (self.k / self.n) * 10 ** (ebno_db / 10))
        received = rng.standard_normal((len(bits), self.n), dtype=np.float32) * np.float32(math.sqrt(variance))
        received += 2 * self._encode(tf.constant(bits)).numpy() - 1
        return bits, received * np.float32(2 / variance)

    def sionna(self, bits: np.ndarray, llr: np.ndarray) -> np.ndarray:
        """Whether the reference gets a block wrong, bool ``[B]``."""
        return np.any(self._reference(tf.constant(llr)).numpy() != bits, axis=1)

    def layered(self, bits: np.ndarray, llr: np.ndarray) -> np.ndarray:
        """Whether the layered decoder gets a block wrong, bool ``[B]``."""
        return np.any(self._layered.decode(llr).bits != bits, axis=1)
