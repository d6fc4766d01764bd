"""Framing: lengths within the standard, nothing lost on the way to blocks and back; SNR in one place."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sc_sionna.core.errors import UserError
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.ldpc.decoder import ldpc_encoder
from sc_sionna.phy.snr import eb_no_db, es_no_db, noise_variance
from tests.phy.helpers import random_bits, settings


@hypothesis_settings(max_examples=300, deadline=None, derandomize=True)
@given(
    payload=st.integers(1, 30_000),
    modulation=st.sampled_from(["qpsk", "16qam", "64qam", "256qam"]),
    streams=st.integers(1, 4),
    coderate=st.floats(0.2, 0.92),
    crc=st.sampled_from(["none", "CRC24A", "CRC16", "CRC6"]),
    max_block_bits=st.integers(48, 8448),
    coded=st.booleans(),
)
def test_every_legal_setting_frames_within_the_standard(
    payload, modulation, streams, coderate, crc, max_block_bits, coded
):
    s = settings(
        modulation=modulation,
        num_streams=streams,
        coderate=coderate,
        crc=crc,
        max_block_bits=max_block_bits,
        coded=coded,
    )
    f = Framing(payload, s)
    bits_per_use = s.bits_per_symbol * streams
    assert f.n == f.uses_per_block * bits_per_use
    assert f.num_channel_uses == f.num_blocks * f.uses_per_block
    assert f.k == f.block_payload_bits + s.crc_bits
    assert f.coderate == f.k / f.n
    assert payload <= f.num_blocks * f.block_payload_bits
    if not coded:
        assert f.num_blocks == 1
        assert f.k == f.n < payload + s.crc_bits + bits_per_use
        return
    assert 12 <= f.k <= max_block_bits
    assert 1 / 5 <= f.coderate <= coderate + 1e-9 or f.coderate == pytest.approx(1 / 5, abs=1 / f.n)
    assert f.k <= 3824 or 3 * f.k >= f.n  # only base graph 1 holds more, and it starts at rate 1/3
    # the fewest blocks that hold the payload, equally long up to the padding of the last one
    room = (max_block_bits if max_block_bits <= 3824 or coderate > 0.34 else 3824) - s.crc_bits
    assert f.num_blocks >= -(-payload // (max_block_bits - s.crc_bits))
    assert f.num_blocks <= -(-payload // min(room, 3824 - s.crc_bits))
    if f.k > max(12, -(-f.n // 5)):
        assert f.num_blocks * f.block_payload_bits - payload < f.num_blocks


@pytest.mark.parametrize(("k_max", "coderate"), [(8448, 1 / 3), (8448, 0.2), (8448, 0.5), (3840, 0.25), (300, 0.9)])
def test_the_encoder_takes_the_longest_blocks(k_max, coderate):
    f = Framing(3 * k_max, settings(max_block_bits=k_max, coderate=coderate))
    encoder = ldpc_encoder(f.k, f.n, 4)
    assert (encoder.k, encoder.n) == (f.k, f.n)


@pytest.mark.parametrize(("payload", "max_block_bits"), [(1, 3840), (256, 3840), (2500, 1024), (4097, 512)])
def test_blocks_and_back(payload, max_block_bits):
    f = Framing(payload, settings(crc="CRC24A", max_block_bits=max_block_bits))
    bits = random_bits(3, payload)
    blocks = f.to_blocks(bits)
    assert blocks.shape == (3, f.num_blocks, f.block_payload_bits)
    np.testing.assert_array_equal(f.to_payload(blocks), bits)
    assert blocks.sum() == bits.sum()  # padding is zeros


def test_known_lengths():
    f = Framing(784, settings())
    assert (f.num_blocks, f.k, f.n, f.uses_per_block) == (1, 784, 1568, 98)
    f = Framing(2500, settings(crc="CRC24A", max_block_bits=1024))
    assert (f.num_blocks, f.block_payload_bits, f.k, f.n) == (3, 834, 858, 1728)
    f = Framing(784, settings(coded=False))
    assert (f.num_blocks, f.k, f.n, f.num_channel_uses) == (1, 784, 784, 49)


@pytest.mark.parametrize(
    ("payload", "changes", "words"),
    [
        (0, {}, ["payload_bits = 0", "at least 1"]),
        (-3, {}, ["payload_bits = -3"]),
        (100, {"max_block_bits": 24, "crc": "CRC24A"}, ["max_block_bits = 24", "at least 25"]),
    ],
)
def test_impossible_sizes(payload, changes, words):
    with pytest.raises(UserError) as error:
        Framing(payload, settings(**changes))
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


def test_wrong_shape_of_bits():
    with pytest.raises(UserError, match=r"\[batch, 100\]"):
        Framing(100, settings()).to_blocks(np.zeros((2, 99)))


def test_noise_variance():
    np.testing.assert_allclose(noise_variance([-10.0, 0.0, 3.0, 20.0]), [10, 1, 10**-0.3, 0.01], rtol=1e-6)
    inside = tf.function(noise_variance)(tf.constant(3.0))
    assert float(inside) == pytest.approx(10**-0.3, rel=1e-6)
    for bad in (np.nan, np.inf, [0.0, -np.inf]):
        with pytest.raises(UserError, match="not finite"):
            noise_variance(bad)


def test_derived_ratios():
    # 4 streams share the power (-6.02 dB); 16-QAM at rate 1/2 carries 2 information bits per symbol (-3.01 dB)
    assert es_no_db(settings(), 10.0) == pytest.approx(10 - 10 * np.log10(4))
    assert eb_no_db(settings(), 10.0) == pytest.approx(10 - 10 * np.log10(4) - 10 * np.log10(2))
    assert eb_no_db(settings(coded=False, num_streams=1), 10.0) == pytest.approx(10 - 10 * np.log10(4))
