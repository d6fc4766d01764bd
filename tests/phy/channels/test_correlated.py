"""Correlated Rayleigh fading against matrices and moments that are written down here, not taken from Sionna."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.phy.channels import RayleighChannel
from sc_sionna.settings import LinkSettings
from tests.phy.channels.helpers import check_repeatable, check_sweep, model, z_score
from tests.phy.helpers import seed

DRAWS = 20_000


def exponential(r: float, num_ant: int) -> np.ndarray:
    n = np.arange(num_ant)
    return r ** np.abs(n[:, None] - n).astype(float)


def one_ring(degrees: float, spread_deg: float, num_ant: int) -> np.ndarray:
    """E[a aᴴ] over a Gaussian angle around the mean, the sine linearised there, by numerical integration."""
    mean, spread = np.radians(degrees), np.radians(spread_deg)
    offset = np.linspace(-9, 9, 20_001) * spread
    density = np.exp(-(offset**2) / (2 * spread**2))
    phase = np.pi * (np.sin(mean) + np.cos(mean) * offset) * np.arange(num_ant)[:, None]
    a = np.exp(1j * phase)
    return (a * density / density.sum()) @ a.conj().T


EXPONENTIAL = {"rx": 0.3, "tx": 0.8}
ONE_RING = {
    "correlation": "one-ring", "arrival_deg": 20, "rx_spread_deg": 10, "departure_deg": -40, "tx_spread_deg": 5,
}  # fmt: skip
CASES = [
    (EXPONENTIAL, exponential(0.3, 3), exponential(0.8, 4)),
    (ONE_RING, one_ring(20, 10, 3), one_ring(-40, 5, 4)),
]


def check_correlation(x: np.ndarray, wanted: np.ndarray) -> None:
    """Of independent vectors ``[N, n]``, whose E[x xᴴ] is wanted: every part of every entry within 4.5 standard errors."""
    products = x[:, :, None] * x[:, None, :].conj()
    for i, j in np.ndindex(wanted.shape):
        assert abs(z_score(products[:, i, j].real, wanted[i, j].real)) < 4.5
        if i != j:
            assert abs(z_score(products[:, i, j].imag, wanted[i, j].imag)) < 4.5


@pytest.mark.parametrize(("args", "r_rx", "r_tx"), CASES)
def test_both_correlation_matrices_are_recovered(args: dict, r_rx: np.ndarray, r_tx: np.ndarray) -> None:
    h = model("kronecker", 3, 4, **args)(DRAWS, 1, seed(1)).numpy()[:, 0].astype(np.complex128)
    for column in range(4):
        check_correlation(h[:, :, column], r_rx)
    for row in range(3):
        check_correlation(h[:, row], r_tx.conj())  # E[h_i conj(h_j)] of a row of W L^H is conj((L L^H)_ij)


@pytest.mark.parametrize(("args", "r_rx", "r_tx"), CASES)
def test_eigenvalues_against_an_independent_derivation(args: dict, r_rx: np.ndarray, r_tx: np.ndarray) -> None:
    """Each ordered eigenvalue of H Hᴴ against NumPy's own draws with Hermitian roots, and Σλ² against its closed form."""
    h = model("kronecker", 3, 4, **args)(DRAWS, 1, seed(2)).numpy()[:, 0].astype(np.complex128)
    values = np.linalg.svd(h, compute_uv=False) ** 2

    def root(r: np.ndarray) -> np.ndarray:
        w, v = np.linalg.eigh(r)
        return (v * np.sqrt(np.maximum(w, 0))) @ v.conj().T

    parts = np.random.default_rng(3).standard_normal((2, DRAWS, 3, 4)) * 0.5**0.5
    own = np.linalg.svd(root(r_rx) @ (parts[0] + 1j * parts[1]) @ root(r_tx), compute_uv=False) ** 2
    for k in range(3):
        spread = np.sqrt((values[:, k].var() + own[:, k].var()) / DRAWS)
        assert abs(values[:, k].mean() - own[:, k].mean()) < 4 * spread
    square = [np.trace(r @ r).real for r in (r_rx, r_tx)]
    trace = [np.trace(r).real for r in (r_rx, r_tx)]
    assert abs(z_score((values**2).sum(axis=1), square[0] * trace[1] ** 2 + trace[0] ** 2 * square[1])) < 4


def test_without_correlation_it_is_rayleigh() -> None:
    h = model("kronecker", rx=0, tx=0)(50, 3, seed(4)).numpy()
    np.testing.assert_allclose(h, RayleighChannel(4, 8)(50, 3, seed(4)).numpy(), rtol=1e-6)


def test_every_column_has_the_ring_of_its_angle() -> None:
    built = model("per-column", 3, 4, centre_deg=10, sector_deg=80, spread_deg=6)
    h = built(DRAWS, 1, seed(5)).numpy()[:, 0].astype(np.complex128)
    for column, angle in enumerate((-20, 0, 20, 40)):
        check_correlation(h[:, :, column], one_ring(angle, 6, 3))
    between = h[:, 0, 0] * h[:, 0, 1].conj()
    assert abs(z_score(between.real, 0)) < 4
    assert abs(z_score(between.imag, 0)) < 4


@pytest.mark.parametrize("num_ant", [1, 64])
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("kronecker", {"rx": 0.999, "tx": 0.999}),
        ("kronecker", {"correlation": "one-ring", "rx_spread_deg": 0.1, "arrival_deg": 90}),
        ("per-column", {"spread_deg": 0.1}),
    ],
)
def test_matrices_that_are_almost_singular(name: str, args: dict, num_ant: int) -> None:
    h = model(name, num_ant, num_ant, {"normalize_channel": True}, **args)(20, 1, seed(6)).numpy()
    assert np.isfinite(h).all()
    assert h.any()


@pytest.mark.parametrize("name", ["kronecker", "per-column"])
def test_repeatable(name: str) -> None:
    check_repeatable(model(name), atol=1e-6)


def test_a_sweep_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Correlation takes the second stream away and helps the first."""
    links = {
        f"{streams}, {name}": LinkSettings(channel=name, channel_args=args, num_streams=streams)
        for streams in (1, 2)
        for name, args in (("kronecker", {"tx": 0.99, "rx": 0.99}), ("per-column", {}))
    }
    rate = check_sweep(links, "correlated", tmp_path, capsys)
    assert rate["1, kronecker", 15] == 0 == rate["2, per-column", 15]
    assert rate["2, kronecker", 15] > 0.1
