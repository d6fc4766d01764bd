"""Simulation against theory: bit error rates in closed form, LMMSE error variance, the SNR at the antenna.

Every check compares a measured mean with its expected value, z = (value - expected) / standard error. The standard error
comes from independent samples only (fading realisations, or channel uses where each has its own), never from bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, inf, sqrt

import numpy as np
import tensorflow as tf
from scipy.special import erfc

from sc_sionna.core import rng
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.snr import noise_variance
from sc_sionna.settings import BITS_PER_SYMBOL, LinkSettings

MAX_Z = 4.0
_settings: Callable[..., LinkSettings] = LinkSettings  # type checkers take Field's positional defaults for required


def gray_qam(bits_per_symbol: int) -> tuple[tuple[float, float], ...]:
    """Average bit error rate of square Gray QAM with nearest-point decisions as Σ weight · Q(step · sqrt(Es/N0)).

    Pairs of weight and step; Cho and Yoon 2002, doi:10.1109/TCOMM.2002.800818, (9), (14) and (16).
    """
    levels = 2 ** (bits_per_symbol // 2)
    weights: dict[int, float] = {}
    for bit in range(1, bits_per_symbol // 2 + 1):
        for i in range(levels - levels // 2**bit):
            swap = i * 2 ** (bit - 1) // levels
            weight = (-1) ** swap * (2 ** (bit - 1) - (2 * i * 2 ** (bit - 1) + levels) // (2 * levels))
            weights[i] = weights.get(i, 0.0) + weight * 4 / (levels * bits_per_symbol)
    return tuple((weight, (2 * i + 1) * sqrt(3 / (levels**2 - 1))) for i, weight in weights.items() if weight)


GRAY_QAM = {name: gray_qam(bits) for name, bits in BITS_PER_SYMBOL.items()}


@dataclass(frozen=True)
class Check:
    """One comparison: ``value`` measured, ``expected`` by theory, ``z`` in standard errors."""

    name: str
    value: float
    expected: float
    z: float


def ber_awgn(modulation: str, snr_db: float) -> float:
    """Bit error rate of uncoded Gray QAM over AWGN at Es/N0 = ``snr_db``."""
    es_no = 1.0 / float(noise_variance(snr_db))
    return sum(weight * 0.5 * float(erfc(step * sqrt(es_no / 2))) for weight, step in GRAY_QAM[modulation])


def ber_rayleigh_mrc(modulation: str, snr_db: float, branches: int) -> float:
    """The same over 1×L Rayleigh fading with maximum-ratio combining, ``snr_db`` per branch.

    Each E[Q(a·sqrt(γ))] with γ the sum of L exponential branches of mean SNR Γ is, with μ = sqrt(c / (1 + c)) and
    c = a²·Γ/2 (Proakis and Salehi 2008, (13.4-15)):  ((1-μ)/2)^L · Σ_{l<L} C(L-1+l, l) · ((1+μ)/2)^l.
    """
    mean_snr, total = 1.0 / float(noise_variance(snr_db)), 0.0
    for weight, step in GRAY_QAM[modulation]:
        c = step**2 * mean_snr / 2
        mu = sqrt(c / (1 + c))
        series = sum(comb(branches - 1 + i, i) * ((1 + mu) / 2) ** i for i in range(branches))
        total += weight * ((1 - mu) / 2) ** branches * series
    return total


def mean_check(name: str, samples: np.ndarray, expected: float) -> Check:
    """Check of the mean of independent samples."""
    samples = np.asarray(samples, np.float64)
    error = samples.std(ddof=1) / sqrt(len(samples))
    value = float(samples.mean())
    return Check(name, value, expected, (value - expected) / error if error > 0 else inf)


def ratio_check(name: str, numerator: np.ndarray, denominator: np.ndarray, expected: float) -> Check:
    """Check of a ratio of means over independent pairs; standard error to first order (delta method)."""
    ratio = float(numerator.mean() / denominator.mean())
    error = (numerator - ratio * denominator).std(ddof=1) / sqrt(len(numerator)) / denominator.mean()
    return Check(name, ratio, expected, float((ratio - expected) / error))


def _uncoded(modulation: str, channel: str, branches: int, snr_db: float, uses: int, seed: int) -> Check:
    """Uncoded single-stream bit errors: one sample per channel use, each with its own fading and noise."""
    # nearest-point decisions are what the closed forms count: the max-log demapper's sign
    settings = _settings(
        num_tx_ant=1, num_rx_ant=branches, num_streams=1, modulation=modulation, coded=False, channel=channel,
        coherence="symbol", precoder="dft", demapping="maxlog",
    )  # fmt: skip
    images = 64
    link = DigitalLink(settings, settings.bits_per_symbol * (uses // images))
    name = f"BER {modulation} {channel} 1x{branches} {snr_db:g} dB"
    bits = rng.generator(seed, name).integers(0, 2, (images, link.framing.payload_bits))
    wrong = link(bits, snr_db, rng.seed_words(seed, name)).bits != bits
    expected = ber_awgn(modulation, snr_db) if channel == "awgn" else ber_rayleigh_mrc(modulation, snr_db, branches)
    return mean_check(name, wrong.reshape(-1, settings.bits_per_symbol).mean(axis=1), expected)


def _lmmse(precoder: str, snr_db: float, images: int, seed: int) -> Check:
    """E[|x_hat - x|² / no_eff] = 1: one sample per fading realisation, over 32 uses and 4 streams."""
    settings = _settings(precoder=precoder, coded=False)
    link = DigitalLink(settings, 32 * settings.num_streams * settings.bits_per_symbol)
    name = f"LMMSE error / no_eff 8x4 {precoder} {snr_db:g} dB"
    bits = rng.generator(seed, name).integers(0, 2, (images, link.framing.payload_bits))
    out = link(bits, snr_db, rng.seed_words(seed, name))
    error = np.abs(out.x_hat.numpy() - link.transmitter(bits)) ** 2
    return mean_check(name, (error / out.no_eff.numpy()).mean(axis=(1, 2)), 1.0)


def _antenna_snr(precoder: str, streams: int, snr_db: float, images: int, seed: int) -> Check:
    """Received signal power over noise power per antenna, linear: the set SNR where the precoder does not know H.

    Four streams along all singular vectors of an 8×4 channel reach ||H||_F² / (4·4): 2 times the set SNR, exactly.
    """
    settings = _settings(precoder=precoder, num_streams=streams, coded=False)
    link = DigitalLink(settings, 32 * streams * settings.bits_per_symbol)
    name = f"SNR at the antenna, {streams} streams {precoder} {snr_db:g} dB"
    bits = rng.generator(seed, name).integers(0, 2, (images, link.framing.payload_bits))
    words = tf.constant(rng.seed_words(seed, name))
    no = tf.fill([images], tf.constant(noise_variance(snr_db)))
    x = tf.constant(link.transmitter(bits))
    _, g, _, _ = link.mimo.draw(images, no, words)
    signal = tf.einsum("mrs,mus->mur", g[:, 0], x).numpy()
    noise = link.mimo.noise(images, no, words).numpy().transpose(1, 0, 2)
    gain = 2.0 if precoder == "svd" else 1.0
    power = [(np.abs(z.astype(np.complex128)) ** 2).mean(axis=(1, 2)) for z in (signal, noise)]
    return ratio_check(name, power[0], power[1], gain * 10 ** (snr_db / 10))


def _transmit_power(precoder: str, streams: int, images: int, seed: int) -> Check:
    """Mean total transmit power per channel use: 1."""
    settings = _settings(precoder=precoder, num_streams=streams, coded=False)
    link = DigitalLink(settings, 32 * streams * settings.bits_per_symbol)
    name = f"transmit power per use, {streams} streams {precoder}"
    bits = rng.generator(seed, name).integers(0, 2, (images, link.framing.payload_bits))
    x = tf.constant(link.transmitter(bits))
    h, _, _, _ = link.mimo.draw(images, tf.ones([images]), tf.constant(rng.seed_words(seed, name)))
    sent = tf.einsum("mts,mus->mut", link.mimo.precoder(h)[:, 0], x).numpy()
    return mean_check(name, (np.abs(sent) ** 2).sum(axis=2).mean(axis=1), 1.0)


def _bit_exact(coherence: str, images: int, seed: int) -> Check:
    """Coded loop without noise to speak of (60 dB): no bit may differ, no CRC may fail."""
    link = DigitalLink(_settings(crc="CRC24A", max_block_bits=1024, coherence=coherence), 2500)
    name = f"bit errors of the coded loop, coherence {coherence}, 60 dB"
    bits = rng.generator(seed, name).integers(0, 2, (images, 2500))
    out = link(bits, 60.0, rng.seed_words(seed, name))
    failed = int((out.bits != bits).sum()) + int((~out.crc_ok).sum()) if out.crc_ok is not None else -1
    return Check(name, float(failed), 0.0, 0.0 if failed == 0 else inf)


def run_validation(scale: float = 1.0, seed: int = 1) -> list[Check]:
    """All checks; ``scale`` multiplies the sample sizes (1: about half a minute on two cores)."""
    uses, images = max(6400, int(640_000 * scale)), max(64, int(4096 * scale))
    checks = [
        _uncoded(modulation, "awgn", 1, snr_db, uses, seed)
        for modulation, snr_db in (("qpsk", 3.0), ("qpsk", 8.0), ("16qam", 6.0), ("16qam", 14.0))
    ]
    for branches, snr_db in ((1, 12.0), (2, 9.0), (4, 6.0)):
        checks += [_uncoded(modulation, "rayleigh", branches, snr_db, uses, seed) for modulation in ("qpsk", "16qam")]
    for precoder in ("svd", "dft"):
        checks += [_lmmse(precoder, snr_db, images, seed) for snr_db in (-9.0, 3.0, 15.0, 30.0)]
    checks += [_antenna_snr("dft", streams, 3.0, images, seed) for streams in (1, 2, 4)]
    checks.append(_antenna_snr("svd", 4, 3.0, images, seed))
    checks += [_transmit_power("svd", streams, images, seed) for streams in (1, 2, 4)]
    checks += [_bit_exact(coherence, max(16, images // 32), seed) for coherence in ("image", "symbol")]
    return checks


def format_validation(checks: list[Check]) -> str:
    """The checks as a table with the verdict in the last line."""
    width = max(len(check.name) for check in checks)
    lines = [f"{'check':{width}}  {'value':>11}  {'expected':>11}  {'z':>6}"]
    for check in checks:
        mark = "" if abs(check.z) <= MAX_Z else "  FAILED"
        lines.append(f"{check.name:{width}}  {check.value:11.5g}  {check.expected:11.5g}  {check.z:6.2f}{mark}")
    failed = sum(abs(check.z) > MAX_Z or np.isnan(check.z) for check in checks)
    lines.append(f"{len(checks) - failed} of {len(checks)} checks agree with theory (|z| <= {MAX_Z:g})")
    return "\n".join(lines)


def print_validation(checks: list[Check]) -> int:
    """Print the table; the exit code, 0 only if every check agrees."""
    print(format_validation(checks))
    return 0 if all(abs(check.z) <= MAX_Z for check in checks) else 1
