"""The validation agrees with theory, and would notice if it did not."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan, pi, sqrt

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfc, gamma

from sc_sionna.phy import validate
from sc_sionna.phy.validate import (
    Check,
    ber_awgn,
    ber_rayleigh_mrc,
    format_validation,
    gray_qam,
    print_validation,
    run_validation,
)
from sc_sionna.settings import BITS_PER_SYMBOL


def test_every_check_agrees_at_a_reduced_size(capsys):
    checks = run_validation(scale=0.02, seed=3)
    assert print_validation(checks) == 0, capsys.readouterr().out
    names = " ".join(check.name for check in checks)
    for part in ("qpsk awgn", "16qam rayleigh 1x4", "LMMSE error / no_eff 8x4 svd", "SNR at the antenna, 2", "60 dB"):
        assert part in names


@pytest.mark.parametrize(("modulation", "snr_db"), [("16qam", 9.0), ("64qam", 13.0), ("256qam", 4.0), ("256qam", 20.0)])
def test_closed_form_by_brute_force(modulation, snr_db):
    """Every point of a dimension, every bit, exact Gaussian probabilities of the decision intervals."""
    half = BITS_PER_SYMBOL[modulation] // 2
    words = [tuple((i >> b) & 1 for b in range(half - 1, -1, -1)) for i in range(2**half)]
    levels = {}
    for word in words:  # TS 38.211, 5.1: (1-2b)[2^(h-1) - (1-2b')[2^(h-2) - ...]]
        value = 1.0
        for place, bit in enumerate(reversed(word)):
            value = (1 - 2 * bit) * (2**place - value if place else value)
        levels[word] = value
    assert sorted(levels.values()) == list(range(1 - 2**half, 2**half, 2))
    sigma = sqrt(np.mean(np.square(list(levels.values()))) * 2 / 10 ** (snr_db / 10) / 2)
    wrong = 0.0
    for sent, level in levels.items():
        for decided, centre in levels.items():
            low = -inf if centre == 1 - 2**half else (centre - 1 - level) / sigma
            high = inf if centre == 2**half - 1 else (centre + 1 - level) / sigma
            probability = 0.5 * (erfc(low / sqrt(2)) - erfc(high / sqrt(2)))
            wrong += probability * sum(a != b for a, b in zip(sent, decided, strict=True)) / (2**half * half)
    assert ber_awgn(modulation, snr_db) == pytest.approx(wrong, rel=1e-5)  # the noise variance is a float32


def test_closed_forms_that_are_printed():
    """Cho and Yoon write those of 4 and 16 points out."""
    assert gray_qam(2) == ((1.0, 1.0),)
    assert gray_qam(4) == ((3 / 4, sqrt(1 / 5)), (2 / 4, 3 * sqrt(1 / 5)), (-1 / 4, 5 * sqrt(1 / 5)))
    assert ber_awgn("qpsk", 6.0) == pytest.approx(0.5 * erfc(sqrt(10**0.6 / 2)), rel=1e-6)


@pytest.mark.parametrize("branches", [1, 2, 4])
@pytest.mark.parametrize("modulation", ["qpsk", "16qam", "256qam"])
def test_closed_form_of_fading_by_integration(modulation, branches):
    """∫ BER(g·Γ) p(g) dg with g gamma-distributed of order L."""

    def integrand(g: float) -> float:
        return ber_awgn(modulation, 5.0 + 10 * np.log10(g)) * g ** (branches - 1) * np.exp(-g) / gamma(branches)

    numeric, _ = quad(integrand, 1e-12, 60, limit=200, epsrel=1e-8)
    assert ber_rayleigh_mrc(modulation, 5.0, branches) == pytest.approx(numeric, rel=1e-5)


@pytest.mark.parametrize(("modulation", "snr_db"), [("64qam", 16.0), ("256qam", 22.0)])
def test_larger_constellations_over_the_link_agree_too(modulation, snr_db):
    assert abs(validate._uncoded(modulation, "awgn", 1, snr_db, 64_000, seed=2).z) <= validate.MAX_Z
    assert abs(validate._uncoded(modulation, "rayleigh", 2, snr_db, 64_000, seed=2).z) <= validate.MAX_Z


def test_a_wrong_noise_variance_is_noticed(monkeypatch):
    """Half a decibel too much noise in the link alone fails the bit error rates and the antenna's SNR."""
    true = validate.noise_variance
    monkeypatch.setattr("sc_sionna.phy.link.noise_variance", lambda snr_db: true(snr_db) * np.float32(1.12))
    assert abs(validate._uncoded("16qam", "awgn", 1, 10.0, 100_000, seed=1).z) > validate.MAX_Z
    assert abs(validate._uncoded("qpsk", "rayleigh", 2, 6.0, 100_000, seed=1).z) > validate.MAX_Z


def test_a_wrong_effective_noise_is_noticed(monkeypatch):
    from sc_sionna.phy import link

    true = link.transmit

    def louder(*arguments):
        out = true(*arguments)
        return replace(out, no_eff=out.no_eff * np.float32(1.05))

    monkeypatch.setattr(link, "transmit", louder)
    assert abs(validate._lmmse("dft", 3.0, 1024, seed=1).z) > validate.MAX_Z


@pytest.mark.parametrize("z", [4.5, -4.5, inf, nan])
def test_exit_code_and_mark(z, capsys):
    good, bad = Check("good", 1.0, 1.0, 0.5), Check("bad", pi, 3.0, z)
    assert print_validation([good]) == 0
    assert print_validation([good, bad]) == 1
    assert "1 of 2 checks" in capsys.readouterr().out
    assert "FAILED" in format_validation([bad])
