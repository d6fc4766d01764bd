"""Tapped delay lines over OFDM against the tables of TR 38.901, and the adapter against Sionna's own functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies

from sc_sionna.core.errors import UserError
from sc_sionna.phy.link import DigitalLink
from sc_sionna.settings import LinkSettings
from tests.phy.channels.helpers import check_repeatable, check_sweep, model, z_score
from tests.phy.channels.test_gauss_markov import bessel
from tests.phy.helpers import random_bits, seed

SYMBOL = {"coherence": "symbol"}
IMAGES = 8000
# TR 38.901 V16.1, Table 7.7.2-1: normalised delays and powers in dB of TDL-A
DELAYS = np.array([
    0.0000, 0.3819, 0.4025, 0.5868, 0.4610, 0.5375, 0.6708, 0.5750, 0.7618, 1.5375, 1.8978, 2.2242, 2.1718, 2.4942, 2.5119,
    3.0582, 4.0810, 4.4579, 4.5695, 4.7966, 5.0066, 5.3043, 9.6586,
])  # fmt: skip
POWERS_DB = np.array([
    -13.4, 0.0, -2.2, -4.0, -6.0, -8.2, -9.9, -10.5, -7.5, -15.9, -6.6, -16.7, -12.4, -15.2, -10.8, -11.3, -12.7, -16.2,
    -18.3, -18.9, -16.6, -19.9, -29.7,
])  # fmt: skip


def test_frequency_correlation_against_the_delay_profile() -> None:
    """E[H(f) conj(H(f + l Δf))] = Σ p exp(j2π l Δf τ) of the table's taps."""
    spread, spacing = 300e-9, 30e3
    h = model("tdl", 1, 1, SYMBOL, delay_spread_ns=300, subcarrier_khz=30, fft_size=64)(IMAGES, 64, seed(1))
    h = h.numpy()[:, :, 0, 0].astype(np.complex128)
    powers = 10 ** (POWERS_DB / 10)
    powers /= powers.sum()
    for first, lag in ((0, 0), (5, 1), (0, 4), (20, 12), (3, 33), (0, 63)):
        wanted = (powers * np.exp(2j * np.pi * lag * spacing * spread * DELAYS)).sum()
        product = h[:, first] * h[:, first + lag].conj()
        assert abs(z_score(product.real, wanted.real)) < 4
        if lag:
            assert abs(z_score(product.imag, wanted.imag)) < 4


def test_power_delay_profile() -> None:
    """In a band of 1 GHz, which resolves 1 ns, the taps that stand alone are where and as strong as in the table."""
    args = {"delay_spread_ns": 100, "subcarrier_khz": 1000, "fft_size": 1024}
    h = model("tdl", 1, 1, SYMBOL, **args)(1500, 1024, seed(2)).numpy()[:, :, 0, 0]
    response = np.fft.ifft(np.fft.ifftshift(h, axes=1), axis=1)
    powers = 10 ** (POWERS_DB / 10) / (10 ** (POWERS_DB / 10)).sum()
    for tap in (8, 10, 15, 16):
        around = np.arange(-4, 5) + round(DELAYS[tap] * 100 * 1.024)  # samples of 1/1.024 ns
        assert (np.abs(response[:, around]) ** 2).sum(axis=1).mean() == pytest.approx(powers[tap], rel=0.15)


def test_time_correlation_against_the_speed() -> None:
    """E[H(t) conj(H(t + l T))] = J_0(2π f_D l T), T of an OFDM symbol with its cyclic prefix, f_D = v f_c / c."""
    args = {"fft_size": 2, "subcarrier_khz": 15, "cyclic_prefix": 0.25, "speed_m_s": 60, "carrier_ghz": 5}
    h = model("tdl", 1, 1, SYMBOL, **args)(IMAGES, 40, seed(3)).numpy()[:, ::2, 0, 0].astype(np.complex128)
    doppler = 60 * 5e9 / 299_792_458
    for lag in (1, 5, 19):
        product = h[:, 0] * h[:, lag].conj()
        assert abs(z_score(product.real, bessel(2 * np.pi * doppler * lag * 1.25 / 15e3))) < 4


