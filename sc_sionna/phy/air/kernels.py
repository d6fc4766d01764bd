"""The compiled loop between symbols and LLRs: noise, channel, LMMSE filter and demapper, block by block in cache.

Several threads may run it on the same batch: they draw blocks from one atomic counter and write to disjoint rows. A block's
results depend on that block alone.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types

from sc_sionna.phy.air import vector
from sc_sionna.phy.air.vector import ONE, USES, demap, draw_noise, jam, load, measure, multiply, store
from sc_sionna.phy.ldpc.compiled import compile_cached, fetch_add, inlined

MIN_GAIN = 1e-10  # below it nothing of a stream arrives (8 streams of an SVD on 4 antennas): x_hat = 0, LLR = 0


@inlined
def lmmse(g: np.ndarray, no: np.float64, a: np.ndarray, b: np.ndarray, w: np.ndarray, no_eff: np.ndarray) -> None:
    """The filter of :func:`sc_sionna.phy.receiver.lmmse_filter` for one matrix g ``[rx, S]``.

    a, b : complex128 [n, n] and [n, max(rx, S)], working memory, n the smaller of rx and S
    """
    rx, streams = g.shape
    tall = streams <= rx
    n, columns = a.shape[0], b.shape[1]
    for i in range(n):  # a x = b: (G^H G + no I) W = G^H, or (G G^H + no I) W^H = G
        for j in range(n):
            total = np.complex128(no if i == j else 0.0)
            for k in range(columns):
                left = np.conj(np.complex128(g[k, i])) if tall else np.complex128(g[i, k])
                right = np.complex128(g[k, j]) if tall else np.conj(np.complex128(g[j, k]))
                total += left * right
            a[i, j] = total
        for j in range(columns):
            b[i, j] = np.conj(np.complex128(g[j, i])) if tall else np.complex128(g[i, j])
    for i in range(n):  # positive definite: no pivots have to be looked for
        inverse = 1.0 / a[i, i].real
        for j in range(n):
            if j != i:
                factor = a[j, i] * inverse
                for k in range(i + 1, n):
                    a[j, k] -= factor * a[i, k]
                for k in range(columns):
                    b[j, k] -= factor * b[i, k]
        for k in range(i + 1, n):
            a[i, k] *= inverse
        for k in range(columns):
            b[i, k] *= inverse
    for s in range(streams):
        gain, leaked, power = 0.0, 0.0, 0.0
        for t in range(streams):
            total = np.complex128(0.0)
            for r in range(rx):
                total += (b[s, r] if tall else np.conj(b[r, s])) * np.complex128(g[r, t])
            if t == s:
                gain = total.real
            else:
                leaked += total.real * total.real + total.imag * total.imag
        for r in range(rx):
            value = b[s, r] if tall else np.conj(b[r, s])
            power += value.real * value.real + value.imag * value.imag
        reached = gain > MIN_GAIN
        no_eff[s] = np.float32((leaked + no * power) / (gain * gain)) if reached else np.float32(1.0 / MIN_GAIN)
        for r in range(rx):
            value = b[s, r] if tall else np.conj(b[r, s])
            w[s, r] = np.complex64(value * (1.0 / gain)) if reached else np.complex64(0.0)


def _define(fingerprint: int, jit: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[..., Any]:
    def transmit_blocks(
        x: np.ndarray,  # [M, U, S] complex64, the streams of M blocks
        image: np.ndarray,  # [M] int32
        block: np.ndarray,  # [M] int32, the place of the block within its image
        g: np.ndarray,  # [B, R, rx, S] complex64
        no: np.ndarray,  # [B] float32, noise variance
        key: np.ndarray,  # [3] uint64, the noise's key and counter
        interference: np.ndarray,  # [B or 1, uses or 1, rx or 1] complex64, or nothing
        uses_per_realisation: int,
        levels: np.ndarray,  # [2^(m/2)] float32, of the real part as of the imaginary one
        of_bit: np.ndarray,  # [m/2, 2, .] int32, see demap
        exact: bool,
        counter: np.ndarray,  # [1] int64, the next block that no thread has drawn
        x_hat: np.ndarray,  # [M, U, S] complex64, or no rows
        no_eff: np.ndarray,  # [M, U, S] float32, or no rows
        llr: np.ndarray,  # [M, U, S * m] float32
        received: np.ndarray,  # [M, U, rx] complex64, or no rows
    ) -> None:
        """Send blocks until none is left."""
        source = fingerprint  # noqa: F841  the cached machine code depends on the vector functions' source
        num_blocks, uses, streams = x.shape
        num_images, rx = g.shape[0], g.shape[2]
        half, least = of_bit.shape[0], min(rx, streams)
        sent, estimate = np.empty((streams, 2, USES), np.float32), np.empty((streams, 2, USES), np.float32)
        y, words = np.empty((rx, 2, USES), np.float32), np.empty((4, USES), np.uint32)
        gain, work = np.empty((streams, USES), np.float32), np.empty((4, USES), np.float32)
        metric = np.empty((levels.shape[0], USES), np.float32)
        bits = np.empty((streams * 2 * half, USES), np.float32)
        w, variance = np.empty((streams, rx), np.complex64), np.empty(streams, np.float32)
        normal, right = np.empty((least, least), np.complex128), np.empty((least, max(rx, streams)), np.complex128)
        while True:
            m = fetch_add(counter, 1)
            if m >= num_blocks:
                return
            b, filtered, first = image[m], -1, 0
            while first < uses:
                count, start = min(USES, uses - first), block[m] * uses + first
                draw_noise(y, words, (start * num_images + b) * rx, num_images * rx, key, np.sqrt(no[b]), count)
                if interference.shape[0] > 0:
                    jam(y, interference, b, start, count)
                load(x[m], first, sent, count)
                lo = 0
                while lo < count:  # a run of uses that share a realisation
                    realisation = (start + lo) // uses_per_realisation
                    hi = min(count, (realisation + 1) * uses_per_realisation - start)
                    if realisation != filtered:
                        lmmse(g[b, realisation], np.float64(no[b]), normal, right, w, variance)
                        filtered = realisation
                    multiply(g[b, realisation], sent, y, lo, hi)  # Eq. (2)
                    estimate[:, :, lo:hi] = 0
                    multiply(w, y, estimate, lo, hi)
                    for s in range(streams):
                        if no_eff.shape[0] > 0:
                            no_eff[m, first + lo : first + hi, s] = variance[s]
                        gain[s, lo:hi] = ONE / variance[s]
                    lo = hi
                for s in range(streams):
                    for part in range(2):  # even bits on the real part, odd ones on the imaginary part
                        measure(estimate[s, part, :count], gain[s, :count], levels, metric)
                        for i in range(half):
                            demap(metric, of_bit[i], exact, work, bits[(s * half + i) * 2 + part, :count])
                if x_hat.shape[0] > 0:
                    store(estimate, x_hat[m], first, count)
                if received.shape[0] > 0:
                    store(y, received[m], first, count)
                for u in range(count):
                    row = llr[m, first + u]
                    for i in range(row.shape[0]):
                        row[i] = bits[i, u]
                first += count

    return jit(transmit_blocks)


@functools.cache
def transmit_kernel() -> Callable[..., Any]:
    """The compiled loop; several threads may run it on the same arrays."""
    fingerprint = zlib.crc32(Path(vector.__file__).read_bytes())
    c64, f32, i32, i64, u64 = types.complex64, types.float32, types.int32, types.int64, types.uint64
    signature = numba.void(
        c64[:, :, ::1], i32[::1], i32[::1], c64[:, :, :, ::1], f32[::1], u64[::1], c64[:, :, ::1], i64,
        f32[::1], i32[:, :, ::1], types.boolean, i64[::1], c64[:, :, ::1], f32[:, :, ::1], f32[:, :, ::1], c64[:, :, ::1],
    )  # fmt: skip
    return compile_cached(lambda jit: _define(fingerprint, jit), signature)
