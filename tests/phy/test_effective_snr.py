"""The effective SNR: information by an independent derivation, known values, and what streams that are alike must give."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.phy.effective_snr import bit_information, effective_snr_db, snr_of_information
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.receiver import QamDemapper
from sc_sionna.phy.transmitter import Transmitter
from sc_sionna.settings import BITS_PER_SYMBOL
from tests.phy.helpers import settings


def test_half_a_bit_of_bpsk_takes_the_known_energy() -> None:
    """Eb/N0 = 0.187 dB at rate 1/2 on a binary input; QPSK is two of them, so one bit per symbol at Es/N0 = 0.187 dB."""
    assert snr_of_information("qpsk", 1.0) == pytest.approx(0.187, abs=0.01)


@pytest.mark.parametrize("modulation", BITS_PER_SYMBOL)
def test_the_information_is_what_the_demappers_llrs_carry(modulation: str) -> None:
    """1 - E[log2(1 + exp(-L))] for the LLR L of the right sign, by Monte-Carlo over the package's own demapper."""
    link = settings(modulation=modulation, num_streams=1, coded=False)
    m, symbols = BITS_PER_SYMBOL[modulation], 40_000
    transmitter = Transmitter(Framing(m * symbols, link), link)
    draws = np.random.default_rng(3)
    bits = draws.integers(0, 2, (1, m * symbols))
    x = transmitter(bits)[0, :, 0]
    for snr_db in (-3.0, 4.0, 12.0):
        no = 10 ** (-snr_db / 10)
        y = x + np.sqrt(no / 2) * (draws.standard_normal(symbols) + 1j * draws.standard_normal(symbols))
        llr = QamDemapper(transmitter, "app")(tf.constant(y.astype(np.complex64)), tf.fill([symbols], np.float32(no)))
        right = np.where(bits.reshape(symbols, m) == 1, llr, -np.asarray(llr)).astype(np.float64)
        of_symbol = (1 - np.logaddexp(0, -right) / np.log(2)).sum(axis=1)
        error = of_symbol.std() / np.sqrt(symbols)
        assert abs(of_symbol.mean() - bit_information(modulation, np.array(snr_db))) < 4 * error + 1e-4


@pytest.mark.parametrize("modulation", BITS_PER_SYMBOL)
def test_the_effective_snr_of_streams(modulation: str) -> None:
    snr_db = np.arange(-15.0, 20.0, 2.5)
    snr = 10 ** (snr_db / 10)
    np.testing.assert_allclose(effective_snr_db(modulation, np.stack([snr, snr], -1)), snr_db, atol=1e-6)
    uneven = effective_snr_db(modulation, np.stack([snr, 2 * snr], -1))
    assert (uneven > snr_db).all()
    assert (uneven < snr_db + 10 * np.log10(2)).all()
    inverse = [snr_of_information(modulation, float(i)) for i in bit_information(modulation, snr_db)]
    np.testing.assert_allclose(inverse, snr_db, atol=1e-3)
    # a stream on which nothing arrives takes half of the information
    half = effective_snr_db(modulation, np.array([1e4, 0.0]))
    assert bit_information(modulation, half) == pytest.approx(BITS_PER_SYMBOL[modulation] / 2, rel=1e-3)
