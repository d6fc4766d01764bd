"""The compiled loop of the layered LDPC decoder: load frames into lanes, iterate, check, unload, refill.

Each lane counts its own iterations. A frame leaves at the first iteration after which all its parity checks hold and every
information bit is decided, or at the last one. A posterior of 0 decides nothing, and the default bit 0 would satisfy every
check of an erased frame. A frame's decisions are captured where it leaves, and waiting frames take over idle lanes once
``REFILL`` of them make a pass over the posteriors worth it. Several threads may run the loop on the same batch: they draw
frames from one atomic counter and write to disjoint rows of the outputs.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from sc_sionna.phy.ldpc import simd
from sc_sionna.phy.ldpc.compiled import compile_cached, fetch_add, inlined
from sc_sionna.phy.ldpc.simd import (
    CHANNEL_MAX,
    LANES,
    SCALE,
    capture_signs,
    clear_lanes,
    failing_lanes,
    load_lanes,
    undecided_lanes,
    update_checks,
)

REFILL = 8  # idle lanes that make loading new frames worth a pass over the posteriors
CHUNK = 64  # checks between two looks at whether every lane has already failed the parity test

FEW = 8  # bits of posterior 0, at most, that are looked at one by one: an erased frame has many more


@inlined
def quantise(llr: np.ndarray, bits: np.ndarray, stage: np.ndarray) -> bool:
    """One frame of logits as units (positive: bit 0) into ``stage``; false if a value is not finite."""
    largest = np.uint32(0)
    for j in range(llr.shape[0]):
        largest = max(largest, bits[j] & np.uint32(0x7FFFFFFF))
    if largest >= np.uint32(0x7F800000):  # the exponent of infinity and NaN
        return False
    for j in range(llr.shape[0]):
        unit = llr[j] * np.float32(-SCALE)
        unit = np.float32(-CHANNEL_MAX) if unit < np.float32(-CHANNEL_MAX) else unit
        unit = np.float32(CHANNEL_MAX) if unit > np.float32(CHANNEL_MAX) else unit
        unit += np.float32(0.5) if unit >= np.float32(0.0) else np.float32(-0.5)
        stage[j] = np.int8(np.int32(unit))  # the conversion truncates
    return True


@inlined
def unpack(words: np.ndarray, lane: np.uint32, bits: np.ndarray) -> None:
    """Bit ``lane`` of every word, as 0 and 1 of any type."""
    for j in range(bits.shape[0]):
        bits[j] = np.int32((words[j] >> lane) & np.uint32(1))


@inlined
def decided_by_checks(post: np.ndarray, var: np.ndarray, runs: np.ndarray, num_info: int, lane: int) -> bool:
    """Whether each information bit of posterior 0 follows from a check whose other bits are decided."""
    undecided = 0
    for v in range(num_info):
        if post[v * LANES + lane] == 0:
            undecided += 1
            if undecided > FEW:
                return False
    for v in range(num_info):
        follows = post[v * LANES + lane] != 0
        for i in range(runs.shape[0]):
            check = 0
            while check < runs[i, 1] and not follows:
                first = runs[i, 0] + check * runs[i, 2]
                here, others = False, True
                for e in range(first, first + runs[i, 2]):
                    if var[e] == v:
                        here = True
                    elif post[var[e] * LANES + lane] == 0:
                        others = False
                follows = here and others
                check += 1
        if not follows:
            return False
    return True


def _define(fingerprint: int, jit: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[..., Any]:
    def decode_frames(
        llr: np.ndarray,  # [M, n] float32 logits
        llr_bits: np.ndarray,  # the same memory as uint32
        counter: np.ndarray,  # [1] int64, the next frame that nobody has drawn
        runs: np.ndarray,  # [., 3] int64: first edge, number of checks, degree of each run of equal checks
        var: np.ndarray,  # [edges] int32: the variable of each edge
        target: np.ndarray,  # [blocks * LANES] int32: the variable of each received position
        out_var: np.ndarray,  # [outputs] int32: the variable of each output
        num_var: int,
        num_info: int,  # information bits, the first variables
        num_iter: int,
        early_stop: bool,
        post: np.ndarray,  # scratch, see Scratch
        msg: np.ndarray,
        stage: np.ndarray,
        words: np.ndarray,
        keep: np.ndarray,
        hard: np.ndarray,  # [M, outputs] uint8, or no rows
        hard_float: np.ndarray,  # [M, outputs] float32, or no rows
        soft: np.ndarray,  # [M, outputs] float32, or no rows
        parity: np.ndarray,  # [M] bool
        decided: np.ndarray,  # [M] bool
        iterations: np.ndarray,  # [M] int32
    ) -> int:
        """Decode frames until none is left; the index of a frame with a non-finite LLR, or −1."""
        source = fingerprint  # noqa: F841  the cached machine code depends on the primitives' source
        num_frames = llr.shape[0]
        blocks = target.shape[0] // LANES
        stride = stage.shape[0] // LANES
        num_output = out_var.shape[0]
        frame_of = np.full(LANES, -1, np.int64)
        count = np.zeros(LANES, np.int64)
        captured = np.full(LANES, -1, np.int64)
        active = np.uint32(0)
        one = np.uint32(1)
        idle = LANES
        while True:
            if idle == LANES or (idle >= REFILL and counter[0] < num_frames):
                for lane in range(LANES):
                    frame = captured[lane]
                    if frame >= 0:
                        if hard.shape[0] > 0:
                            unpack(words, np.uint32(lane), hard[frame])
                        if hard_float.shape[0] > 0:
                            unpack(words, np.uint32(lane), hard_float[frame])
                        captured[lane] = -1
                drawn = fetch_add(counter, idle)
                loaded = 0
                for lane in range(LANES):
                    keep[lane] = -1
                    if frame_of[lane] < 0 and drawn < num_frames:
                        if not quantise(llr[drawn], llr_bits[drawn], stage[lane * stride : (lane + 1) * stride]):
                            return drawn
                        frame_of[lane] = drawn
                        count[lane] = 0
                        keep[lane] = 0
                        active |= one << np.uint32(lane)
                        drawn += 1
                        loaded += 1
                if loaded > 0:
                    clear_lanes(post, keep, 0, num_var)
                    load_lanes(stage, stride, post, target, keep, blocks)
                    idle -= loaded
                if idle == LANES:
                    return -1
            for i in range(runs.shape[0]):
                update_checks(post, msg, var, keep, runs[i, 0], runs[i, 1], runs[i, 2])
            last = np.uint32(0)
            for lane in range(LANES):
                keep[lane] = -1
                count[lane] += 1
                if frame_of[lane] >= 0 and count[lane] == num_iter:
                    last |= one << np.uint32(lane)
            failed = np.uint32(0)
            if early_stop or last != 0:
                for i in range(runs.shape[0]):
                    done = 0
                    while done < runs[i, 1] and (failed & active) != active:
                        size = min(CHUNK, runs[i, 1] - done)
                        failed |= failing_lanes(post, var, runs[i, 0] + done * runs[i, 2], size, runs[i, 2])
                        done += size
            leaving = last
            if early_stop:
                leaving |= active & ~failed
            undecided = np.uint32(0)
            if leaving != 0:  # a look that only frames about to leave cost
                undecided = undecided_lanes(post, num_info) & leaving
                held = undecided & ~failed  # a bit can follow from the checks only where they hold
                for lane in range(LANES):
                    if (held >> np.uint32(lane)) & one and decided_by_checks(post, var, runs, num_info, lane):
                        undecided &= ~(one << np.uint32(lane))
                leaving = (leaving & ~undecided) | last
            if leaving != 0:
                capture_signs(post, out_var, words, leaving, num_output)
                for lane in range(LANES):
                    if (leaving >> np.uint32(lane)) & one:
                        frame = frame_of[lane]
                        captured[lane] = frame
                        frame_of[lane] = -1
                        decided[frame] = ((undecided >> np.uint32(lane)) & one) == 0
                        parity[frame] = decided[frame] and ((failed >> np.uint32(lane)) & one) == 0
                        iterations[frame] = count[lane]
                        if soft.shape[0] > 0:
                            for j in range(num_output):
                                soft[frame, j] = np.float32(post[out_var[j] * LANES + lane]) * np.float32(-1.0 / SCALE)
                        idle += 1
                active &= ~leaving

    return jit(decode_frames)


@functools.cache
def decode_frames_kernel() -> Callable[..., Any]:
    """The compiled loop."""
    fingerprint = zlib.crc32(Path(simd.__file__).read_bytes())
    i8, i32, i64 = (numba.types.Array(t, 1, "C") for t in (numba.int8, numba.int32, numba.int64))
    u32 = numba.types.Array(numba.uint32, 1, "C")
    f2d, u2d, b2d, r2d = (numba.types.Array(t, 2, "C") for t in (numba.float32, numba.uint32, numba.uint8, numba.int64))
    boolean = numba.types.Array(numba.boolean, 1, "C")
    signature = numba.int64(
        f2d, u2d, i64, r2d, i32, i32, i32, *(numba.int64,) * 3, numba.boolean,
        i8, i8, i8, u32, i8, b2d, f2d, f2d, boolean, boolean, i32,
    )  # fmt: skip
    return compile_cached(lambda jit: _define(fingerprint, jit), signature)


class Scratch:
    """Working memory of one thread, cache-line aligned: posteriors, messages, staged frames, captured bits."""

    def __init__(self, num_var: int, num_edge: int, blocks: int, num_output: int) -> None:
        self.post = _aligned((num_var + 1) * LANES)  # the last row takes the padding of the last block
        self.msg = _aligned(num_edge * LANES)
        # an odd number of blocks apart, the lanes of one position fall into different cache sets
        self.stage = _aligned(LANES * LANES * (blocks | 1))
        self.words = _aligned(4 * num_output).view(np.uint32)
        self.keep = _aligned(LANES)


def _aligned(size: int) -> np.ndarray:
    memory = np.zeros(size + 64, np.int8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]
