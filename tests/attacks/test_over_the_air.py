"""Algorithm 1 on a receiver whose optimum is known, its power, its controls, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks.over_the_air import OverTheAirAttack, OverTheAirSettings
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError

USES, RX, SAMPLES = 6, 4, 32


def linear_loss(weights: np.ndarray):
    """L(y) = Re⟨c, y⟩, whose steepest ascent is c whatever y is."""
    parts = np.stack([weights.real, weights.imag], -1).astype(np.float32)
    return lambda y, *_: ops.sum(y * parts, axis=(1, 2, 3))


def complex_normal(*shape: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.standard_normal(shape) + 1j * generator.standard_normal(shape)


def attack(**values) -> OverTheAirAttack:
    return OverTheAirAttack(OverTheAirSettings(**values), USES, RX, signal_power=2.0)


def test_identity_channel_reaches_the_closed_form_optimum():
    c = complex_normal(USES, RX, seed=1)
    made = attack(channel="identity", ssnr_db=6.0)
    made.craft(complex_normal(SAMPLES, USES, RX), linear_loss(c), (), rng.generator(1, "a"))
    assert np.allclose(made.noise, made.epsilon * c / np.linalg.norm(c), atol=1e-5)


@pytest.mark.parametrize("channel", ["identity", "rayleigh"])
@pytest.mark.parametrize("kind", ["semantic", "gaussian"])
def test_the_power_is_exactly_the_set_one(channel, kind):
    made = attack(channel=channel, kind=kind, ssnr_db=3.0)
    made.craft(
        complex_normal(SAMPLES, USES, RX), linear_loss(complex_normal(USES, RX, seed=2)), (), rng.generator(2, "a")
    )
    assert np.linalg.norm(made.noise) == pytest.approx(made.epsilon, rel=1e-6)
    interference = made(20_000, rng.generator(3, "b"))
    assert interference.shape == (20_000, USES, RX)
    # exact through the identity; fading leaves a fluctuation of about 1/sqrt(20,000 · 4)
    tolerance = 1e-4 if channel == "identity" else 0.1
    assert made.realised_ssnr_db(interference) == pytest.approx(3.0, abs=tolerance)


def test_it_beats_gaussian_noise_of_the_same_power():
    c = complex_normal(USES, RX, seed=4)
    rises = {}
    for kind in ("semantic", "gaussian"):
        made = attack(channel="identity", kind=kind)
        made.craft(complex_normal(SAMPLES, USES, RX), linear_loss(c), (), rng.generator(5, kind))
        rises[kind] = np.vdot(c, made(1, rng.generator(6, "c"))[0]).real
    assert rises["semantic"] == pytest.approx(made.epsilon * np.linalg.norm(c), rel=1e-4)
    assert rises["semantic"] > 3 * abs(rises["gaussian"])


def test_a_step_follows_the_matched_filter_of_the_attackers_channel():
    c = complex_normal(USES, RX, seed=7)
    made = attack(samples=1, rho=1.0, steps=3)
    made.craft(complex_normal(1, USES, RX), linear_loss(c), (), rng.generator(8, "a"))
    h = made.draw_channel(1, rng.generator(8, "a"))[0]
    best = np.einsum("ra,ur->ua", h.conj(), c)
    assert np.allclose(made.noise, made.epsilon * best / np.linalg.norm(best), atol=1e-5)


def test_every_image_gets_a_fresh_channel_and_the_same_seed_the_same_interference():
    made = attack()
    made.craft(complex_normal(4, USES, RX), linear_loss(complex_normal(USES, RX)), (), rng.generator(9, "a"))
    one, again = (made(3, rng.generator(10, "b")) for _ in range(2))
    assert (one == again).all()
    assert not np.allclose(one[0], one[1])


def test_bad_input():
    with pytest.raises(UserError, match=r"step_size"):
        OverTheAirSettings(steps=4, step_size=0.25)
    with pytest.raises(UserError, match="channel"):
        OverTheAirSettings(channel="awgn")
    with pytest.raises(UserError, match="received signals of shape"):
        attack().craft(
            complex_normal(3, USES + 1, RX), linear_loss(complex_normal(USES, RX)), (), rng.generator(1, "a")
        )
    with pytest.raises(UserError, match="no gradient"):
        attack().craft(
            complex_normal(3, USES, RX), lambda y: 0.0 * ops.sum(y, axis=(1, 2, 3)), (), rng.generator(1, "a")
        )