def test_antennas_are_independent_and_a_line_of_sight_is_there() -> None:
    h = model("tdl", 2, 2, SYMBOL)(IMAGES, 1, seed(4)).numpy().reshape(IMAGES, 4)
    for one, other in ((0, 1), (0, 2), (1, 2), (0, 3)):
        product = h[:, one] * h[:, other].conj()
        assert abs(z_score(product.real, 0)) < 4
        assert abs(z_score(product.imag, 0)) < 4
    # TDL-D: 13.3 dB between the line of sight and the rest of the first tap leave little fading
    energy = np.abs(model("tdl", 1, 1, SYMBOL, profile="D")(IMAGES, 1, seed(5)).numpy().ravel()) ** 2
    assert abs(z_score(energy, 1)) < 4
    assert energy.std() < 0.6 < np.std(np.abs(h[:, 0]) ** 2)


@pytest.mark.parametrize("profile", ["A", "B", "C", "D", "E"])
def test_the_response_is_that_of_sionna(profile: str) -> None:
    built = model("tdl", 2, 3, SYMBOL, profile=profile, fft_size=5, speed_m_s=50)
    h = built(7, 15, seed(6)).numpy().reshape(7, 3, 5, 2, 3)
    config.tf_rng.reset_from_seed(tf.constant(6 << 32, tf.int64))
    a, tau = built.paths(7, 3, 30e3 / 1.07)
    wanted = cir_to_ofdm_channel(subcarrier_frequencies(5, 30e3), a, tau)  # [B, 1, rx, 1, tx, symbols, subcarriers]
    np.testing.assert_allclose(h, wanted.numpy()[:, 0, :, 0].transpose(0, 3, 4, 1, 2), atol=2e-6)
    per_antenna = tf.tile(tau[:, :, None, :, None], [1, 1, 2, 1, 3, 1])
    np.testing.assert_allclose(built._response(a, per_antenna, range(5)), built._response(a, tau, range(5)), atol=2e-6)


def test_coherence_leaves_out_resource_elements() -> None:
    """Twelve channel uses that share a matrix have that of the first one's resource element."""
    elements = model("tdl", link=SYMBOL, fft_size=24)(4, 60, seed(7)).numpy()
    for uses in (12, 7, 24, 30):
        blocks = model("tdl", link={"coherence": uses}, fft_size=24)(4, -(-60 // uses), seed(7)).numpy()
        np.testing.assert_allclose(blocks, elements[:, ::uses], atol=1e-6)


def test_repeatable_and_the_generator_of_the_caller_goes_on() -> None:
    built = model("tdl", link=SYMBOL, speed_m_s=30)
    check_repeatable(built, atol=1e-5)
    config.tf_rng.reset_from_seed(1)
    wanted = config.tf_rng.normal([4])
    config.tf_rng.reset_from_seed(1)
    built(2, 3, seed(8))
    tf.function(lambda: built(2, 3, tf.constant(seed(8))), autograph=False)()
    np.testing.assert_array_equal(config.tf_rng.normal([4]), wanted)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"coherence": "image"}, ["coherence = 'image'", "'tdl'", "'symbol'"]),
        ({"channel_args": {"num_symbols": 1, "fft_size": 12}}, ["num_symbols = 1", "32 channel uses", "num_symbols"]),
        ({"channel_args": {"profile": "F"}}, ["channel_args.profile = 'F'", "'A'"]),
        ({"channel_args": {"speed_m_s": -1}}, ["channel_args.speed_m_s = -1", "0"]),
        ({"channel_args": {"fft_size": 0}}, ["channel_args.fft_size = 0", "1"]),
    ],
)
def test_what_cannot_be(changes: dict, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        DigitalLink(LinkSettings(**({"channel": "tdl", "coherence": "symbol"} | changes)), 256)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


def test_bits_arrive() -> None:
    link = DigitalLink(LinkSettings(channel="tdl", coherence="symbol", num_streams=2), 256)
    bits = random_bits(32, 256)
    np.testing.assert_array_equal(link(bits, 30.0, seed(9)).bits, bits)


def test_a_sweep_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    links = {
        profile: LinkSettings(channel="tdl", coherence=12, channel_args={"profile": profile}, num_streams=2)
        for profile in "AD"
    }
    rate = check_sweep(links, "tdl", tmp_path, capsys)
    assert rate["A", -9] > 0.5
    assert rate["A", 15] == 0
