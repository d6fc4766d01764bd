"""The digital link beside a plain Sionna loop in one run: throughput, block errors, time per stage.

Both carry k = 784 bits at rate 1/2 with 16-QAM on 4 SVD streams of the 8×4 Rayleigh channel, one realisation per block. The
plain loop is what Sionna's own tutorials write: its default decoder (boxplus-phi, the same number of iterations), one LMMSE
equaliser per channel use, everything in one ``tf.function`` in graph mode. Repetitions are interleaved, so that a busy
machine slows both, and medians are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from sionna.phy import Block
from sionna.phy.channel import ApplyFlatFadingChannel, GenerateFlatFadingChannel
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder
from sionna.phy.mapping import BinarySource, Demapper, Mapper
from sionna.phy.mimo import lmmse_equalizer

from sc_sionna.benchmarks.timing import Goal, interleaved
from sc_sionna.core import rng
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.snr import noise_variance
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import wilson

K, N = 784, 1568
# spelled out, so that a new default elsewhere does not change what is measured
SETTINGS: dict[str, Any] = {
    "num_tx_ant": 8, "num_rx_ant": 4, "num_streams": 4, "modulation": "16qam", "coderate": 0.5, "precoder": "svd",
    "channel": "rayleigh", "coherence": "image", "num_iter": 20, "demapping": "app",
}  # fmt: skip
GOAL = Goal(">= {limit} times the plain loop, at the least", 10.0)
SNRS_DB = (3.0, 6.0)  # most blocks wrong, most blocks right


class PlainSionnaLink(Block):
    """The yardstick: ``call(batch_size, no) -> (bits, bits_hat)``, each [batch_size, k]."""

    def __init__(self, settings: LinkSettings) -> None:
        super().__init__()
        self.rx, self.tx, self.streams = settings.num_rx_ant, settings.num_tx_ant, settings.num_streams
        self.uses = N // (settings.bits_per_symbol * self.streams)
        self.source = BinarySource()
        self.encoder = LDPC5GEncoder(K, N, num_bits_per_symbol=settings.bits_per_symbol)
        self.mapper = Mapper("qam", settings.bits_per_symbol)
        self.fading = GenerateFlatFadingChannel(self.tx, self.rx)
        self.apply = ApplyFlatFadingChannel()
        self.demapper = Demapper(settings.demapping, "qam", settings.bits_per_symbol)
        self.decoder = LDPC5GDecoder(self.encoder, num_iter=settings.num_iter)

    def transmit(self, batch_size: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Bits and streams ``[B, U, S]``."""
        bits = self.source([batch_size, K])
        return bits, tf.reshape(self.mapper(self.encoder(bits)), [batch_size, self.uses, self.streams])

    def propagate(self, x: tf.Tensor, no: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Precoding, fading, noise: y ``[B, U, rx]`` and H P ``[B, U, rx, S]``."""
        h = self.fading(x.shape[0])  # [B, rx, tx]
        p = tf.linalg.svd(h)[2][..., : self.streams] * self.streams**-0.5
        h = tf.broadcast_to(h[:, None], [x.shape[0], self.uses, self.rx, self.tx])
        y = self.apply(tf.linalg.matvec(p[:, None], x), h, no)
        return y, tf.matmul(h, p[:, None])

    def equalise(self, y: tf.Tensor, g: tf.Tensor, no: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Sionna's LMMSE equaliser: y ``[B, U, rx]`` and the precoded channel g to x_hat and its noise variance."""
        s = tf.cast(no, y.dtype) * tf.eye(self.rx, batch_shape=tf.shape(y)[:2], dtype=y.dtype)
        return lmmse_equalizer(y, g, s)

    def demap(self, x_hat: tf.Tensor, no_eff: tf.Tensor) -> tf.Tensor:
        """LLRs ``[B, n]`` of the equalised symbols."""
        return tf.reshape(self.demapper(x_hat, no_eff), [-1, N])

    def call(self, batch_size: int, no: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Random bits over the air once, and what was decoded."""
        bits, x = self.transmit(batch_size)
        y, g = self.propagate(x, no)
        return bits, self.decoder(self.demap(*self.equalise(y, g, no)))


@dataclass(frozen=True)
class LinkPoint:
    """Both chains at one SNR: median seconds per batch, information bits/s, block errors out of ``blocks``."""

    snr_db: float
    seconds: dict[str, float]
    bits_per_second: dict[str, float]
    block_errors: dict[str, int]
    blocks: int

    @property
    def ratio(self) -> float:
        """Throughput of the digital link, times the plain loop's."""
        return self.bits_per_second["DigitalLink"] / self.bits_per_second["plain Sionna"]


@dataclass(frozen=True)
class LinkBench:
    """``stages``: chain → stage → median seconds per batch at the last SNR, each stage compiled on its own."""

    batch: int
    repetitions: int
    points: tuple[LinkPoint, ...]
    stages: dict[str, dict[str, float]]


def _stages(
    plain: PlainSionnaLink, link: DigitalLink, batch: int, snr_db: float, repetitions: int
) -> dict[str, dict[str, float]]:
    """Time per stage of both chains, on the values that flow through them."""
    no = tf.constant(noise_variance(snr_db))
    bits, x = plain.transmit(batch)
    y, g = plain.propagate(x, no)
    x_hat, no_eff = plain.equalise(y, g, no)
    llr = plain.demap(x_hat, no_eff)
    per_image, seed = tf.fill([batch], no), tf.constant([1, 2])
    _, g1, w, no_w = link.mimo.draw(batch, per_image, seed)

    def over_the_air(x: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        _, g, w, no_eff = link.mimo.draw(batch, per_image, seed)
        noise = tf.transpose(link.mimo.noise(batch, per_image, seed), [1, 0, 2])
        return tf.einsum("mrs,mus->mur", g[:, 0], x) + noise, w, no_eff

    y1 = tf.einsum("mrs,mus->mur", g1[:, 0], x)
    stages: dict[str, dict[str, tuple[Any, tuple[Any, ...]]]] = {
        "plain Sionna": {
            "encoder, mapper": (tf.function(lambda bits: plain.mapper(plain.encoder(bits))), (bits,)),
            "precoder, channel": (tf.function(plain.propagate), (x, no)),
            "LMMSE, demapper": (tf.function(lambda y, g: plain.demap(*plain.equalise(y, g, no))), (y, g)),
            "decoder": (tf.function(lambda llr: plain.decoder(llr)), (llr,)),
        },
        "DigitalLink": {
            "encoder, mapper": (link.transmitter, (bits.numpy(),)),
            "precoder, channel": (tf.function(over_the_air), (x, seed)),  # with the filter, once per realisation
            "LMMSE, demapper": (tf.function(link.receiver.llrs), (y1, w, no_w)),
            "decoder": (link.receiver, (llr,)),
        },
    }
    return {
        chain: interleaved(
            {stage: lambda _, f=f, args=args: f(*args) for stage, (f, args) in table.items()},  # type: ignore[misc]
            repetitions,
        ).seconds
        for chain, table in stages.items()
    }


def bench_link(quick: bool = False, snrs_db: tuple[float, ...] = SNRS_DB, batch: int = 256, seed: int = 1) -> LinkBench:
    """Measure both chains, about 40 s on two cores (``quick``: a quarter of that, noisier)."""
    repetitions = 4 if quick else 16
    settings = LinkSettings(**SETTINGS)
    plain, link = PlainSionnaLink(settings), DigitalLink(settings, K)
    if (link.framing.k, link.framing.n) != (K, N):
        raise RuntimeError(f"framing gave k = {link.framing.k}, n = {link.framing.n} and not {K}, {N}")
    compiled = tf.function(lambda no: plain(batch, no))
    points = []
    for snr_db in snrs_db:
        no = tf.constant(noise_variance(snr_db))

        def run_plain(_: int, no: tf.Tensor = no) -> int:
            bits, decoded = compiled(no)
            return int(np.any(bits.numpy() != decoded.numpy(), axis=1).sum())

        def run_link(repetition: int, snr_db: float = snr_db) -> int:
            # drawing the bits and counting the errors is timed here too, as the plain loop does both
            bits = rng.generator(seed, "bench bits", snr_db, repetition).integers(0, 2, (batch, K), dtype=np.int8)
            received = link(bits, snr_db, rng.seed_words(seed, "bench link", snr_db, repetition))
            return int(np.any(received.bits != bits, axis=1).sum())

        chains: dict[str, Callable[[int], int]] = {"plain Sionna": run_plain, "DigitalLink": run_link}
        timing = interleaved(chains, repetitions)
        seconds, errors = timing.seconds, {name: sum(found) for name, found in timing.results.items()}
        rates = {name: batch * K / value for name, value in seconds.items()}
        points.append(LinkPoint(snr_db, seconds, rates, errors, repetitions * batch))
    return LinkBench(batch, repetitions, tuple(points), _stages(plain, link, batch, snrs_db[-1], 2 if quick else 5))


def format_link(bench: LinkBench) -> str:
    """The measurements as Markdown tables with the goal."""
    lines = [
        f"Link, k = {K}, n = {N}, 16-QAM, 8x4 Rayleigh, 4 streams, svd, one H per block, {bench.batch} blocks a call, "
        f"medians of {bench.repetitions} interleaved repetitions",
        "",
        "| SNR | chain | information Mb/s | times plain | block error rate [95 % Wilson] |",
        "|---|---|---|---|---|",
    ]
    for point in bench.points:
        for name, rate in point.bits_per_second.items():
            errors = point.block_errors[name]
            low, high = wilson(errors, point.blocks) or (0.0, 1.0)
            times = point.ratio if name == "DigitalLink" else 1.0
            lines.append(
                f"| {point.snr_db:g} dB | {name} | {rate / 1e6:.2f} | {times:.1f} | "
                f"{errors}/{point.blocks} = {errors / point.blocks:.4f} [{low:.4f}, {high:.4f}] |"
            )
    lines += [
        "",
        f"| stage, ms per batch at {bench.points[-1].snr_db:g} dB | plain Sionna | DigitalLink |",
        "|---|---|---|",
    ]
    for stage, seconds in bench.stages["plain Sionna"].items():
        lines.append(f"| {stage} | {seconds * 1e3:.1f} | {bench.stages['DigitalLink'][stage] * 1e3:.1f} |")
    ratio = min(point.ratio for point in bench.points)
    lines += ["", GOAL.line(ratio, 1)]
    return "\n".join(lines)
