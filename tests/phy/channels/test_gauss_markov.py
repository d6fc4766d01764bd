"""Ageing Rayleigh fading against its autocorrelation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.phy.channels import RayleighChannel
from sc_sionna.phy.link import DigitalLink
from sc_sionna.settings import LinkSettings
from tests.phy.channels.helpers import check_repeatable, check_sweep, model, z_score
from tests.phy.helpers import random_bits, seed

SYMBOL = {"coherence": "symbol"}


def bessel(x: float) -> float:
    """J_0 by its integral, (1/π) ∫ cos(x sin t) dt over (0, π)."""
    t = (np.arange(4096) + 0.5) * np.pi / 4096
    return float(np.cos(x * np.sin(t)).mean())


@pytest.mark.parametrize(
    ("doppler_hz", "use_us", "coherence"), [(100, 500, 1), (1000, 71.4, 1), (50, 71.4, 12), (700, 1000, 1)]
)
def test_autocorrelation(doppler_hz: float, use_us: float, coherence: int) -> None:
    """E[h_r conj(h_(r-l))] = J_0(2π f_D T)^l with T from one realisation to the next, wherever r is; Var h_r = 1."""
    built = model("gauss-markov", 1, 1, {"coherence": coherence}, doppler_hz=doppler_hz, use_us=use_us)
    h = built(20_000, 9, seed(1)).numpy()[:, :, 0, 0].astype(np.complex128)
    rho = bessel(2 * np.pi * doppler_hz * use_us * 1e-6 * coherence)
    assert 0.01 < abs(rho) < 0.999
    for later, lag in ((1, 1), (8, 1), (2, 2), (8, 3), (8, 8), (5, 0)):
        product = h[:, later] * h[:, later - lag].conj()
        assert abs(z_score(product.real, rho**lag)) < 4
        if lag:
            assert abs(z_score(product.imag, 0)) < 4


def test_limits() -> None:
    """Without Doppler the first realisation stays; a zero of J_0 leaves independent ones, those of Rayleigh fading."""
    rayleigh = RayleighChannel(4, 8)(30, 6, seed(2)).numpy()
    still = model("gauss-markov", link=SYMBOL, doppler_hz=0)(30, 6, seed(2)).numpy()
    np.testing.assert_array_equal(still, np.broadcast_to(rayleigh[:, :1], still.shape))
    fast = model("gauss-markov", link=SYMBOL, doppler_hz=2.404825557695773 / (2 * np.pi), use_us=1e6)(30, 6, seed(2))
    np.testing.assert_allclose(fast.numpy(), rayleigh, atol=1e-5)


def test_repeatable() -> None:
    check_repeatable(model("gauss-markov", link=SYMBOL), atol=1e-5)


def test_one_realisation_per_image_is_refused() -> None:
    with pytest.raises(UserError, match=r"coherence = 'image': channel 'gauss-markov' changes .* coherence = 'symbol'"):
        DigitalLink(LinkSettings(channel="gauss-markov"), 64)


def test_the_realisations_of_an_image_follow_each_other_in_the_link() -> None:
    link = DigitalLink(LinkSettings(channel="gauss-markov", coherence=4, channel_args={"doppler_hz": 500}), 256)
    out = link(random_bits(500, 256), 30.0, seed(3))
    h = out.h.numpy()
    assert h.shape == (500, 8, 4, 8)
    rho = bessel(2 * np.pi * 500 * 71.4e-6 * 4)
    assert abs(z_score((h[:, 1:] * h[:, :-1].conj()).real.mean(axis=(1, 2, 3)), rho)) < 4


def test_a_sweep_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    links = {
        name: LinkSettings(channel="gauss-markov", coherence=8, channel_args={"doppler_hz": hertz}, num_streams=2)
        for name, hertz in (("slow", 5), ("fast", 500))
    }
    rate = check_sweep(links, "gauss_markov", tmp_path, capsys)
    assert rate["slow", -9] > 0.5
    assert rate["fast", 15] == 0
