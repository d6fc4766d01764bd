"""A fast LDPC decoder on the CPU with the call of Sionna's ``LDPC5GDecoder``.

Algorithm: layered belief propagation (Hocevar 2004, doi:10.1109/SIPS.2004.1363033) with the offset min-sum rule (Chen et
al. 2005, doi:10.1109/TCOMM.2005.852852), the offset depending on the two smallest magnitudes, in 8-bit fixed point, 32
frames side by side, each stopped at its own first codeword. Code, rate matching and bit interleaver: TS 38.212,
clauses 5.3.2 and 5.4.2; everything is derived from the encoder's own parity-check matrix.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from sionna.phy import Block
from sionna.phy.fec.ldpc import LDPC5GEncoder

from sc_sionna.core.errors import UserError
from sc_sionna.core.threads import available_threads
from sc_sionna.phy.ldpc.kernels import Scratch, decode_frames_kernel
from sc_sionna.phy.ldpc.simd import LANES, MAX_DEGREE
from sc_sionna.phy.threads import Threads


def ldpc_encoder(k: int, n: int, num_bits_per_symbol: int | None = None) -> LDPC5GEncoder:
    """Sionna's 5G encoder, with one-line errors for what TS 38.212 (5.3.2) does not hold.

    Raises
    ------
    UserError
        k outside 12..8448, rate k/n outside 1/5..0.95, or n no multiple of ``num_bits_per_symbol``.
    """
    if not 12 <= k <= 8448:
        raise UserError(f"k = {k}: an LDPC block holds 12 to 8448 information bits; segment or pad the payload")
    if not 0.2 <= k / max(n, 1) <= 0.95:
        raise UserError(
            f"n = {n}: the rate k/n = {k / max(n, 1):.3f} lies outside 0.2 to 0.95; "
            f"set n from {-(-k * 20 // 19)} to {5 * k}"
        )
    if num_bits_per_symbol is not None and (num_bits_per_symbol < 1 or n % num_bits_per_symbol):
        raise UserError(
            f"num_bits_per_symbol = {num_bits_per_symbol}: must divide n = {n}; choose n as a multiple of it"
        )
    try:
        return LDPC5GEncoder(k, n, num_bits_per_symbol=num_bits_per_symbol, precision="single")
    except ValueError as error:
        raise UserError(f"k = {k}, n = {n}: {error}; see TS 38.212, clause 5.3.2") from None


class CodeGraph:
    """The checks and variables that coding an encoder's codewords takes, for its encoder and its decoder alike.

    Dropped without changing any result: filler bits (known to be 0) with their edges, and the trailing degree-1 parity
    bits that were not sent, each with its only check. Variables are numbered k information bits first, then parity.

    Attributes
    ----------
    pcm : scipy CSR ``[checks, num_var]``, the parity-check matrix on these variables
    var : int32 ``[edges]``, the variable of each edge, check by check
    runs : int64 ``[., 3]``, first edge, number of checks and degree of consecutive checks of equal degree
    sent_var : int32 ``[n]``, the variable of each received position, interleaver included
    """

    def __init__(self, encoder: LDPC5GEncoder) -> None:
        num_filler = encoder.k_ldpc - encoder.k
        num_sent = encoder.n + 2 * encoder.z + num_filler  # the first 2 Z columns are never sent
        pcm = encoder.pcm.tocsc()
        extension = np.flatnonzero(np.diff(pcm.indptr) != 1)[-1] + 1  # the first of the trailing degree-1 columns
        num_column = max(int(extension), num_sent)
        num_check = pcm.shape[0] - (pcm.shape[1] - num_column)
        columns = np.r_[0 : encoder.k, encoder.k_ldpc : num_column]
        self.pcm = pcm[:num_check, columns].tocsr()
        self.pcm.sort_indices()
        self.k, self.n = int(encoder.k), int(encoder.n)
        self.num_var = len(columns)
        degree = np.diff(self.pcm.indptr).astype(np.int64)
        if degree.max() > MAX_DEGREE:
            raise UserError(f"check degree {degree.max()}: at most {MAX_DEGREE} (TS 38.212); not a 5G code")
        self.var = self.pcm.indices.astype(np.int32)
        starts = np.r_[0, np.flatnonzero(np.diff(degree)) + 1]
        counts = np.diff(np.r_[starts, num_check])
        self.runs = np.stack([self.pcm.indptr[starts].astype(np.int64), counts, degree[starts]], axis=1)
        self.runs = np.ascontiguousarray(self.runs[self.runs[:, 2] > 0])
        sent = 2 * encoder.z + np.arange(encoder.n)
        self.sent_var = (sent if encoder.num_bits_per_symbol is None else sent[encoder.out_int]).astype(np.int32)


@dataclass(frozen=True)
class DecoderResult:
    """What the decoder knows about each frame.

    ``bits`` uint8 ``[..., k]``; ``soft`` float32 ``[..., k]`` logits ln P(1)/P(0) in steps of 1/4 within ±32, or None if
    not asked for; ``decided`` bool ``[...]``, true if and only if what arrived decides every information bit: its posterior
    is not 0, or all checks hold and one whose other bits are decided gives it (an undecided bit is 0 by default);
    ``parity_ok`` bool ``[...]``, true if and only if the frame is decided and all parity checks hold, so that an erased
    frame is no codeword; ``iterations`` int32 ``[...]``. With ``return_infobits = false`` n takes the place of k.
    """

    bits: np.ndarray
    soft: np.ndarray | None
    decided: np.ndarray
    parity_ok: np.ndarray
    iterations: np.ndarray


class LayeredLDPCDecoder(Block):
    """Layered offset min-sum decoder for :class:`~sionna.phy.fec.ldpc.LDPC5GEncoder`, on the CPU.

    Drop-in for Sionna's ``LDPC5GDecoder`` without gradients and decoder state: logits ln P(1)/P(0) ``[..., n]`` in the
    order that the encoder sends → ``[..., k]``, in eager mode and inside ``tf.function`` (not under XLA: the work happens
    in a NumPy call). The result of a frame depends on that frame alone, not on the batch or the number of threads.

    Parameters
    ----------
    encoder : the encoder whose codewords are decoded
    num_iter : most iterations; a layered iteration is worth about two of Sionna's flooding ones
    hard_out : bits as 0.0 and 1.0, otherwise logits (in steps of 1/4, within ±32)
    return_infobits : the k information bits, otherwise the n sent bits in sent order
    num_threads : threads, by default all cores that the process may use
    early_stop : stop a frame at its first codeword; false spends ``num_iter`` iterations on each (for measurements)
    precision : of the output, ``"single"`` or ``"double"``; by default Sionna's setting

    Raises
    ------
    UserError
        ``num_iter`` or ``num_threads`` below 1, a last dimension other than n, NaN or infinite LLRs.
    """

    def __init__(
        self,
        encoder: LDPC5GEncoder,
        num_iter: int = 20,
        hard_out: bool = True,
        return_infobits: bool = True,
        num_threads: int | None = None,
        early_stop: bool = True,
        precision: str | None = None,
    ) -> None:
        super().__init__(precision=precision)
        if not isinstance(encoder, LDPC5GEncoder):
            raise UserError(f"encoder = {encoder!r}: must be a sionna LDPC5GEncoder; build one with ldpc_encoder(k, n)")
        if num_iter < 1:
            raise UserError(f"num_iter = {num_iter}: at least 1 iteration is needed; the default is 20")
        if num_threads is not None and num_threads < 1:
            raise UserError(f"num_threads = {num_threads}: at least 1; leave it out to use all cores")
        self.encoder = encoder
        self.num_iter = int(num_iter)
        self.num_threads = num_threads or available_threads()
        self._threads = Threads(self.num_threads)
        self._hard_out, self._early_stop = hard_out, early_stop
        self.graph = CodeGraph(encoder)
        blocks = -(-self.graph.n // LANES)
        self._target = np.full(blocks * LANES, self.graph.num_var, np.int32)
        self._target[: self.graph.n] = self.graph.sent_var
        self._out_var = np.arange(self.graph.k, dtype=np.int32) if return_infobits else self.graph.sent_var
        self._idle_scratch: list[Scratch] = []
        self._lock = threading.Lock()

    def decode(self, llr: np.ndarray, soft: bool = False) -> DecoderResult:
        """Decode logits ``[..., n]`` without TensorFlow."""
        frames = self._frames(llr)
        bits = np.empty((len(frames), len(self._out_var)), np.uint8)
        values = np.empty((len(frames) if soft else 0, len(self._out_var)), np.float32)
        nothing = np.empty((0, len(self._out_var)), np.float32)
        decided, parity, iterations = self._run(frames, bits, nothing, values)
        shape = np.shape(llr)[:-1]
        return DecoderResult(
            bits=bits.reshape(*shape, len(self._out_var)),
            soft=values.reshape(*shape, len(self._out_var)) if soft else None,
            decided=decided.reshape(shape),
            parity_ok=parity.reshape(shape),
            iterations=iterations.reshape(shape),
        )

    def call(self, llr_ch: tf.Tensor, /) -> tf.Tensor:
        """Sionna's entry: bits or logits of the block's precision."""
        if isinstance(llr_ch, np.ndarray) or tf.executing_eagerly():
            return tf.cast(tf.convert_to_tensor(self._outputs(np.asarray(llr_ch))), self.rdtype)
        if llr_ch.shape.rank is not None and llr_ch.shape[-1] not in (None, self.graph.n):
            raise self._wrong_shape(tuple(llr_ch.shape))
        out = tf.cast(tf.numpy_function(self._outputs, [llr_ch], tf.float32, stateful=False), self.rdtype)
        out.set_shape(llr_ch.shape[:-1].concatenate(len(self._out_var)) if llr_ch.shape.rank is not None else None)
        return out

    def _outputs(self, llr: np.ndarray) -> np.ndarray:
        frames = self._frames(llr)
        out = np.empty((len(frames), len(self._out_var)), np.float32)
        nothing = np.empty((0, len(self._out_var)), np.float32)
        no_bits = np.empty((0, len(self._out_var)), np.uint8)
        self._run(frames, no_bits, *((out, nothing) if self._hard_out else (nothing, out)))
        return out.reshape(*llr.shape[:-1], len(self._out_var))

    def _frames(self, llr: np.ndarray) -> np.ndarray:
        """LLRs as contiguous float32 ``[M, n]``, without a copy where they already are."""
        llr = np.asarray(llr)
        if llr.ndim < 1 or llr.shape[-1] != self.graph.n:
            raise self._wrong_shape(llr.shape)
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is reported as such
            single = np.ascontiguousarray(llr, np.float32)
        return single.reshape(llr.size // self.graph.n, self.graph.n)

    def _wrong_shape(self, shape: tuple[int | None, ...]) -> UserError:
        return UserError(
            f"llr of shape {list(shape)}: the last dimension must be n = {self.graph.n}; "
            "reshape to one row per code block, or build the decoder from the encoder that sent them"
        )

    def _run(
        self, frames: np.ndarray, bits: np.ndarray, bits_float: np.ndarray, soft: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        decided, parity = np.empty(len(frames), np.bool_), np.empty(len(frames), np.bool_)
        iterations = np.empty(len(frames), np.int32)
        if len(frames) == 0:
            return decided, parity, iterations
        kernel, counter = decode_frames_kernel(), np.zeros(1, np.int64)

        def work() -> int:
            scratch = self._take_scratch()
            try:
                return kernel(
                    frames, frames.view(np.uint32), counter, self.graph.runs, self.graph.var, self._target,
                    self._out_var, self.graph.num_var, self.graph.k, self.num_iter, self._early_stop,
                    scratch.post, scratch.msg, scratch.stage, scratch.words, scratch.keep,
                    bits, bits_float, soft, parity, decided, iterations,
                )  # fmt: skip
            finally:
                with self._lock:
                    self._idle_scratch.append(scratch)

        if max(self._threads.run(work, -(-len(frames) // LANES))) >= 0:
            bad, position = np.argwhere(~np.isfinite(frames))[0]
            raise UserError(
                f"llr[{bad}, {position}] = {frames[bad, position]}: LLRs must be finite; "
                "check the noise variance, or clip them (beyond ±8.25 nothing changes)"
            )
        return decided, parity, iterations

    def _take_scratch(self) -> Scratch:
        with self._lock:
            if self._idle_scratch:
                return self._idle_scratch.pop()
        return Scratch(self.graph.num_var, len(self.graph.var), len(self._target) // LANES, len(self._out_var))
