"""The validation agrees with theory, and would notice if it did not."""

from __future__ import annotations

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
    print_validation,
    run_validation,
)


def test_every_check_agrees_at_a_reduced_size(capsys):
    checks = run_validation(scale=0.02, seed=3)
    assert print_validation(checks) == 0, capsys.readouterr().out
    names = " ".join(check.name for check in checks)
    for part in ("qpsk awgn", "16qam rayleigh 1x4", "LMMSE error / no_eff 8x4 svd", "SNR at the antenna, 2", "60 dB"):
        assert part in names


def test_closed_form_of_16qam_by_brute_force():
    """Every point, every bit, exact Gaussian probabilities of the four decision intervals per dimension."""
    es_no = 10 ** (0.9)
    levels = {(1, 1): -3.0, (1, 0): -1.0, (0, 0): 1.0, (0, 1): 3.0}  # (b0, b2) → real part · sqrt(10), TS 38.211
    sigma = sqrt(10 / es_no / 2)
    edges = {-3.0: (-inf, -2.0), -1.0: (-2.0, 0.0), 1.0: (0.0, 2.0), 3.0: (2.0, inf)}
    wrong = 0.0
    for sent, level in levels.items():
        for decided, centre in levels.items():
            low, high = ((edge - level) / sigma for edge in edges[centre])
            probability = 0.5 * (erfc(low / sqrt(2)) - erfc(high / sqrt(2)))
            wrong += probability * sum(a != b for a, b in zip(sent, decided, strict=True)) / (4 * 2)
    assert ber_awgn("16qam", 9.0) == pytest.approx(wrong, rel=1e-6)  # the noise variance is a float32
    assert ber_awgn("qpsk", 6.0) == pytest.approx(0.5 * erfc(sqrt(10**0.6 / 2)), rel=1e-6)


@pytest.mark.parametrize("branches", [1, 2, 4])
@pytest.mark.parametrize("modulation", ["qpsk", "16qam"])
def test_closed_form_of_fading_by_integration(modulation, branches):
    """∫ BER(g·Γ) p(g) dg with g gamma-distributed of order L."""

    def integrand(g: float) -> float:
        return ber_awgn(modulation, 5.0 + 10 * np.log10(g)) * g ** (branches - 1) * np.exp(-g) / gamma(branches)

    numeric, _ = quad(integrand, 1e-12, 60, limit=200, epsrel=1e-8)
    assert ber_rayleigh_mrc(modulation, 5.0, branches) == pytest.approx(numeric, rel=1e-5)


def test_a_wrong_noise_variance_is_noticed(monkeypatch):
    """Half a decibel too much noise in the link alone fails the bit error rates and the antenna's SNR."""
    true = validate.noise_variance
    monkeypatch.setattr("sc_sionna.phy.link.noise_variance", lambda snr_db: true(snr_db) * np.float32(1.12))
    assert abs(validate._uncoded("16qam", "awgn", 1, 10.0, 100_000, seed=1).z) > validate.MAX_Z
    assert abs(validate._uncoded("qpsk", "rayleigh", 2, 6.0, 100_000, seed=1).z) > validate.MAX_Z


def test_a_wrong_effective_noise_is_noticed(monkeypatch):
    from sc_sionna.phy import mimo

    true = mimo.lmmse_filter
    monkeypatch.setattr(mimo, "lmmse_filter", lambda g, no: (true(g, no)[0], true(g, no)[1] * 1.05))
    assert abs(validate._lmmse("dft", 3.0, 1024, seed=1).z) > validate.MAX_Z


@pytest.mark.parametrize("z", [4.5, -4.5, inf, nan])
def test_exit_code_and_mark(z, capsys):
    good, bad = Check("good", 1.0, 1.0, 0.5), Check("bad", pi, 3.0, z)
    assert print_validation([good]) == 0
    assert print_validation([good, bad]) == 1
    assert "1 of 2 checks" in capsys.readouterr().out
    assert "FAILED" in format_validation([bad])
