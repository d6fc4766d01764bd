"""The LDPC decoders side by side in one run: Sionna in graph mode, Sionna under XLA, the layered decoder.

One batch of 16-QAM logits over AWGN (k = 784, n = 1568, 20 iterations) goes through every decoder as a user would call it,
inside ``tf.function``. Repetitions are interleaved, so that a busy machine slows all of them, and medians are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from sionna.phy import config as sionna_config
from sionna.phy.fec.ldpc import LDPC5GDecoder
from sionna.phy.mapping import Demapper, Mapper

from sc_sionna.benchmarks.timing import Goal, interleaved
from sc_sionna.phy.ldpc.decoder import LayeredLDPCDecoder, ldpc_encoder
from sc_sionna.sweep.metrics import wilson

K, N, BITS_PER_SYMBOL, NUM_ITER = 784, 1568, 4, 20
FULL_DB = 2.0  # Es/N0 far below the waterfall: no block ever satisfies its checks, all iterations are spent
CLEAN_DB = 9.0  # error-free
WATERFALL_DB = 6.4
GOALS = {
    FULL_DB: Goal("at full iterations >= {limit} times Sionna graph", 30.0),
    CLEAN_DB: Goal("error-free >= {limit} times Sionna graph", 60.0),
}
NAMES = ("sionna graph", "sionna xla", "layered")


@dataclass(frozen=True)
class Speed:
    """One decoder at one point: median seconds per batch, information bits/s, and its block errors there."""

    decoder: str
    snr_db: float
    seconds: float
    bits_per_second: float
    ratio: float  # to Sionna in graph mode
    block_errors: int
    blocks: int
    mean_iterations: float


@dataclass(frozen=True)
class DecoderBench:
    """``speeds`` at full iterations and error-free; ``errors``: decoder → (block errors, blocks) in the waterfall."""

    batch: int
    repetitions: int
    num_threads: int
    speeds: tuple[Speed, ...]
    errors: dict[str, tuple[int, int]] = field(default_factory=dict)

    def ratio(self, snr_db: float, decoder: str = "layered") -> float:
        """Times Sionna's graph mode at one of the two points."""
        return next(s.ratio for s in self.speeds if s.snr_db == snr_db and s.decoder == decoder)


def _logits(encoder: Any, snr_db: float, blocks: int, seed: int) -> tuple[np.ndarray, tf.Tensor]:
    """Random information bits ``[B, k]`` and the demapper's logits ``[B, n]`` at Es/N0 = ``snr_db``."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (blocks, K)).astype(np.float32)
    symbols = Mapper("qam", BITS_PER_SYMBOL)(encoder(tf.constant(bits)))
    no = 10 ** (-snr_db / 10)
    noise = rng.standard_normal((2, *symbols.shape)).astype(np.float32) * np.float32(math.sqrt(no / 2))
    received = symbols + tf.complex(noise[0], noise[1])
    return bits, Demapper("app", "qam", BITS_PER_SYMBOL)(received, tf.constant(no, tf.float32))


def bench_decoder(quick: bool = False) -> DecoderBench:
    """Measure all decoders in one run, about a minute on two cores (``quick``: a third of that, noisier).

    Returns
    -------
    DecoderBench
        Speeds in information bits/s (median over repetitions), ratios, and block errors on common noise.
    """
    if sionna_config.precision != "single":
        sionna_config.precision = "single"
    batch, repetitions = (256, 3) if quick else (512, 7)
    encoder = ldpc_encoder(K, N, BITS_PER_SYMBOL)
    reference = LDPC5GDecoder(encoder, num_iter=NUM_ITER)
    layered = LayeredLDPCDecoder(encoder, num_iter=NUM_ITER)
    decoders: dict[str, Callable[[tf.Tensor], tf.Tensor]] = dict(
        zip(
            NAMES,
            (
                tf.function(lambda llr: reference(llr)),
                tf.function(lambda llr: reference(llr), jit_compile=True),
                tf.function(lambda llr: layered(llr)),
            ),
            strict=True,
        )
    )
    speeds: list[Speed] = []
    for snr_db in (FULL_DB, CLEAN_DB):
        bits, llr = _logits(encoder, snr_db, batch, seed=1)
        wrong = {name: int(np.any(decode(llr).numpy() != bits, axis=1).sum()) for name, decode in decoders.items()}
        ways = {name: lambda _, decode=decode, llr=llr: decode(llr) for name, decode in decoders.items()}
        median = interleaved(ways, repetitions, warm_up=0, at_least=0.1).seconds  # compiled just above
        spent = float(layered.decode(llr.numpy()).iterations.mean())
        for name in NAMES:
            iterations = spent if name == "layered" else float(NUM_ITER)
            rate, ratio = batch * K / median[name], median[NAMES[0]] / median[name]
            speeds.append(Speed(name, snr_db, median[name], rate, ratio, wrong[name], batch, iterations))
    errors = dict.fromkeys(NAMES, 0)
    rounds = 2 if quick else 8
    for seed in range(rounds):
        bits, llr = _logits(encoder, WATERFALL_DB, batch, seed=100 + seed)
        for name, decode in decoders.items():
            errors[name] += int(np.any(decode(llr).numpy() != bits, axis=1).sum())
    return DecoderBench(
        batch=batch,
        repetitions=repetitions,
        num_threads=layered.num_threads,
        speeds=tuple(speeds),
        errors={name: (count, rounds * batch) for name, count in errors.items()},
    )


def format_decoder(bench: DecoderBench) -> str:
    """The measurements as a Markdown table with the goals."""
    lines = [
        f"LDPC decoder, k = {K}, n = {N}, 16-QAM over AWGN, {NUM_ITER} iterations at most, {bench.batch} blocks a call, "
        f"{bench.num_threads} threads, medians of {bench.repetitions} interleaved repetitions",
        "",
        "| Es/N0 | decoder | information Mb/s | times Sionna graph | iterations | block errors |",
        "|---|---|---|---|---|---|",
    ]
    for s in bench.speeds:
        lines.append(
            f"| {s.snr_db:g} dB | {s.decoder} | {s.bits_per_second / 1e6:.2f} | {s.ratio:.1f} | "
            f"{s.mean_iterations:.1f} | {s.block_errors}/{s.blocks} |"
        )
    lines += ["", f"Block error rate at {WATERFALL_DB:g} dB (same noise, 95 % Wilson interval):"]
    for name, (errors, blocks) in bench.errors.items():
        low, high = wilson(errors, blocks) or (0.0, 1.0)
        lines.append(f"- {name}: {errors}/{blocks} = {errors / blocks:.4f} [{low:.4f}, {high:.4f}]")
    lines += [goal.line(bench.ratio(snr_db), 0) for snr_db, goal in GOALS.items()]
    return "\n".join(lines)
