"""The transmitter's compiled loop against Sionna's CRC encoder, LDPC encoder and mapper, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sionna.phy.fec.crc import CRCEncoder
from sionna.phy.fec.ldpc import LDPC5GEncoder
from sionna.phy.mapping import Mapper

from sc_sionna.core.errors import UserError
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.ldpc.encoder import parity_equations
from sc_sionna.phy.transmitter import Transmitter
from sc_sionna.settings import BITS_PER_SYMBOL, LinkSettings


def by_sionna(bits: np.ndarray, framing: Framing, settings: LinkSettings) -> np.ndarray:
    """The same blocks through Sionna's own chain, built from the lengths alone."""
    word = tf.constant(bits, tf.float32)
    if settings.crc != "none":
        word = CRCEncoder(settings.crc)(word)
    if settings.coded:
        word = LDPC5GEncoder(framing.k, framing.n, num_bits_per_symbol=settings.bits_per_symbol)(word)
    symbols = Mapper("qam", settings.bits_per_symbol)(word).numpy()
    return symbols.reshape(len(bits), framing.uses_per_block, settings.num_streams)


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    payload=st.integers(1, 9000), rate=st.floats(0.2, 0.92), batch=st.integers(1, 140), seed=st.integers(0, 2**31),
    modulation=st.sampled_from(sorted(BITS_PER_SYMBOL)), coded=st.booleans(),
    crc=st.sampled_from(["none", "CRC24A", "CRC16", "CRC6"]), streams=st.integers(1, 4),
)  # fmt: skip
def test_equals_sionna_for_any_code(payload, rate, batch, seed, modulation, coded, crc, streams):
    settings = LinkSettings(
        coderate=rate, modulation=modulation, coded=coded, crc=crc, num_streams=streams, max_block_bits=8448
    )
    framing = Framing(payload, settings)
    bits = np.random.default_rng(seed).integers(0, 2, (batch, framing.block_payload_bits))
    np.testing.assert_array_equal(Transmitter(framing, settings)(bits), by_sionna(bits, framing, settings))


@pytest.mark.parametrize(
    ("k", "n"),
    [
        (12, 60),
        (64, 128),
        (256, 512),
        (784, 1568),
        (3840, 7680),
        (8448, 12672),
        (1000, 3000),
        (3824, 19120),
        (8448, 9504),
    ],
)
def test_equals_sionna_at_both_base_graphs_and_the_ends_of_the_standard(k, n):
    settings = LinkSettings(coderate=k / n, max_block_bits=8448, num_streams=1, modulation="qpsk")
    framing = Framing(k, settings)
    bits = np.random.default_rng(k).integers(0, 2, (3, framing.block_payload_bits))
    np.testing.assert_array_equal(Transmitter(framing, settings)(bits), by_sionna(bits, framing, settings))


def test_a_block_does_not_depend_on_its_neighbours():
    settings = LinkSettings(crc="CRC24A", max_block_bits=1024)
    framing = Framing(3000, settings)
    transmitter = Transmitter(framing, settings)
    bits = np.random.default_rng(1).integers(0, 2, (200, framing.block_payload_bits))
    order = np.random.default_rng(2).permutation(200)
    whole = transmitter(bits)
    np.testing.assert_array_equal(transmitter(bits[order]), whole[order])
    for row in (0, 63, 64, 199):
        np.testing.assert_array_equal(transmitter(bits[row : row + 1])[0], whole[row])


def test_an_empty_batch_gives_an_empty_result():
    settings = LinkSettings()
    framing = Framing(784, settings)
    assert Transmitter(framing, settings)(np.zeros((0, 784))).shape == (0, 98, 4)


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (np.full((2, 784), 2), "bits = 2: bits are 0 or 1"),
        (np.full((2, 784), -1), "bits = -1: bits are 0 or 1"),
        (np.full((2, 784), 256), "bits = 256: bits are 0 or 1"),
        (np.full((2, 784), 0.5), "bits = 0.5: bits are 0 or 1"),
        (np.full((2, 784), np.nan), "bits = nan: bits are 0 or 1"),
        (np.zeros((2, 783)), r"bits of shape \(2, 783\): \[blocks, 784\] is wanted"),
        (np.zeros(784), "is wanted; segment the payload"),
    ],
)
def test_bad_bits_are_one_clear_line(bits, words):
    settings = LinkSettings()
    with pytest.raises(UserError, match=words) as caught:
        Transmitter(Framing(784, settings), settings)(bits)
    assert "\n" not in str(caught.value)


def test_a_matrix_that_is_no_5g_code_is_named():
    dense = sp.csr_matrix(np.ones((8, 12)))
    with pytest.raises(RuntimeError, match="not that of a 5G LDPC code"):
        parity_equations(dense, 4, 2)
