"""The differentiable receiver: it decodes as the link does, and its gradient points where the bits flip."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.soft import SoftReceiver
from tests.phy.helpers import random_bits, seed, settings


def collected(link: DigitalLink, batch: int, snr_db: float):
    bits = random_bits(batch, link.framing.payload_bits)
    y, w, no_eff = link.received(bits, snr_db, seed(5))
    y = tf.reshape(y, [batch, link.framing.num_channel_uses, -1])
    return bits, tf.stack([tf.math.real(y), tf.math.imag(y)], -1), w, no_eff


@pytest.mark.parametrize(
    "values", [{}, {"coded": False}, {"max_block_bits": 64}, {"coherence": "symbol"}, {"modulation": "256qam"}]
)
def test_signs_are_the_bits_where_the_link_is_clean(values):
    link = DigitalLink(settings(**values), 160)
    bits, y, w, no_eff = collected(link, 16, 40.0)
    llr = SoftReceiver(link)(y, w, no_eff).numpy()
    assert llr.shape == bits.shape
    assert ((llr > 0) == (bits == 1)).all()


def test_received_signals_are_those_that_the_link_decodes():
    link = DigitalLink(settings(), 160)
    bits, y, w, no_eff = collected(link, 8, 8.0)
    out = link(bits, 8.0, seed(5))
    x_hat, llr, _ = link.receiver.llrs(tf.complex(y[..., 0], y[..., 1]), w, no_eff)
    assert np.allclose(x_hat, out.x_hat, atol=1e-4)
    assert np.allclose(llr, out.llr, atol=1e-2)


@pytest.mark.parametrize("coded", [True, False])
def test_a_step_along_the_gradient_hurts_the_bits(coded):
    link = DigitalLink(settings(coded=coded), 160)
    bits, y, w, no_eff = collected(link, 8, 3.0)
    receiver = SoftReceiver(link)

    def loss(y):
        signs = tf.constant(1.0 - 2.0 * bits, tf.float32)
        return tf.reduce_sum(tf.nn.softplus(signs * receiver(y, w, no_eff)))  # -ln P(sent bits)

    with tf.GradientTape() as tape:
        tape.watch(y)
        before = loss(y)
    gradient = tape.gradient(before, y)
    assert np.isfinite(gradient.numpy()).all()
    step = 0.05 * gradient / tf.norm(gradient) * tf.norm(y)
    assert loss(y + step) > before + 0.05 * abs(before.numpy())


def test_a_link_with_a_crc_is_refused():
    with pytest.raises(UserError, match="crc"):
        SoftReceiver(DigitalLink(settings(crc="CRC16"), 160))
