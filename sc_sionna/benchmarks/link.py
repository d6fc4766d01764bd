"""The digital link beside a plain Sionna loop in one run: throughput, block errors, time per stage.

Both carry k = 784 bits at rate 1/2 with 16-QAM on 4 SVD streams of the 8×4 Rayleigh channel, one realisation per block; a
second table has fewer streams and the payload of a small JPEG. The plain loop is what Sionna's own tutorials write: its
default decoder (boxplus-phi, the same number of iterations), one LMMSE equaliser per channel use, everything in one
``tf.function`` in graph mode. Repetitions are interleaved, so that a busy machine slows both, and medians are kept.
"""

from __future__ import annotations

import time
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
from sc_sionna.phy.mimo import no_per_image, seed_of_link
from sc_sionna.phy.snr import noise_variance
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import wilson

K, N = 784, 1568
# spelled out, so that a new default elsewhere does not change what is measured
SETTINGS: dict[str, Any] = {
    "num_tx_ant": 8, "num_rx_ant": 4, "num_streams": 4, "modulation": "16qam", "coderate": 0.5, "precoder": "svd",
    "channel": "rayleigh", "coherence": "image", "num_iter": 20, "demapping": "app",
}  # fmt: skip
GOAL = Goal(">= {limit} times the plain loop, at the least", 80.0)
SNRS_DB = (3.0, 6.0)  # most blocks wrong, most blocks right
SHAPES = (
    (1, 784, 256),
    (2, 784, 256),
    (4, 784, 256),
    (4, 4000, 64),
)  # streams, payload bits, blocks; the last a JPEG's
# floating-point operations of the compiled loop for a channel use of the settings above, counted in phy/air/vector.py:
# noise, G x and W y, metrics and LLRs of 8 real dimensions
OPERATIONS_PER_USE = 4 * 61 + 2 * 16 * 8 + 8 * (4 * 5 + 2 * 53)
BYTES_PER_USE = 4 * 8 + 16 * 4  # symbols in, LLRs out


class PlainSionnaLink(Block):
    """The yardstick: ``call(batch_size, no) -> (bits, bits_hat)``, each [batch_size, k]."""

    def __init__(self, settings: LinkSettings, k: int = K, n: int = N) -> None:
        super().__init__()
        self.rx, self.tx, self.streams = settings.num_rx_ant, settings.num_tx_ant, settings.num_streams
        self.k, self.n = k, n
        self.uses = n // (settings.bits_per_symbol * self.streams)
        self.source = BinarySource()
        self.encoder = LDPC5GEncoder(k, n, num_bits_per_symbol=settings.bits_per_symbol)
        self.mapper = Mapper("qam", settings.bits_per_symbol)
        self.fading = GenerateFlatFadingChannel(self.tx, self.rx)
        self.apply = ApplyFlatFadingChannel()
        self.demapper = Demapper(settings.demapping, "qam", settings.bits_per_symbol)
        self.decoder = LDPC5GDecoder(self.encoder, num_iter=settings.num_iter)

    def transmit(self, batch_size: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Bits and streams ``[B, U, S]``."""
        bits = self.source([batch_size, self.k])
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
        return tf.reshape(self.demapper(x_hat, no_eff), [-1, self.n])

    def call(self, batch_size: int, no: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Random bits over the air once, and what was decoded."""
        bits, x = self.transmit(batch_size)
        y, g = self.propagate(x, no)
        return bits, self.decoder(self.demap(*self.equalise(y, g, no)))


@dataclass(frozen=True)
class LinkPoint:
    """Both chains at one SNR: median seconds per batch, information bits/s, block errors out of ``blocks``."""

    snr_db: float
    streams: int
    payload: int
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
    """``stages``: chain → stage → median seconds per batch at the last SNR, each stage compiled on its own.

    shapes : other numbers of streams and payloads at the last SNR
    peak : operations/s of a single-precision matrix product and bytes/s of a copy on this machine, in the same run
    """

    batch: int
    repetitions: int
    points: tuple[LinkPoint, ...]
    shapes: tuple[LinkPoint, ...]
    stages: dict[str, dict[str, float]]
    peak: dict[str, float]


def _stages(
    plain: PlainSionnaLink, link: DigitalLink, batch: int, snr_db: float, repetitions: int
) -> dict[str, dict[str, float]]:
    """Time per stage of both chains, on the values that flow through them."""
    no = tf.constant(noise_variance(snr_db))
    bits, x = plain.transmit(batch)
    y, g = plain.propagate(x, no)
    x_hat, no_eff = plain.equalise(y, g, no)
    llr = plain.demap(x_hat, no_eff)
    words, symbols = seed_of_link(rng.seed_words(1, "bench stages")), x.numpy()
    per_image = no_per_image(noise_variance(snr_db), batch)
    _, channel = link.mimo.meet(per_image, words)
    image, values = np.arange(batch, dtype=np.int32), np.empty(batch * N, np.float32)
    stages: dict[str, dict[str, tuple[Any, tuple[Any, ...]]]] = {
        "plain Sionna": {
            "encoder, mapper": (tf.function(lambda bits: plain.mapper(plain.encoder(bits))), (bits,)),
            "precoder, channel": (tf.function(plain.propagate), (x, no)),
            "LMMSE, demapper": (tf.function(lambda y, g: plain.demap(*plain.equalise(y, g, no))), (y, g)),
            "decoder": (tf.function(lambda llr: plain.decoder(llr)), (llr,)),
        },
        "DigitalLink": {
            "encoder, mapper": (link.transmitter, (bits.numpy(),)),
            "precoder, channel": (link.mimo.meet, (per_image, words)),
            # with noise, G x and the filter
            "LMMSE, demapper": (link.over_the_air, (symbols, image, np.zeros_like(image), channel, values)),
            "decoder": (link.receiver.call, (llr.numpy(),)),
        },
    }
    return {
        chain: interleaved(
            {stage: lambda _, f=f, args=args: f(*args) for stage, (f, args) in table.items()},  # type: ignore[misc]
            repetitions,
        ).seconds
        for chain, table in stages.items()
    }


def _peak() -> dict[str, float]:
    """The best of ten: a product of matrices of 1,024 rows, and a copy of 64 MiB."""
    a, source = np.ones((1024, 1024), np.float32), np.ones(2**24, np.float32)
    target = np.empty_like(source)
    times: dict[str, list[float]] = {"operations": [], "bytes": []}
    for _ in range(10):
        for name, work in (("operations", lambda: a @ a), ("bytes", lambda: np.copyto(target, source))):
            began = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - began)
    return {"operations": 2 * 1024**3 / min(times["operations"]), "bytes": 2 * source.nbytes / min(times["bytes"])}


