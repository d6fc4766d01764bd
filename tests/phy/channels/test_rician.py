"""Rician fading against its moments, its line of sight and the bit error rate of maximum-ratio combining in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from sc_sionna.phy.channels import RayleighChannel
from sc_sionna.phy.link import DigitalLink
from sc_sionna.settings import LinkSettings
from tests.phy.channels.helpers import check_repeatable, check_sweep, model, z_score
from tests.phy.helpers import random_bits, seed


@pytest.mark.parametrize("k_db", [-10.0, 0.0, 6.0, 15.0])
@pytest.mark.parametrize("angles", [{}, {"arrival_deg": 30, "departure_deg": -50}])
def test_mean_and_variance_of_the_energy(k_db: float, angles: dict[str, float]) -> None:
    """E|h|² = 1 and Var|h|² = (1 + 2K)/(1 + K)² for every entry (Tse and Viswanath 2005, 2.4.2)."""
    k = 10 ** (k_db / 10)
    energy = np.abs(model("rician", 2, 3, k_db=k_db, **angles)(20_000, 1, seed(1)).numpy()[:, 0]) ** 2
    for row, column in np.ndindex(2, 3):
        assert abs(z_score(energy[:, row, column], 1.0)) < 4
        assert abs(z_score((energy[:, row, column] - 1.0) ** 2, (1 + 2 * k) / (1 + k) ** 2)) < 4


def test_the_line_of_sight_is_of_rank_one_between_half_wavelength_arrays() -> None:
    sight = model("rician", 4, 8, k_db=60, arrival_deg=30, departure_deg=-90)(3, 2, seed(2)).numpy()
    n, m = np.arange(4), np.arange(8)
    wanted = np.exp(1j * np.pi * 0.5 * n)[:, None] * np.exp(-1j * np.pi * m)  # sin 30° = 1/2, sin(-90°) = -1
    np.testing.assert_allclose(sight, np.broadcast_to(wanted, sight.shape), atol=0.01)
    drawn = model("rician", 4, 8, k_db=60)(50, 2, seed(3)).numpy()
    singular = np.linalg.svd(drawn, compute_uv=False)
    assert singular[..., 1].max() < 0.01 * singular[..., 0].min()
    np.testing.assert_allclose(drawn[:, 0], drawn[:, 1], atol=0.02)  # one pair of angles per image
    phase = np.angle(drawn[:, 0, 1, 0] / drawn[:, 0, 0, 0]) / np.pi  # the sine of the angle of arrival
    assert phase.min() < -0.9
    assert phase.max() > 0.9


def test_without_a_line_of_sight_it_is_rayleigh() -> None:
    h = model("rician", 4, 8, k_db=-100)(100, 3, seed(4)).numpy()
    np.testing.assert_allclose(h, RayleighChannel(4, 8)(100, 3, seed(4)).numpy(), atol=1e-4)


def test_repeatable() -> None:
    check_repeatable(model("rician"), atol=1e-5)


def bit_error_rate(k: float, snr: float, branches: int) -> float:
    """Of Gray QPSK with maximum-ratio combining of Rician branches, (1/π) ∫ Π M(-1/(2 sin² θ)) dθ over (0, π/2).

    M(s) = (1+K)/(1+K-s·snr) · exp(K s·snr/(1+K-s·snr)), the moment-generating function of a branch's SNR (Simon and
    Alouini 2005, Table 2.2 and (9.14)); a bit of QPSK sees half of it in its real dimension.
    """

    def integrand(theta: float) -> float:
        s = -0.5 * snr / np.sin(theta) ** 2
        return ((1 + k) / (1 + k - s) * np.exp(k * s / (1 + k - s))) ** branches / np.pi

    return quad(integrand, 0, np.pi / 2)[0]


@pytest.mark.parametrize(("k_db", "branches", "snr_db"), [(-100, 2, 3), (6, 1, 6), (6, 4, -2), (10, 2, 3)])
def test_bit_error_rate_of_maximum_ratio_combining(k_db: float, branches: int, snr_db: float) -> None:
    link = LinkSettings(
        num_tx_ant=1, num_rx_ant=branches, num_streams=1, modulation="qpsk", coded=False, coherence="symbol",
        channel="rician", channel_args={"k_db": k_db},
    )  # fmt: skip
    images, payload = 4000, 64
    bits = random_bits(images, payload)
    wrong = np.mean(DigitalLink(link, payload)(bits, snr_db, seed(5)).bits != bits, axis=1)
    expected = bit_error_rate(10 ** (k_db / 10), 10 ** (snr_db / 10), branches)
    assert expected == pytest.approx(wrong.mean(), rel=0.2)
    assert abs(z_score(wrong, expected)) < 4


def test_a_sweep_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A strong line of sight carries one stream and no second one."""
    links = {
        f"{streams} of K = 20 dB": LinkSettings(channel="rician", channel_args={"k_db": 20}, num_streams=streams)
        for streams in (1, 2)
    }
    rate = check_sweep(links, "rician", tmp_path, capsys)
    assert rate["1 of K = 20 dB", 15] == 0 < rate["2 of K = 20 dB", 15]
