from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks import objective as objective_module
from sc_sionna.attacks.adaptive_settings import AdaptiveSettings
from sc_sionna.attacks.apgd import Apgd
from sc_sionna.attacks.ball import random_sign_noise
from sc_sionna.attacks.objective import Objective
from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.square import Square
from sc_sionna.attacks.suite import AdaptiveSuite, cross_entropy_with_importance
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import make_masking
from sc_sionna.tasks import NOISE_LOSSES, make_codec
from tests.attacks import LinearVictim, MaskedLinearVictim, SteppedVictim, middle_grey
from tests.blocks import TINY

QUICK = AdaptiveSettings(steps=10, restarts=2, draws=1, queries=40, batch_size=4)


def seeded(seed=0):
    return np.random.default_rng(seed)


def budget_is_kept(attacked, images, epsilon):
    return attacked.min() >= 0 and attacked.max() <= 1 and np.abs(attacked - images).max() <= epsilon + 1e-6


@pytest.fixture(scope="module")
def codec_victim():
    keras.utils.set_random_seed(0)
    keep = make_masking(TINY)(4, seeded(8))
    return CodecVictim(make_codec(TINY).initialise(), make_masking(TINY), known=(keep,))


class TestApgd:
    def test_reaches_the_optimum_of_a_linear_loss(self):
        victim, (images, labels) = LinearVictim(), middle_grey()
        attacked = Apgd(victim, NOISE_LOSSES["margin"], QUICK)(images, labels, 0.1, seeded())
        np.testing.assert_allclose(attacked, images + 0.1 * np.sign(victim.ascent(labels)), atol=1e-6)

    def test_is_at_least_as_strong_as_plain_steps_on_the_codec(self, codec_victim):
        images, labels = seeded(3).random((4, 16, 16, 3)).astype(np.float32), np.array([1, 2, 3, 4], np.int32)
        plain = SourceAttackSettings(epsilon=0.05, steps=20, loss="margin", batch_size=4)
        pgd = SourceAttack(codec_victim, plain).craft(images, labels, seeded()).images
        attack = Apgd(codec_victim, NOISE_LOSSES["margin"], QUICK.with_(steps=20, restarts=3))
        apgd = attack(images, labels, 0.05, seeded())
        assert budget_is_kept(apgd, images, 0.05)
        draw = attack.objective.draw(4, seeded())  # the known one
        reached = {
            name: attack.objective.gradient(x, (labels, images), draw)[0].mean()
            for name, x in {"apgd": apgd, "pgd": pgd}.items()
        }
        assert reached["apgd"] >= reached["pgd"]

    def test_checkpoints_are_those_of_the_paper(self):
        attack = Apgd(LinearVictim(), NOISE_LOSSES["margin"], QUICK.with_(steps=100))
        assert sorted(attack.checkpoints())[:6] == [22, 41, 57, 70, 80, 87]

    def test_step_is_halved_where_the_loss_oscillates(self):
        """A peak inside the ball: steps of 2ε jump over it for ever, halved ones come near."""

        class Peak(LinearVictim):
            def outputs(self, images, *draw):
                height = -ops.sum(ops.square(images - 0.52), axis=(1, 2, 3))
                return {"logits": ops.stack([ops.zeros_like(height), height], axis=1)}

        images = np.full((2, 4, 4, 3), 0.5, np.float32)
        attack = Apgd(Peak(), NOISE_LOSSES["margin"], QUICK.with_(steps=40, restarts=1))
        attacked = attack(images, np.zeros(2, np.int32), 0.1, seeded())
        assert np.abs(attacked - 0.52).max() < 0.02


class TestSquare:
    def test_black_box_rises_within_the_budget_without_any_gradient(self, monkeypatch):
        def forbidden(*_):
            raise AssertionError("Square asked for a gradient")

        monkeypatch.setattr(objective_module, "value_and_input_grad", forbidden)
        images = np.clip(seeded(2).normal(0.5, 0.4, (3, 4, 4, 3)), 0, 1).astype(np.float32)
        labels = np.array([0, 1, 0], np.int32)
        victim = SteppedVictim()
        attacked = Square(victim, QUICK)(images, labels, 0.2, seeded())
        assert budget_is_kept(attacked, images, 0.2)
        objective = Objective(victim, NOISE_LOSSES["margin"], 1, 4)
        clean, noisy = (objective.losses(x, (labels, images), ()) for x in (images, attacked))
        control = objective.losses(random_sign_noise(images, 0.2, seeded(1)), (labels, images), ())
        assert (noisy > clean).all()
        assert noisy.mean() > control.mean()

    def test_nears_the_optimum_of_a_linear_loss(self):
        victim, (images, labels) = LinearVictim(), middle_grey()
        attacked = Square(victim, QUICK.with_(queries=600))(images, labels, 0.1, seeded())
        reached = ((attacked - images) * victim.ascent(labels)).sum(axis=(1, 2, 3))
        assert (reached > 0.9 * 0.1 * np.abs(victim.ascent(labels)).sum(axis=(1, 2, 3))).all()

    def test_squares_shrink_from_most_of_the_image_to_a_pixel(self):
        sides = [Square(LinearVictim(), QUICK.with_(queries=1000)).side(query, 32, 32) for query in range(1000)]
        assert sides[:2] == [29, 29]  # sqrt(0.8 · 32²)
        assert sides[-1] == 1
        assert sides == sorted(sides, reverse=True)


class TestSuite:
    def test_every_attack_by_name_within_the_budget(self):
        victims = {"straight-through": MaskedLinearVictim(), "twin": LinearVictim()}
        images, labels = middle_grey()
        suite = AdaptiveSuite(victims, QUICK.with_(draws=3))
        attacked = suite(images, labels, 0.1, seeded())
        expected = {f"apgd-{loss}/{victim}" for loss in ("cross-entropy", "margin") for victim in victims} | {"square"}
        assert set(attacked) == expected
        assert all(budget_is_kept(x, images, 0.1) for x in attacked.values())
        again = AdaptiveSuite(victims, QUICK.with_(draws=3))(images, labels, 0.1, seeded())
        for name, value in attacked.items():
            np.testing.assert_array_equal(value, again[name])

    def test_importance_modules_are_attacked_with_the_task(self):
        logits = seeded().standard_normal((3, 2, 4)).astype(np.float32)
        labels = np.array([1, 3])
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        expected = -log_p[:, np.arange(2), labels]  # [3 heads, 2 images]
        task, *modules = (ops.convert_to_tensor(part) for part in logits)
        plain = cross_entropy_with_importance({"logits": task}, labels, None)
        joint = cross_entropy_with_importance({"logits": task, "importance_logits": modules}, labels, None)
        np.testing.assert_allclose(ops.convert_to_numpy(plain), expected[0], rtol=1e-5)
        np.testing.assert_allclose(ops.convert_to_numpy(joint), expected.sum(0), rtol=1e-5)

    @pytest.mark.parametrize("epsilon", [-0.1, 1.5, float("nan")])
    def test_bad_input_is_one_clear_line(self, epsilon):
        suite = AdaptiveSuite({"it": LinearVictim()}, QUICK)
        with pytest.raises(UserError, match=r"^epsilon = .* set it from 0 to 1$"):
            suite(*middle_grey(), epsilon, seeded())
        with pytest.raises(UserError, match="victims: none given"):
            AdaptiveSuite({})
        with pytest.raises(UserError, match="restarts = 0"):
            AdaptiveSettings(restarts=0)