def _point(
    chains: tuple[PlainSionnaLink, DigitalLink], snr_db: float, batch: int, seed: int, repetitions: int
) -> LinkPoint:
    """Both chains in turn at one SNR."""
    plain, link = chains
    payload = plain.k
    compiled, no = tf.function(lambda no: plain(batch, no)), tf.constant(noise_variance(snr_db))

    def run_plain(_: int) -> int:
        bits, decoded = compiled(no)
        return int(np.any(bits.numpy() != decoded.numpy(), axis=1).sum())

    def run_link(repetition: int) -> int:
        # drawing the bits and counting the errors is timed here too, as the plain loop does both
        drawn = rng.generator(seed, "bench bits", snr_db, repetition).bytes(batch * payload // 8)
        bits = np.unpackbits(np.frombuffer(drawn, np.uint8)).reshape(batch, payload)
        received = link(bits, snr_db, rng.seed_words(seed, "bench link", snr_db, repetition))
        return int(np.any(received.bits != bits, axis=1).sum())

    timing = interleaved({"plain Sionna": run_plain, "DigitalLink": run_link}, repetitions, warm_up=2)
    seconds, errors = timing.seconds, {name: sum(found) for name, found in timing.results.items()}
    rates = {name: batch * payload / value for name, value in seconds.items()}
    return LinkPoint(snr_db, plain.streams, payload, seconds, rates, errors, repetitions * batch)


def _chains(streams: int, payload: int) -> tuple[PlainSionnaLink, DigitalLink]:
    settings = LinkSettings(**(SETTINGS | {"num_streams": streams, "max_block_bits": max(payload, 1024)}))
    link = DigitalLink(settings, payload)
    if (link.framing.num_blocks, link.framing.k) != (1, payload):
        raise RuntimeError(
            f"framing gave {link.framing.num_blocks} blocks of k = {link.framing.k} and not 1 of {payload}"
        )
    return PlainSionnaLink(settings, payload, link.framing.n), link


def bench_link(quick: bool = False, snrs_db: tuple[float, ...] = SNRS_DB, batch: int = 256, seed: int = 1) -> LinkBench:
    """Measure both chains, about a minute on two cores (``quick``: a quarter of that, noisier)."""
    repetitions = 4 if quick else 16
    chains = _chains(SETTINGS["num_streams"], K)
    points = tuple(_point(chains, snr_db, batch, seed, repetitions) for snr_db in snrs_db)
    shapes = () if quick else tuple(
        _point(_chains(streams, payload), snrs_db[-1], blocks, seed, 5) for streams, payload, blocks in SHAPES
    )  # fmt: skip
    stages = _stages(*chains, batch, snrs_db[-1], 2 if quick else 5)
    return LinkBench(batch, repetitions, points, shapes, stages, _peak())


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
    if bench.shapes:
        lines += [
            "",
            "| streams | payload bits | blocks a call | plain Mb/s | DigitalLink Mb/s | times plain |",
            "|---|---|---|---|---|---|",
        ]
    for point in bench.shapes:
        plain, ours = (point.bits_per_second[name] / 1e6 for name in ("plain Sionna", "DigitalLink"))
        lines.append(
            f"| {point.streams} | {point.payload} | {point.blocks // 5} | {plain:.2f} | {ours:.1f} | {point.ratio:.1f} |"
        )
    uses = bench.batch * N // 16
    loop = bench.stages["DigitalLink"]["LMMSE, demapper"]
    operations, moved = uses * OPERATIONS_PER_USE / loop, uses * BYTES_PER_USE / loop
    lines += [
        "",
        f"The compiled loop between symbols and LLRs: {operations / 1e9:.1f} Gflop/s, "
        f"{operations / bench.peak['operations']:.0%} of a matrix product's {bench.peak['operations'] / 1e9:.0f} on this "
        f"machine, beside the integers of its noise; {moved / 1e9:.2f} GB/s, "
        f"{moved / bench.peak['bytes']:.0%} of a copy's {bench.peak['bytes'] / 1e9:.1f}",
    ]
    ratio = min(point.ratio for point in bench.points)
    lines += ["", GOAL.line(ratio, 1)]
    return "\n".join(lines)
