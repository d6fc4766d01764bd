from __future__ import annotations

import keras
import numpy as np
import pytest

from sc_sionna.attacks.checks import Finding, backward_pass, findings, gradient_health, raise_on
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import make_masking
from sc_sionna.tasks import make_codec
from tests.attacks import BrokenVictim, FlatVictim, LinearVictim, SteppedVictim, middle_grey
from tests.blocks import TINY

HEALTHY = {
    "losses": np.linspace(0.3, 4.0, 10),
    "single_step": 0.30,
    "several_steps": 0.10,
    "random_noise": 0.92,
    "white_box": 0.08,
    "black_box": 0.25,
    "by_epsilon": {0.25: 0.0, 0.004: 0.7, 0.016: 0.1, 0.0: 0.95},
}


def failed(found):
    return {finding.name for finding in found if not finding.passed}


class TestGradientHealth:
    def test_codec_passes(self):
        keras.utils.set_random_seed(0)
        victim = CodecVictim(make_codec(TINY).initialise(), make_masking(TINY))
        images = np.random.default_rng(0).random((4, 16, 16, 3)).astype(np.float32)
        found = gradient_health(victim, images, np.arange(4), np.random.default_rng(0), draws=2, batch_size=4)
        assert len(found) == 6
        raise_on(found)

    @pytest.mark.parametrize(
        ("victim", "what"),
        [(SteppedVictim(), "exists"), (FlatVictim(), "is not zero"), (BrokenVictim(), "is finite")],
    )
    def test_a_bad_victim_is_found(self, victim, what):
        found = gradient_health(victim, *middle_grey(), np.random.default_rng(0), batch_size=4)
        assert f"cross_entropy: gradient {what}" in failed(found)
        with pytest.raises(UserError, match=what):
            raise_on(found)

    def test_one_direction_for_all_images_is_found(self):
        found = gradient_health(LinearVictim(2), *middle_grey(), np.random.default_rng(0), batch_size=4)
        assert "margin: gradient is not constant" in failed(found)

    def test_a_saturated_softmax_is_told_from_a_masked_gradient(self):
        class Saturated(LinearVictim):
            def outputs(self, images, *draw):
                outputs = super().outputs(images)
                return {"logits": 1e3 * outputs["logits"]}

        victim = Saturated(3)
        images, _ = middle_grey(2)
        labels = (images.reshape(2, -1) @ victim.weights).argmax(axis=1)
        found = gradient_health(victim, images, labels, np.random.default_rng(0), batch_size=2)
        assert "cross_entropy: gradient is not zero" in failed(found)
        assert "margin: gradient is not zero" not in failed(found)


class TestFindings:
    def test_a_healthy_attack_passes(self):
        found = findings(**HEALTHY)
        assert not failed(found)
        raise_on(found)

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"losses": np.full((5, 3), 2.0)}, "loss rises with steps"),
            ({"losses": [1.0, np.nan, 2.0]}, "loss rises with steps"),
            ({"single_step": 0.05}, "several steps beat one"),
            ({"single_step": float("nan")}, "several steps beat one"),
            ({"several_steps": 0.5, "single_step": 0.6, "random_noise": 0.51}, "random noise is weaker"),
            ({"black_box": 0.01}, "white box beats black box"),
            ({"by_epsilon": {0.0: 0.9, 0.01: 0.3, 0.02: 0.5, 0.2: 0.0}}, "accuracy falls as epsilon grows"),
            ({"by_epsilon": {0.0: 0.9, 0.2: 0.4}}, "accuracy goes towards zero"),
        ],
    )
    def test_each_sign_is_found_alone(self, change, name):
        assert failed(findings(**{**HEALTHY, **change})) == {name}

    def test_failures_are_one_line(self):
        bad = [Finding("a", False, "1 of 2"), Finding("b", True, ""), Finding("c", False, "0.3")]
        with pytest.raises(UserError, match=r"^2 of 3 checks of the attack failed: a \(1 of 2\); c \(0\.3\); .*$"):
            raise_on(bad)

    @pytest.mark.parametrize(
        ("change", "words"),
        [({"losses": [1.0]}, "attack with steps >= 2"), ({"by_epsilon": {0.1: 0.2}}, "at least 2 values of epsilon")],
    )
    def test_too_little_was_measured(self, change, words):
        with pytest.raises(UserError, match=words):
            findings(**{**HEALTHY, **change})


class TestBackwardPass:
    @pytest.mark.parametrize(("other", "passed"), [(0.60, True), (0.56, True), (0.54, False), (0.9, True)])
    def test_flagged_where_another_lowers_the_accuracy_by_more_than_5_points(self, other, passed):
        found = backward_pass("identity", {"identity": 0.605, "cubic": other, "third": 0.95})
        assert found.passed is passed
        assert found.detail.startswith("accuracy 0.605 through identity, ")

    def test_the_strongest_other_is_named(self):
        found = backward_pass("identity", {"identity": 0.6, "cubic": 0.31, "third": 0.5})
        assert found.detail == "accuracy 0.600 through identity, 0.310 through cubic, limit 0.05 below"

    def test_too_little_was_measured(self):
        with pytest.raises(
            UserError, match=r"^used = 'cubic': was not measured; attack through it too, besides identity$"
        ):
            backward_pass("cubic", {"identity": 0.5})
        with pytest.raises(UserError, match="at least one other backward pass"):
            backward_pass("identity", {"identity": 0.5})
