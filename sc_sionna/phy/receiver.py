"""Received signals to bits: LMMSE → demapper → LDPC decoder → CRC, built from the transmitter that it inverts."""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy import Block
from sionna.phy.fec.crc import CRCDecoder
from sionna.phy.fec.ldpc import LDPC5GDecoder

from sc_sionna.phy.air.kernels import MIN_GAIN
from sc_sionna.phy.air.loop import Pam
from sc_sionna.phy.ldpc.decoder import LayeredLDPCDecoder
from sc_sionna.phy.transmitter import Transmitter

SIONNA_CHUNK = 64  # frames per call of Sionna's decoder: one compilation, and working memory that fits the cache


def lmmse_filter(g: tf.Tensor, no: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Unbiased LMMSE filter of y = G x + n, E[xx^H] = I, E[nn^H] = no·I.

    The LMMSE estimate W y with W = (G^H G + no·I)^{-1} G^H has gain c = diag(W G) on the wanted stream; divided by it,
    x_hat = x + noise of variance ``no_eff = 1/c - 1`` (Tse and Viswanath 2005, 8.3.3). That difference cancels at high SNR,
    so the same number is summed from what it consists of, (Σ_{j≠s} |(WG)_sj|² + no·Σ_r |W_sr|²) / c². With more streams
    than antennas W = G^H (G G^H + no·I)^{-1} is the same filter with an invertible matrix at every SNR. In double
    precision, because G^H G squares the condition number; a filter serves a whole fading realisation, so it costs little.

    g : [..., num_rx_ant, S] complex64; no : broadcastable to [...] float32
    Returns the filter [..., S, num_rx_ant] complex64 and ``no_eff`` [..., S] float32.
    """
    rx, streams = g.shape[-2], g.shape[-1]
    g = tf.cast(g, tf.complex128)
    gh = tf.linalg.adjoint(g)
    no = tf.cast(no, tf.float64)[..., None]
    noise = tf.cast(no, g.dtype)[..., None]
    if streams <= rx:
        w = tf.matmul(tf.linalg.inv(tf.matmul(gh, g) + noise * tf.eye(streams, dtype=g.dtype)), gh)
    else:
        w = tf.matmul(gh, tf.linalg.inv(tf.matmul(g, gh) + noise * tf.eye(rx, dtype=g.dtype)))
    wg = tf.matmul(w, g)
    gain = tf.math.real(tf.linalg.diag_part(wg))
    leaked = tf.reduce_sum(_power(tf.linalg.set_diag(wg, tf.zeros_like(wg[..., 0]))), -1)
    reached = gain > MIN_GAIN
    gain = tf.where(reached, gain, 1.0)
    no_eff = tf.where(reached, (leaked + no * tf.reduce_sum(_power(w), -1)) / tf.square(gain), 1.0 / MIN_GAIN)
    w = tf.where(reached[..., None], w / tf.cast(gain, g.dtype)[..., None], 0.0)
    return tf.cast(w, tf.complex64), tf.cast(no_eff, tf.float32)


def _power(z: tf.Tensor) -> tf.Tensor:
    """|z|² of a complex tensor."""
    return tf.square(tf.math.real(z)) + tf.square(tf.math.imag(z))


class QamDemapper(Block):
    """LLRs of Gray QAM, one real dimension at a time.

    5G's QAM is two independent Gray PAMs: even bits on the real, odd bits on the imaginary part (TS 38.211, 5.1), so the
    exact ``app`` rule needs sums over 2^(m/2) levels and not over 2^m points. ``maxlog`` replaces ln Σ exp by max.

    ``call(x_hat [...] complex, no_eff [...]) -> llr [..., m]``, ln P(1)/P(0).
    """

    def __init__(self, transmitter: Transmitter, method: str) -> None:
        super().__init__(precision="single")
        self.num_bits = transmitter.settings.bits_per_symbol
        points = np.asarray(transmitter.constellation.points)
        half = self.num_bits // 2
        words = np.array(
            [[(i >> (self.num_bits - 1 - b)) & 1 for b in range(self.num_bits)] for i in range(len(points))]
        )
        real_words = words[(words[:, 1::2] == 0).all(axis=1)]  # one point per level of the real part
        self.levels = [float(points[int("".join(map(str, w)), 2)].real) for w in real_words]
        self.ones = [np.flatnonzero(real_words[:, 2 * b] == 1) for b in range(half)]
        self.zeros = [np.flatnonzero(real_words[:, 2 * b] == 0) for b in range(half)]
        self.add = _log_add if method == "app" else tf.maximum
        sides = np.array([[zero, one] for zero, one in zip(self.zeros, self.ones, strict=True)], np.int32)
        self.pam = Pam(np.array(self.levels, np.float32), sides, method == "app")  # for the compiled loop

    def call(self, x_hat: tf.Tensor, no_eff: tf.Tensor) -> tf.Tensor:
        """LLRs of the m bits of every equalised symbol, for noise of variance ``no_eff``."""
        y = tf.stack([tf.math.real(x_hat), tf.math.imag(x_hat)], axis=-1)  # [..., 2]
        gain = 1.0 / no_eff[..., None]
        scaled = 2.0 * gain * y
        # -(y - level)²/no without the y² that all levels share; a tensor per level keeps the operations long
        metric = [level * scaled - level**2 * gain for level in self.levels]

        def total(chosen: np.ndarray) -> tf.Tensor:
            return reduce(self.add, [metric[i] for i in chosen])

        llr = [total(one) - total(zero) for one, zero in zip(self.ones, self.zeros, strict=True)]  # m/2 of [..., 2]
        return tf.reshape(tf.stack(llr, axis=-2), tf.concat([tf.shape(x_hat), [self.num_bits]], 0))


def _log_add(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """ln(e^a + e^b)."""
    return tf.maximum(a, b) + tf.math.log1p(tf.exp(-tf.abs(a - b)))


class Decoded(NamedTuple):
    """What a :class:`Receiver` makes of M code blocks.

    bits : int32 [M, block_payload_bits]
    crc_ok : bool [M], the CRC is right and the block is not erased: zeros by default would pass every CRC that starts from
        zero; None without a CRC
    erased : bool [M], what arrived does not decide some bit of the block
    """

    bits: np.ndarray
    crc_ok: np.ndarray | None
    erased: np.ndarray


def decoder_name(chosen: Literal["auto", "layered", "sionna"]) -> str:
    """The LDPC decoder that a setting stands for on this machine: ``auto`` is layered on a CPU and sionna on a GPU."""
    if chosen != "auto":
        return chosen
    return "sionna" if tf.config.list_physical_devices("GPU") else "layered"


class Receiver(Block):
    """The inverse of a :class:`Transmitter`.

    :meth:`llrs` is the front end inside the link's graph; ``call(llr [M, n])`` decodes on the host to :class:`Decoded`.

    A bit whose LLR is 0 is not decided. An uncoded block is erased if it has one; with the layered decoder a block is erased
    if an information bit's LLR is 0 after decoding (channel LLRs below 1/8 count as 0 in its fixed point). Sionna's decoder
    never returns exact zeros, so there a block is erased if fewer than k channel LLRs differ from 0, too few for any code.
    """

    def __init__(self, transmitter: Transmitter) -> None:
        super().__init__(precision="single")
        self.transmitter = transmitter
        settings = transmitter.settings
        self.demapper = QamDemapper(transmitter, settings.demapping)
        self.crc_decoder = (
            None if transmitter.crc_encoder is None else CRCDecoder(transmitter.crc_encoder, precision="single")
        )
        self.decoder: Any = None
        self._sionna_soft: Any = None
        if transmitter.encoder is not None:
            layered = decoder_name(settings.decoder) == "layered"
            self.decoder = LayeredLDPCDecoder(transmitter.encoder, settings.num_iter) if layered else None
            if not layered:
                sionna = LDPC5GDecoder(
                    transmitter.encoder, num_iter=settings.num_iter, hard_out=True, precision="single"
                )
                # compiled once for a fixed number of frames, 2.4 times as fast as the plain graph on a CPU
                self._sionna = tf.function(sionna, jit_compile=True)

    def llrs(self, y: tf.Tensor, w: tf.Tensor, no_eff: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Filter and demap what the antennas receive.

        y ``[M, U, rx]``, filter w ``[M, 1 or U, S, rx]``, no_eff ``[M, 1 or U, S]`` → x_hat ``[M, U, S]``, llr ``[M, n]``,
        no_eff ``[M, U, S]``.
        """
        x_hat = tf.squeeze(tf.matmul(w, y[..., None]), -1) if w.shape[1] != 1 else tf.einsum("msr,mur->mus", w[:, 0], y)
        no_eff = tf.broadcast_to(no_eff, tf.shape(x_hat))
        llr = self.demapper(x_hat, no_eff)  # [M, U, S, m]
        return x_hat, tf.reshape(llr, [-1, self.transmitter.framing.n]), no_eff

    def call(self, llr: tf.Tensor) -> Decoded:
        """Decode the LLRs ``[M, n]`` of M blocks and check their CRC, where they have one."""
        # Eq. (3): g2, behind the filter and the demapper of llrs
        values = np.asarray(llr)
        if self.transmitter.encoder is None:
            bits, erased = (values > 0).astype(np.int32), (values == 0).any(axis=1)
        elif self.decoder is not None:
            result = self.decoder.decode(values)
            bits, erased = result.bits, ~result.decided
        else:
            bits, erased = self._decode_in_chunks(llr), np.count_nonzero(values, axis=1) < self.transmitter.framing.k
        if self.crc_decoder is None:
            return Decoded(bits, None, erased)
        payload, ok = self.crc_decoder(tf.cast(bits, tf.float32))
        return Decoded(np.asarray(payload).astype(np.int32), np.asarray(ok)[..., 0] & ~erased, erased)

    def soft(self, llr: tf.Tensor) -> np.ndarray:
        """LLRs of the decoded bits ``[M, k]``, CRC included; without a code those of the demapper."""
        if self.transmitter.encoder is None:
            return np.asarray(llr)
        if self.decoder is not None:
            values = self.decoder.decode(np.asarray(llr), soft=True).soft
            assert values is not None
            return values
        if self._sionna_soft is None:
            self._sionna_soft = LDPC5GDecoder(
                self.transmitter.encoder,
                num_iter=self.transmitter.settings.num_iter,
                hard_out=False,
                precision="single",
            )
        return self._sionna_soft(llr).numpy()

    def _decode_in_chunks(self, llr: tf.Tensor) -> np.ndarray:
        frames = llr.shape[0]
        padded = tf.pad(llr, [[0, -frames % SIONNA_CHUNK], [0, 0]])
        parts = [self._sionna(padded[i : i + SIONNA_CHUNK]).numpy() for i in range(0, padded.shape[0], SIONNA_CHUNK)]
        return (
            np.concatenate(parts)[:frames].astype(np.int32) if parts else np.zeros((0, self.transmitter.framing.k), int)
        )
