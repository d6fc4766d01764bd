"""Linear codes to symbols, 64 frames at once: one bit of a machine word per frame, one XOR per edge of the code.

A frame's bits never meet another frame's. The arithmetic is exact, so the result is Sionna's encoder's bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import scipy.sparse as sp

from sc_sionna.phy.ldpc.compiled import compile_cached

FRAMES = 64  # bits of a word


@dataclass(frozen=True)
class Equations:
    """Bits of a frame in the order in which they become known, each the XOR of bits known before.

    num_known : bits that are given, numbered from 0
    target : int32 ``[E]``, the bit that equation e gives
    start : int32 ``[E + 1]``, where the sources of equation e begin
    source : int32, the bits whose sum over GF(2) it is, all known before
    """

    num_known: int
    target: np.ndarray
    start: np.ndarray
    source: np.ndarray


def crc_equations(polynomial: np.ndarray, payload: int) -> Equations:
    """The CRC of ``payload`` bits as equations; polynomial 0/1, highest power first (TS 38.212, 5.1).

    The CRC of the payload whose bit i alone is 1 is x^(length + payload - 1 - i) modulo the polynomial.
    """
    length = len(polynomial) - 1
    divisor = int("".join(str(int(bit)) for bit in polynomial), 2)
    remainder, remainders = 1 << (length - 1), []
    for _ in range(payload):
        remainder <<= 1
        if remainder >> length:
            remainder ^= divisor
        remainders.append(remainder)
    of_bit = np.array(remainders[::-1], np.int64)
    rows = sp.csr_array((of_bit >> np.arange(length - 1, -1, -1)[:, None]) & 1)  # [length, payload]
    target = np.arange(payload, payload + length, dtype=np.int32)
    return Equations(payload, target, rows.indptr.astype(np.int32), rows.indices.astype(np.int32))


def parity_equations(pcm: sp.csr_array, k: int, z: int) -> Equations:
    """The parity bits of the 5G code, solved from its parity-check matrix (TS 38.212, 5.3.2).

    pcm : ``[checks, k + parity bits]``, columns of information bits first; z : the lifting size

    The first 4 z checks are the core, whose parity columns are a column block of weight 3 and a double diagonal. Summed over
    its four blocks of rows the double diagonal cancels, which leaves a bit of that first column block per row; then every
    check in turn has one unknown bit.
    """
    columns = pcm.shape[1]
    core = sum(pcm[i * z : (i + 1) * z].astype(np.int32) for i in range(4))
    core.data %= 2
    core.eliminate_zeros()
    rows = sp.vstack([sp.csr_array(core), pcm], format="csr").astype(np.int32)
    known = np.zeros(columns, bool)
    known[:k] = True
    unused = np.ones(rows.shape[0], bool)
    target, chosen = [], []
    while not known.all():
        unknown = rows @ (~known).astype(np.int32)
        ready = np.flatnonzero(unused & (unknown == 1))
        edges = rows[ready].tocoo()
        wanted = ~known[edges.col]
        bits, first = np.unique(edges.col[wanted], return_index=True)  # two checks may give the same bit
        if len(bits) == 0:
            raise RuntimeError("the parity-check matrix is not that of a 5G LDPC code: no check has one unknown bit")
        target.append(bits)
        chosen.append(ready[edges.row[wanted][first]])
        unused[chosen[-1]] = False
        known[bits] = True
    targets = np.concatenate(target).astype(np.int32)
    used = rows[np.concatenate(chosen)].tocoo()
    others = used.col != targets[used.row]
    start = np.searchsorted(used.row[others], np.arange(len(targets) + 1)).astype(np.int32)
    return Equations(k, targets, start, used.col[others].astype(np.int32))


def chain(first: Equations, second: Equations) -> Equations:
    """Both in turn; ``first`` gives bits that ``second`` knows."""
    return Equations(
        first.num_known,
        np.concatenate([first.target, second.target]),
        np.concatenate([first.start, first.start[-1] + second.start[1:]]),
        np.concatenate([first.source, second.source]),
    )


def _encode_and_map(
    bits: np.ndarray,  # [M, num_known] uint8, 0 and 1
    target: np.ndarray,
    start: np.ndarray,
    source: np.ndarray,
    sent: np.ndarray,  # [n] int32: the bit at each position that is sent
    words: np.ndarray,  # [bits of a frame] uint64, working memory
    lined_up: np.ndarray,  # [n] uint64, working memory
    points: np.ndarray,  # [2^m] complex64, the constellation by the value of m bits, the first one highest
    out: np.ndarray,  # [M, n / m] complex64
) -> None:
    num_frames, num_known = bits.shape
    num_symbols = out.shape[1]
    width = sent.shape[0] // num_symbols
    one = np.uint64(1)
    for first in range(0, num_frames, FRAMES):
        count = min(FRAMES, num_frames - first)
        words[:num_known] = 0
        for lane in range(count):
            shift = np.uint64(lane)
            row = bits[first + lane]
            for j in range(num_known):
                words[j] |= np.uint64(row[j]) << shift
        for e in range(target.shape[0]):
            total = np.uint64(0)
            for i in range(start[e], start[e + 1]):
                total ^= words[source[i]]
            words[target[e]] = total
        for j in range(sent.shape[0]):
            lined_up[j] = words[sent[j]]
        for lane in range(count):
            shift = np.uint64(lane)
            symbols = out[first + lane]
            for s in range(num_symbols):
                value = np.uint64(0)
                for b in range(width):
                    value = (value << one) | ((lined_up[s * width + b] >> shift) & one)
                symbols[s] = points[value]


@functools.cache
def encode_and_map() -> Callable[..., Any]:
    """The compiled loop."""
    i32, u64 = (numba.types.Array(t, 1, "C") for t in (numba.int32, numba.uint64))
    u8, c64 = numba.types.Array(numba.uint8, 2, "C"), numba.types.complex64
    signature = numba.void(
        u8, i32, i32, i32, i32, u64, u64, numba.types.Array(c64, 1, "C"), numba.types.Array(c64, 2, "C")
    )
    return compile_cached(lambda jit: jit(_encode_and_map), signature)
