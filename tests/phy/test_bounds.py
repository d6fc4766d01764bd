"""Capacity by water-filling against derivations of another kind, and the bound that it is to the measured modes."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from scipy.optimize import minimize

from sc_sionna.core.errors import UserError
from sc_sionna.phy.bounds import ideal_bits, outage_capacity, outage_probability, waterfilling_capacity


def rayleigh(count: int, rx: int = 4, tx: int = 8, seed: int = 0) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return (draws.standard_normal((count, rx, tx)) + 1j * draws.standard_normal((count, rx, tx))) / np.sqrt(2)


def by_bisection(h: np.ndarray, no: float) -> float:
    """One matrix: the eigenvalues of the smaller Gram matrix, and the level found by halving an interval."""
    gram = h @ h.conj().T if h.shape[0] <= h.shape[1] else h.conj().T @ h
    floors = [no / eigenvalue for eigenvalue in np.linalg.eigvalsh(gram)]
    low, high = min(floors), min(floors) + 1.0  # all power in the best mode fills it by 1
    for _ in range(200):
        middle = (low + high) / 2
        if sum(max(0.0, middle - floor) for floor in floors) > 1.0:
            high = middle
        else:
            low = middle
    return sum(log2(1 + max(0.0, low - floor) / floor) for floor in floors)


@pytest.mark.parametrize("snr_db", [-20.0, -9.0, 0.0, 6.0, 18.0, 40.0])
@pytest.mark.parametrize(("rx", "tx"), [(4, 8), (8, 4), (2, 2), (1, 5)])
def test_equals_a_bisection_on_the_water_level(snr_db: float, rx: int, tx: int) -> None:
    h, no = rayleigh(20, rx, tx, seed=rx), 10 ** (-snr_db / 10)
    np.testing.assert_allclose(waterfilling_capacity(h, no), [by_bisection(x, no) for x in h], rtol=1e-9)


@pytest.mark.parametrize("snr_db", [-6.0, 3.0, 12.0])
def test_no_other_covariance_carries_more(snr_db: float) -> None:
    """A general optimiser over Q = L L^H / trace, which knows neither eigenmodes nor water."""
    h, no = rayleigh(1, 2, 3, seed=5)[0], 10 ** (-snr_db / 10)

    def negative(x: np.ndarray) -> float:
        root = (x[:9] + 1j * x[9:]).reshape(3, 3)
        q = root @ root.conj().T
        received = np.eye(2) + h @ (q / np.trace(q).real) @ h.conj().T / no
        return -float(np.linalg.slogdet(received)[1]) / np.log(2)

    best = min(minimize(negative, np.random.default_rng(s).standard_normal(18)).fun for s in range(5))
    assert waterfilling_capacity(h, no) == pytest.approx(-best, abs=1e-4)


def test_one_eigenmode_is_the_closed_form() -> None:
    h = rayleigh(50, 4, 1, seed=1)
    expected = np.log2(1 + (np.abs(h) ** 2).sum(axis=(1, 2)) / 0.3)
    np.testing.assert_allclose(waterfilling_capacity(h, 0.3), expected, rtol=1e-12)
    direction = rayleigh(50, 1, 6, seed=2)
    rank_one = h @ direction  # three modes without gain get no power
    energy = (np.abs(rank_one) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(waterfilling_capacity(rank_one, 0.3), np.log2(1 + energy / 0.3), rtol=1e-9)


def test_at_high_snr_equal_power_is_best_and_at_low_snr_one_stream() -> None:
    h = rayleigh(200, seed=3)
    eigenvalues = np.linalg.eigvalsh(h @ h.conj().transpose(0, 2, 1))
    equal = np.log2(1 + eigenvalues / 4 / 1e-7).sum(axis=1)
    np.testing.assert_allclose(waterfilling_capacity(h, 1e-7), equal, rtol=1e-6)
    single = np.log2(1 + eigenvalues[:, -1] / 1e5)
    np.testing.assert_allclose(waterfilling_capacity(h, 1e5), single, rtol=1e-9)
    for no in (0.05, 0.5, 5.0):  # between them better than either
        found = waterfilling_capacity(h, no)
        assert (found >= np.log2(1 + eigenvalues / 4 / no).sum(axis=1) - 1e-9).all()
        assert (found >= np.log2(1 + eigenvalues[:, -1] / no) - 1e-9).all()


def test_nothing_arrives_over_nothing_and_noise_broadcasts() -> None:
    assert waterfilling_capacity(np.zeros((2, 3, 4, 8)), 1.0).tolist() == [[0.0] * 3] * 2
    h = rayleigh(6).reshape(2, 3, 4, 8)
    no = np.array([[0.1], [2.0]])
    found = waterfilling_capacity(h, no)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found[1], waterfilling_capacity(h[1], 2.0))
    np.testing.assert_allclose(ideal_bits(h, no, 32), 32 * found)


def test_outage_is_the_share_below_the_rate() -> None:
    capacity = np.array([3.0, 1.0, 2.0, 4.0])
    assert outage_probability(capacity, 2.0) == 0.25  # a capacity that equals the rate carries it
    assert outage_probability(capacity, [0.5, 2.5, 9.0]).tolist() == [0.0, 0.5, 1.0]
    for probability in (0.0, 0.1, 0.25, 0.6, 0.75):
        rate = outage_capacity(capacity, probability)
        assert outage_probability(capacity, rate) <= probability
        assert outage_probability(capacity, rate + 1e-9) > probability


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: waterfilling_capacity(np.full((4, 8), np.nan), 1.0), "finite matrices"),
        (lambda: waterfilling_capacity(np.ones(8), 1.0), "h of shape"),
        (lambda: waterfilling_capacity(np.ones((4, 8)), 0.0), "no = 0.0: a noise variance is above 0"),
        (lambda: waterfilling_capacity(np.ones((4, 8)), np.nan), "no = nan"),
        (lambda: ideal_bits(np.ones((4, 8)), 1.0, 0), "num_uses = 0"),
        (lambda: outage_probability([], 1.0), "no realisation"),
        (lambda: outage_capacity([1.0], 1.0), "probability = 1.0"),
    ],
)
def test_bad_input_is_one_line(call, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
