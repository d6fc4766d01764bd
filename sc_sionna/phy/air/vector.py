"""Noise, channel and demapper of many channel uses at once: the vector functions of :mod:`sc_sionna.phy.air.kernels`.

Inner loops run over channel uses, whose values lie side by side, so that one vector instruction serves many uses. All of it
is IEEE single precision in a fixed order without fused operations: results depend neither on the batch, the number of
threads nor the processor.

The noise is that of ``tf.random.stateless_normal``: Philox4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405), whose
group i of four words is a function of key and counter + i alone, then Box and Muller's transform. Its logarithm, sine and
cosine are Cephes' polynomials, right to about an ulp; the demapper's are fitted, to 1e-7.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from sc_sionna.phy.ldpc.compiled import inlined

USES = 128  # channel uses side by side: their working memory fits the first-level cache

_f = np.float32
LOW = np.uint64(0xFFFFFFFF)
HALF_WORD = np.uint64(32)
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
ONE, HALF, TWO = _f(1), _f(0.5), _f(2)
LOG = tuple(_f(c) for c in (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                            -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1))  # fmt: skip
EXP = tuple(_f(c) for c in (0.00829030601, 0.04189797544, 0.1666763658, 0.4999914919, 0.999999707))
ARTANH = tuple(_f(c) for c in (0.3502514515, 0.3943400146, 0.6668464676, 1.999998469))
SIN = tuple(_f(c) for c in (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1))
COS = tuple(_f(c) for c in (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2))
LN2 = (_f(0.693359375), _f(-2.12194440e-4))  # their sum, the first with few bits
RIGHT_ANGLE = (_f(1.5703125), _f(4.837512969970703125e-4), _f(7.549789948768648e-8))  # their sum is pi/2
PER_RIGHT_ANGLE, LOG2_E, SQRT_HALF = _f(2 / np.pi), _f(1.44269504088896341), _f(0.5**0.5)
LEAST_UNIFORM, FARTHEST = _f(1e-7), _f(80.0)
UNIT = _f(0.5**0.5)  # standard deviation of each part of a complex normal number of variance 1


@intrinsic
def as_float(typingctx, bits):  # type: ignore[no-untyped-def]
    """The float32 with these 32 bits."""
    return types.float32(types.uint32), lambda context, builder, sig, args: builder.bitcast(args[0], ir.FloatType())


@intrinsic
def as_bits(typingctx, value):  # type: ignore[no-untyped-def]
    """The 32 bits of a float32."""
    return types.uint32(types.float32), lambda context, builder, sig, args: builder.bitcast(args[0], ir.IntType(32))


@inlined
def log_near_one(x: np.float32) -> np.float32:
    """ln(1 + x) for x from sqrt(1/2) - 1 to sqrt(2) - 1."""
    p = LOG[0]
    for i in range(1, 9):
        p = p * x + LOG[i]
    z = x * x
    return x + (p * x * z - HALF * z)


@inlined
def exp_minus(d: np.float32) -> np.float32:
    """e^-d for d >= 0, to 1e-7 of itself; beyond 80 as at 80."""
    d = d if d < FARTHEST else FARTHEST
    n = np.int32(d * LOG2_E + HALF)
    r = (np.float32(n) * LN2[0] - d) + np.float32(n) * LN2[1]  # -d = r - n ln 2
    p = ((((EXP[0] * r + EXP[1]) * r + EXP[2]) * r + EXP[3]) * r + EXP[4]) * r + ONE
    return p * as_float(np.uint32(np.int32(127) - n) << np.uint32(23))


@inlined
def log_ratio(a: np.float32, b: np.float32) -> np.float32:
    """ln(a / b) for a/b from 1/2 to 2, to 1e-7 of 1: 2 artanh((a - b) / (a + b))."""
    s = (a - b) / (a + b)
    z = s * s
    return (((ARTANH[0] * z + ARTANH[1]) * z + ARTANH[2]) * z + ARTANH[3]) * s


@inlined
def draw_words(words: np.ndarray, first: np.uint64, stride: np.uint64, key: np.ndarray, uses: int) -> None:
    """Philox4x32-10: the four words of every use's group; the pairs of words that it wants are ``stride`` apart.

    words : uint32 [4, USES]; key : uint64 [3], key and the counter's two halves. A group has two pairs. Where the pair is
    the second one, its words take the place of the first.
    """
    a, b, c, d = words[0, :uses], words[1, :uses], words[2, :uses], words[3, :uses]
    for u in range(a.shape[0]):
        pair = first + np.uint64(u) * stride
        low = key[1] + (pair >> np.uint64(1))
        c0, c1, c2, c3 = low & LOW, low >> HALF_WORD, key[2] & LOW, key[2] >> HALF_WORD
        k0, k1 = key[0] & LOW, key[0] >> HALF_WORD
        for _ in range(10):
            p0, p1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
            c0, c1, c2, c3 = (p1 >> HALF_WORD) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF_WORD) ^ c3 ^ k1, p0 & LOW
            k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
        second = (pair & np.uint64(1)) != np.uint64(0)
        a[u], b[u] = np.uint32(c2 if second else c0), np.uint32(c3 if second else c1)
        c[u], d[u] = np.uint32(c2), np.uint32(c3)


@inlined
def box_muller(a: np.ndarray, b: np.ndarray, real: np.ndarray, imag: np.ndarray, scale: np.float32) -> None:
    """Two words a use to a complex number: sine and cosine of 2 pi u2 times sqrt(-2 ln u1), as TensorFlow rounds them."""
    for u in range(a.shape[0]):
        u1 = as_float((a[u] & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)) - ONE
        u2 = as_float((b[u] & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)) - ONE
        bits = as_bits(u1 if u1 > LEAST_UNIFORM else LEAST_UNIFORM)
        m = as_float((bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F000000))  # 1/2 to 1
        e = np.float32(np.int32(bits >> np.uint32(23)) - np.int32(126))
        small = m < SQRT_HALF
        e = e - ONE if small else e
        log = (log_near_one(m + m - ONE if small else m - ONE) + LN2[1] * e) + LN2[0] * e
        radius = np.sqrt(-TWO * log)
        angle = np.float32(6.283185307179586 * np.float64(u2))
        n = np.int32(angle * PER_RIGHT_ANGLE + HALF)
        q = np.float32(n)
        r = ((angle - q * RIGHT_ANGLE[0]) - q * RIGHT_ANGLE[1]) - q * RIGHT_ANGLE[2]
        z = r * r
        sin = ((SIN[0] * z + SIN[1]) * z + SIN[2]) * z * r + r
        cos = ((COS[0] * z + COS[1]) * z + COS[2]) * z * z - HALF * z + ONE
        odd = (n & np.int32(1)) != 0
        f0, f1 = (cos if odd else sin), (sin if odd else cos)
        f0 = -f0 if (n & np.int32(2)) != 0 else f0
        f1 = -f1 if ((n + np.int32(1)) & np.int32(2)) != 0 else f1
        real[u] = f0 * radius * UNIT * scale
        imag[u] = f1 * radius * UNIT * scale


@inlined
def draw_noise(
    y: np.ndarray, words: np.ndarray, pair: int, stride: int, key: np.ndarray, scale: np.float32, uses: int
) -> None:
    """Noise of the antennas into y ``[rx, 2, USES]``; ``pair`` counts complex numbers from the start of the stream."""
    antennas, step = y.shape[0], np.uint64(stride)
    r = 0
    while r < antennas:
        draw_words(words, np.uint64(pair + r), step, key, uses)
        box_muller(words[0, :uses], words[1, :uses], y[r, 0, :uses], y[r, 1, :uses], scale)
        r += 1
        if antennas % 2 == 0:  # both pairs of a group belong to the same use
            box_muller(words[2, :uses], words[3, :uses], y[r, 0, :uses], y[r, 1, :uses], scale)
            r += 1


@inlined
def jam(y: np.ndarray, interference: np.ndarray, image: int, start: int, uses: int) -> None:
    """Add the interference, repeated along the axes on which it has one value, Eq. (8)."""
    images, all_uses, antennas = interference.shape
    for r in range(y.shape[0]):
        for u in range(uses):
            value = interference[image if images > 1 else 0, start + u if all_uses > 1 else 0, r if antennas > 1 else 0]
            y[r, 0, u] += value.real
            y[r, 1, u] += value.imag


@inlined
def load(x: np.ndarray, first: int, rows: np.ndarray, uses: int) -> None:
    """``x[first : first + uses]`` complex ``[., S]`` into rows ``[S, 2, USES]``."""
    for s in range(rows.shape[0]):
        for u in range(uses):
            rows[s, 0, u] = x[first + u, s].real
            rows[s, 1, u] = x[first + u, s].imag


@inlined
def store(rows: np.ndarray, x: np.ndarray, first: int, uses: int) -> None:
    """The inverse of :func:`load`."""
    for u in range(uses):
        for s in range(rows.shape[0]):
            x[first + u, s] = complex(rows[s, 0, u], rows[s, 1, u])


@inlined
def multiply(matrix: np.ndarray, x: np.ndarray, y: np.ndarray, lo: int, hi: int) -> None:
    """Add ``matrix [rows, columns] @ x`` to y in the uses lo to hi - 1; both ``[., 2, USES]``, real and imaginary parts."""
    for i in range(matrix.shape[0]):
        real, imag = y[i, 0, lo:hi], y[i, 1, lo:hi]
        for j in range(matrix.shape[1]):
            a, b = matrix[i, j].real, matrix[i, j].imag
            p, q = x[j, 0, lo:hi], x[j, 1, lo:hi]
            for u in range(real.shape[0]):
                real[u] += a * p[u] - b * q[u]
                imag[u] += a * q[u] + b * p[u]


@inlined
def measure(y: np.ndarray, gain: np.ndarray, levels: np.ndarray, metric: np.ndarray) -> None:
    """-(y - level)² gain of every level, without the y² that all levels share, for noise of variance 1/gain."""
    for i in range(levels.shape[0]):
        level, row = levels[i], metric[i, : y.shape[0]]
        for u in range(y.shape[0]):
            row[u] = level * (TWO * gain[u] * y[u]) - level * level * gain[u]


@inlined
def log_sum(metric: np.ndarray, chosen: np.ndarray, largest: np.ndarray, rest: np.ndarray, exact: bool) -> None:
    """The sum of e^metric over the chosen rows as ``rest`` e^largest, ``rest`` from 1 on; or the largest one alone."""
    first = metric[chosen[0], : largest.shape[0]]
    for u in range(largest.shape[0]):
        largest[u], rest[u] = first[u], ONE
    for i in range(1, chosen.shape[0]):
        added = metric[chosen[i], : largest.shape[0]]
        if exact:
            for u in range(largest.shape[0]):
                d = added[u] - largest[u]
                t = exp_minus(abs(d))
                rest[u] = rest[u] * t + ONE if d > 0 else rest[u] + t
                largest[u] = added[u] if d > 0 else largest[u]
        else:
            for u in range(largest.shape[0]):
                largest[u] = added[u] if added[u] > largest[u] else largest[u]


@inlined
def demap_pairs(metric: np.ndarray, of_bit: np.ndarray, llr: np.ndarray) -> None:
    """LLRs of one bit of 16-QAM by the exact rule: each side has two levels."""
    uses = llr.shape[0]
    a, b, c, d = (metric[of_bit[1, 0], :uses], metric[of_bit[1, 1], :uses],
                  metric[of_bit[0, 0], :uses], metric[of_bit[0, 1], :uses])  # fmt: skip
    for u in range(uses):
        one, zero = ONE + exp_minus(abs(a[u] - b[u])), ONE + exp_minus(abs(c[u] - d[u]))
        larger = (a[u] if a[u] > b[u] else b[u]) - (c[u] if c[u] > d[u] else d[u])
        llr[u] = larger + log_ratio(one, zero)


@inlined
def demap(metric: np.ndarray, of_bit: np.ndarray, exact: bool, work: np.ndarray, llr: np.ndarray) -> None:
    """LLRs of one bit of a PAM whose levels have these metrics.

    metric : float32 [levels, USES]; of_bit : int32 [2, .], the levels whose bit is 0, and those whose bit is 1;
    work : float32 [4, USES]
    """
    uses = llr.shape[0]
    if exact and of_bit.shape[1] == 2:
        demap_pairs(metric, of_bit, llr)
        return
    one, rest_one, zero, rest_zero = work[0, :uses], work[1, :uses], work[2, :uses], work[3, :uses]
    log_sum(metric, of_bit[1], one, rest_one, exact)
    log_sum(metric, of_bit[0], zero, rest_zero, exact)
    for u in range(uses):
        llr[u] = one[u] - zero[u]
    for u in range(uses if exact else 0):
        # both sums are below 2^4: their powers of two apart, the logarithm of what remains is that of 1/2 to 2
        p, q = as_bits(rest_one[u]), as_bits(rest_zero[u])
        power = np.float32(np.int32(p >> np.uint32(23)) - np.int32(q >> np.uint32(23)))
        p = (p & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)
        q = (q & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)
        llr[u] += power * LN2[0] + log_ratio(as_float(p), as_float(q)) + power * LN2[1]
