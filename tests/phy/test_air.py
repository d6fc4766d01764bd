"""The compiled loop against TensorFlow: the same noise, the same channel, the same LLRs and decisions."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.phy.air.loop import NO_BITS, transmit
from sc_sionna.phy.analog_link import AnalogLink
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.mimo import MimoChannel, interference_of_link, no_per_image, seed_of_link
from sc_sionna.phy.snr import noise_variance
from tests.phy.helpers import random_bits, seed, settings

FADING = [0.41542238 - 0.52260685j, 0.18135434 - 0.17778759j, 0.02732662 + 0.5985774j]
NOISE = [0.00408992 - 1.4354336j, -0.4108182 + 0.41036347j, -0.62414926 - 0.29812112j]


def plain(link, bits, snr_db, words, interference=None):
    """The digital link in TensorFlow, operation by operation: x_hat, no_eff, LLRs, decisions.

    In a graph, as the loop's matrices are drawn: the last bit of H decides the phases of its singular vectors.
    """
    blocks = link.framing.to_blocks(bits)
    image, block = (x.ravel().astype(np.int32) for x in np.indices(blocks.shape[:2]))
    shape = (len(bits), link.framing.num_channel_uses, link.settings.num_rx_ant)
    propagate = tf.function(partial(link._propagate), autograph=False)
    _, y, w, no_eff = propagate(
        tf.constant(link.transmitter(blocks.reshape(len(image), -1))),
        tf.constant(image),
        tf.constant(block),
        no_per_image(noise_variance(snr_db), len(bits)),
        seed_of_link(words),
        interference_of_link(interference, shape),
    )
    x_hat, llr, no_eff = link.receiver.llrs(y, w, no_eff)
    return x_hat.numpy(), no_eff.numpy(), llr.numpy(), link.receiver(llr)


@pytest.mark.parametrize("antennas", [1, 2, 3, 4])
@pytest.mark.parametrize(("batch", "uses"), [(1, 1), (3, 7), (16, 300)])
def test_noise_is_tensorflows(antennas, batch, uses):
    mimo = MimoChannel(settings(num_rx_ant=antennas, num_streams=1), uses)
    no = np.linspace(0.1, 3.0, batch).astype(np.float32)
    for words in (seed(1), seed(2), np.array([-5, 2**31 - 1], np.int32)):
        _, channel = mimo.meet(no, seed_of_link(words))
        image = np.arange(batch, dtype=np.int32)
        silence = np.zeros((batch, uses, 1), np.complex64)
        y = transmit(silence, image, np.zeros_like(image), channel, NO_BITS).y
        expected = mimo.noise(batch, tf.constant(no), seed_of_link(words)).numpy().transpose(1, 0, 2)
        for part in (np.real, np.imag):
            np.testing.assert_allclose(part(y), part(expected), rtol=1e-6, atol=0)


def test_the_first_numbers_of_the_streams_stay_what_they_are():
    """A record names its draws by their seed alone: other numbers for a seed would make every record untrue."""
    mimo = MimoChannel(settings(), 3)
    h, channel = mimo.meet(np.ones(2, np.float32), seed_of_link(np.array([2022, 7], np.int32)))
    image = np.arange(2, dtype=np.int32)
    y = transmit(np.zeros((2, 3, 4), np.complex64), image, np.zeros_like(image), channel, NO_BITS).y
    np.testing.assert_allclose(h.numpy()[0, 0, 0, :3], FADING, rtol=1e-5)
    np.testing.assert_allclose(y[0, 0, :3], NOISE, rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"coherence": 7, "max_block_bits": 200},
        {"coherence": "symbol", "num_streams": 2, "demapping": "maxlog"},
        {"num_streams": 1, "modulation": "qpsk", "precoder": "dft"},
        {"modulation": "64qam", "num_streams": 2},
        {"modulation": "256qam", "precoder": "dft", "coherence": 3},
        {"modulation": "256qam", "demapping": "maxlog"},
        {"num_streams": 8, "beyond_rank": True},
        {"num_rx_ant": 3, "num_streams": 3, "coded": False},
        # not with svd, whose phases hang on the last bit of H, which two graphs may round in different ways
        {"channel": "rician", "precoder": "dft", "crc": "CRC24A"},
    ],
)
def test_the_loop_is_the_plain_form(changes):
    """Equal decisions and erasures; LLRs to 1e-4, their smallest to what single precision leaves of the sums behind them.

    A value at the very edge between two steps of the decoder's 8 bits may fall to either side. Where nothing can be decoded
    that may lead to other wrong bits.
    """
    link, bits = DigitalLink(settings(**changes), 400), random_bits(24, 400)
    wave = 0.1 * np.ones((1, 1, link.settings.num_rx_ant))
    for snr_db, interference in ((-20.0, None), (2.0, wave), (6.0, None), (15.0, None), (100.0, None)):
        out = link(bits, snr_db, seed(5), interference=interference)
        x_hat, no_eff, llr, decoded = plain(link, bits, snr_db, seed(5), interference)
        sent = link.framing.to_blocks(bits).reshape(len(llr), -1)
        ours, theirs = out.block_bits.reshape(sent.shape), decoded.bits[:, : sent.shape[1]]
        other = (ours != theirs).any(axis=1)
        assert other.mean() <= (0.1 if snr_db == -20.0 else 0)
        assert ((ours[other] != sent[other]).any(axis=1) & (theirs[other] != sent[other]).any(axis=1)).all()
        np.testing.assert_array_equal(out.erased.ravel(), decoded.erased)
        np.testing.assert_allclose(out.no_eff, no_eff, rtol=1e-4)
        np.testing.assert_allclose(out.x_hat, x_hat, rtol=1e-4, atol=1e-5 * np.abs(x_hat).max())
        np.testing.assert_allclose(out.llr, llr, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(llr).max()))


def test_the_number_of_threads_changes_nothing():
    link = DigitalLink(settings(coherence=5), 400)
    x = link.transmitter(random_bits(40, 400))
    _, channel = link.mimo.meet(np.full(40, 0.3, np.float32), seed_of_link(seed(2)))
    image = np.arange(40, dtype=np.int32)
    first, *others = (
        transmit(x, image, np.zeros_like(image), channel, link.receiver.demapper.pam, num_threads=threads)
        for threads in (1, 2, 2)
    )
    for other in others:
        for name in ("llr", "x_hat", "no_eff", "y"):
            np.testing.assert_array_equal(getattr(first, name), getattr(other, name))


@pytest.mark.parametrize("coherence", ["image", 3])
def test_analog_symbols_in_numpy_and_as_a_tensor(coherence):
    link, draws = AnalogLink(settings(coherence=coherence), 10), np.random.default_rng(1)
    x = (draws.standard_normal((6, 10, 4)) + 1j * draws.standard_normal((6, 10, 4))).astype(np.complex64)
    x_hat, no_eff = link(x, 5.0, seed(3), interference=np.ones((6, 1, 4)))
    expected, no_expected = link(tf.constant(x), 5.0, seed(3), interference=np.ones((6, 1, 4)))
    assert isinstance(x_hat, np.ndarray)
    assert tf.is_tensor(expected)
    np.testing.assert_allclose(x_hat, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(no_eff, no_expected, rtol=1e-6)
