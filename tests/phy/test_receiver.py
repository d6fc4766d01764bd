"""The receiver against independent re-derivations: LMMSE filter, effective noise, mapper, demapper."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp, softmax
from sionna.phy.mapping import Demapper, Mapper
from sionna.phy.mimo import lmmse_equalizer

from sc_sionna.phy.framing import Framing
from sc_sionna.phy.receiver import QamDemapper, Receiver, lmmse_filter
from sc_sionna.phy.snr import noise_variance
from sc_sionna.phy.transmitter import Transmitter
from tests.phy.helpers import random_bits, settings


def gaussian(*shape: int, seed: int = 0) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal((*shape, 2)) / np.sqrt(2)
    return z[..., 0] + 1j * z[..., 1]


@pytest.mark.parametrize("streams", [1, 2, 4, 8])
@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 20.0, 60.0])
def test_lmmse_filter_against_the_textbook(streams, snr_db):
    """Rows of R_xy R_yy^{-1}, scaled to unit gain; error covariance from its definition, in double precision."""
    g = (gaussian(5, 4, streams) / np.sqrt(streams)).astype(np.complex64)
    no = float(noise_variance(snr_db))
    w, no_eff = lmmse_filter(tf.constant(g), tf.constant(no, tf.float32))
    for i in range(5):
        gi = g[i].astype(np.complex128)
        biased = gi.conj().T @ np.linalg.inv(gi @ gi.conj().T + no * np.eye(4))
        gain = np.diag(biased @ gi)
        expected = biased / gain[:, None]
        np.testing.assert_allclose(w[i], expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max())
        residual = expected @ gi - np.eye(streams)
        variance = np.diag(residual @ residual.conj().T + no * expected @ expected.conj().T).real
        np.testing.assert_allclose(no_eff[i], variance, rtol=2e-4)


def test_lmmse_agrees_with_sionna():
    g, y = gaussian(7, 4, 4).astype(np.complex64), gaussian(7, 4, seed=1).astype(np.complex64)
    w, no_eff = lmmse_filter(tf.constant(g), tf.constant(0.1))
    x_ref, no_ref = lmmse_equalizer(y, g, 0.1 * np.tile(np.eye(4), (7, 1, 1)).astype(np.complex64))
    np.testing.assert_allclose(np.einsum("bsr,br->bs", w, y), x_ref, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(no_eff, no_ref, rtol=1e-3)


def test_one_stream_is_maximum_ratio_combining():
    g = gaussian(6, 4, 1).astype(np.complex64)
    w, no_eff = lmmse_filter(tf.constant(g), tf.constant(0.3))
    energy = np.sum(np.abs(g) ** 2, axis=(1, 2))
    np.testing.assert_allclose(w[:, 0], g[:, :, 0].conj() / energy[:, None], rtol=1e-5)
    np.testing.assert_allclose(no_eff[:, 0], 0.3 / energy, rtol=1e-5)


def test_a_stream_that_nothing_reaches_is_silent():
    g = np.zeros((1, 4, 2), np.complex64)
    g[0, :, 0] = 1
    w, no_eff = lmmse_filter(tf.constant(g), tf.constant(1e-10))
    assert np.all(w[0, 1] == 0)
    assert no_eff[0, 1] >= 1e9
    np.testing.assert_allclose(no_eff[0, 0], 1e-10 / 4, rtol=1e-5)


def test_16qam_is_that_of_the_standard():
    """TS 38.211, 5.1.4: d = ((1-2b0)(2-(1-2b2)) + j(1-2b1)(2-(1-2b3))) / sqrt(10)."""
    s = settings(coded=False, num_streams=1)
    bits = np.array([[int(c) for c in f"{i:04b}"] for i in range(16)], np.float32)
    x = Transmitter(Framing(4, s), s)(bits)[:, 0, 0]
    sign = 1 - 2 * bits
    expected = (sign[:, 0] * (2 - sign[:, 2]) + 1j * sign[:, 1] * (2 - sign[:, 3])) / np.sqrt(10)
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_symbols_go_to_streams_then_to_uses():
    s = settings(coded=False, num_streams=4)
    transmitter = Transmitter(Framing(64, s), s)
    bits = random_bits(2, 64)
    x = transmitter(bits)
    assert x.shape == (2, 4, 4)
    mapper = Mapper(constellation=transmitter.constellation)
    np.testing.assert_allclose(x.reshape(2, 16), mapper(tf.constant(bits, tf.float32)).numpy())


@pytest.mark.parametrize("modulation", ["qpsk", "16qam", "64qam", "256qam"])
@pytest.mark.parametrize("method", ["app", "maxlog"])
def test_demapper_agrees_with_sionnas(modulation, method):
    s = settings(modulation=modulation, coded=False)
    transmitter = Transmitter(Framing(48, s), s)
    x_hat = (1.3 * gaussian(3, 20, 4)).astype(np.complex64)
    no_eff = np.random.default_rng(1).uniform(0.05, 2.0, x_hat.shape).astype(np.float32)
    llr = QamDemapper(transmitter, method)(tf.constant(x_hat), tf.constant(no_eff)).numpy()
    reference = Demapper(method, constellation=transmitter.constellation)(tf.constant(x_hat), tf.constant(no_eff))
    np.testing.assert_allclose(llr.reshape(3, -1), reference.numpy().reshape(3, -1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("modulation", ["qpsk", "16qam", "64qam", "256qam"])
def test_demapper_and_its_gradient_against_logsumexp_over_all_points(modulation):
    """Every SNR from a dead stream to far above the set range: values and derivative with respect to the received point."""
    s = settings(modulation=modulation, coded=False, num_streams=1)
    transmitter = Transmitter(Framing(48, s), s)
    m = s.bits_per_symbol
    points = np.asarray(transmitter.constellation.points).astype(np.complex128)
    bit = (np.arange(len(points))[:, None] >> np.arange(m - 1, -1, -1)) & 1  # [2^m, m]
    draws = np.random.default_rng(3)
    for no in (1e10, 10.0, 0.3, 1e-3, 1e-8):
        y = (draws.standard_normal(40) + 1j * draws.standard_normal(40)).astype(np.complex64)
        real, imag = tf.constant(y.real), tf.constant(y.imag)
        with tf.GradientTape() as tape:
            tape.watch([real, imag])
            llr = QamDemapper(transmitter, "app")(tf.complex(real, imag), tf.fill([40], tf.constant(no, tf.float32)))
            total = tf.reduce_sum(llr)
        metric = -(np.abs(y.astype(np.complex128)[:, None] - points) ** 2) / no  # [40, 2^m]
        side = [np.where(bit.T[None] == value, metric[:, None, :], -np.inf) for value in (1, 0)]  # [40, m, 2^m]
        expected = logsumexp(side[0], axis=-1) - logsumexp(side[1], axis=-1)
        scale = max(1.0, 1 / no)
        np.testing.assert_allclose(llr.numpy(), expected, atol=2e-5 * scale, rtol=1e-4)
        # d metric / d Re(y) = -2 (Re y - Re point) / no, weighted by the posterior of each side
        posterior = [softmax(x, axis=-1) for x in side]
        for part, gradient in zip((np.real, np.imag), tape.gradient(total, [real, imag]), strict=True):
            slope = -2 * (part(y)[:, None] - part(points)) / no
            by_hand = ((posterior[0] - posterior[1]) * slope[:, None, :]).sum(axis=(1, 2))
            np.testing.assert_allclose(gradient.numpy(), by_hand, atol=2e-4 * scale, rtol=1e-3)


def test_llr_sign_is_that_of_sionna():
    """A received point on its symbol gives positive logits for ones and negative ones for zeros."""
    s = settings(coded=False, num_streams=1)
    transmitter = Transmitter(Framing(400, s), s)
    bits = random_bits(1, 400)
    x = tf.constant(transmitter(bits))
    llr = QamDemapper(transmitter, "app")(x, tf.fill(x.shape, 0.05)).numpy().reshape(1, -1)
    np.testing.assert_array_equal(llr > 0, bits == 1)


@pytest.mark.parametrize("crc", ["CRC24A", "CRC24B", "CRC16", "CRC11", "CRC6"])
@pytest.mark.parametrize("coded", [True, False])
def test_crc_accepts_what_was_sent_and_rejects_a_flip(crc, coded):
    s = settings(crc=crc, coded=coded, modulation="qpsk")
    transmitter = Transmitter(Framing(200, s), s)
    receiver = Receiver(transmitter)
    length = transmitter.framing.block_payload_bits
    bits = tf.constant(random_bits(4, length), tf.float32)
    with_crc = transmitter.crc_encoder(bits).numpy()
    with_crc[2:, 17] = 1 - with_crc[2:, 17]  # an error before encoding, as if the decoder had chosen another codeword
    word = with_crc if transmitter.encoder is None else transmitter.encoder(tf.constant(with_crc)).numpy()
    decoded, ok, _ = receiver(tf.constant(20.0 * word - 10.0, tf.float32))
    np.testing.assert_array_equal(ok, [True, True, False, False])
    np.testing.assert_array_equal(decoded, with_crc[:, :length])


def test_both_decoders_agree_where_the_channel_is_good():
    bits = random_bits(70, 300)  # more than a chunk of Sionna's decoder
    words = []
    for decoder in ("layered", "sionna"):
        s = settings(decoder=decoder, crc="CRC16")
        transmitter = Transmitter(Framing(300, s), s)
        code = transmitter.encoder(transmitter.crc_encoder(tf.constant(bits, tf.float32)))
        noise = np.random.default_rng(3).standard_normal(code.shape) * 1.5
        decoded, ok, _ = Receiver(transmitter)(tf.constant(8 * code.numpy() - 4 + noise, tf.float32))
        assert ok.all()
        words.append(decoded)
    np.testing.assert_array_equal(words[0], bits)
    np.testing.assert_array_equal(words[1], bits)


@pytest.mark.parametrize(
    "changes",
    [
        {"decoder": "layered"},
        {"decoder": "sionna"},
        {"coded": False},
        {"decoder": "layered", "max_block_bits": 64, "modulation": "qpsk"},
    ],
)
@pytest.mark.parametrize("crc", ["CRC24A", "CRC6"])
def test_zeros_by_default_do_not_pass_the_crc(changes, crc):
    """A CRC register that starts at zero is satisfied by zeros, which is what a decoder without input decides."""
    s = settings(crc=crc, **changes)
    framing = Framing(200, s)
    receiver = Receiver(Transmitter(framing, s))
    nothing = receiver(tf.zeros([3, framing.n]))
    assert not nothing.crc_ok.any()
    assert nothing.erased.all()
    arrived = receiver(tf.fill([3, framing.n], -6.0))  # the all-zero block as it is sent
    assert arrived.crc_ok.all()
    assert not arrived.erased.any()
    assert not arrived.bits.any()
