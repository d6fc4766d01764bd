from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc_sionna.attacks.ball import ascent_direction, random_sign_noise
from sc_sionna.attacks.objective import Objective
from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import make_masking
from sc_sionna.tasks import NOISE_LOSSES, make_codec
from sc_sionna.tasks.classification import correct, cross_entropy_per_image, margin
from tests.attacks import FlatVictim, LinearVictim, MaskedLinearVictim, SteppedVictim, middle_grey
from tests.blocks import TINY


def seeded(seed=0):
    return np.random.default_rng(seed)


def bit_errors(count, generator):
    return (generator.random((count, 8 * 4)) < 0.1).astype(np.int32)


@pytest.fixture(scope="module")
def codec():
    keras.utils.set_random_seed(0)
    return make_codec(TINY).initialise()


@pytest.fixture(scope="module")
def photos():
    return seeded(3).random((4, 16, 16, 3)).astype(np.float32), np.array([1, 2, 3, 4], np.int32)


class TestLinearOptimum:
    @pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
    @pytest.mark.parametrize("steps", [1, 7])
    def test_linf(self, loss, steps):
        victim, (images, labels) = LinearVictim(), middle_grey()
        attack = SourceAttack(victim, SourceAttackSettings(epsilon=0.1, steps=steps, loss=loss))
        best = images + 0.1 * np.sign(victim.ascent(labels))
        np.testing.assert_allclose(attack.craft(images, labels, seeded()).images, best, atol=1e-6)

    @pytest.mark.parametrize("random_start", [False, True])
    def test_l2(self, random_start):
        victim, (images, labels) = LinearVictim(), middle_grey()
        chosen = SourceAttackSettings(norm="l2", epsilon=0.3, steps=200, random_start=random_start, step_size=0.3)
        gradient = victim.ascent(labels)
        best = images + 0.3 * gradient / np.linalg.norm(gradient.reshape(3, -1), axis=1).reshape(-1, 1, 1, 1)
        attacked = SourceAttack(victim, chosen).craft(images, labels, seeded()).images
        np.testing.assert_allclose(attacked, best, atol=1e-5)

    def test_l2_radius_is_not_a_pixel_value(self):
        assert SourceAttackSettings(norm="l2", epsilon=2.5).alpha == pytest.approx(0.625)

    def test_mean_squared_error_of_a_dimming_system_grows_by_darkening(self):
        images, labels = middle_grey()  # |gain · s' − s|² grows as s' falls, for gain = 1/2
        attack = SourceAttack(LinearVictim(gain=0.5), SourceAttackSettings(epsilon=0.1, loss="reconstruction"))
        crafted = attack.craft(images, labels, seeded())
        np.testing.assert_allclose(crafted.images, images - 0.1, atol=1e-6)
        np.testing.assert_allclose(crafted.losses[0], np.square(0.5 * images).mean(axis=(1, 2, 3)), rtol=1e-5)

    def test_box_is_the_other_limit(self):
        images, labels = middle_grey()
        attack = SourceAttack(LinearVictim(), SourceAttackSettings(epsilon=1.0))
        attacked = attack.craft(images, labels, seeded()).images
        np.testing.assert_array_equal(attacked, LinearVictim().ascent(labels) > 0)


class TestBudget:
    attacks = {  # noqa: RUF012 - built once, so that each norm is one graph
        norm: SourceAttack(
            MaskedLinearVictim(), SourceAttackSettings(norm=norm, epsilon=0.1, random_start=True, batch_size=2)
        )
        for norm in ("linf", "l2")
    }

    @settings(max_examples=40, deadline=None)
    @given(
        norm=st.sampled_from(["linf", "l2"]),
        epsilon=st.floats(0.0, 1.0),
        steps=st.integers(1, 4),
        seed=st.integers(0, 999),
    )
    def test_neither_epsilon_nor_box_is_exceeded(self, norm, epsilon, steps, seed):
        images = np.clip(seeded(seed).normal(0.5, 0.5, (3, 4, 4, 3)), 0, 1).astype(np.float32)  # many at 0 and 1
        attacked = self.attacks[norm].at(epsilon, steps).craft(images, np.array([0, 1, 1]), seeded(seed)).images
        assert attacked.dtype == np.float32
        assert attacked.min() >= 0
        assert attacked.max() <= 1
        noise = (attacked.astype(np.float64) - images).reshape(3, -1)
        size = np.abs(noise).max() if norm == "linf" else np.linalg.norm(noise, axis=1).max()
        assert size <= epsilon + 1e-6

    def test_zero_is_no_attack(self):
        images, labels = middle_grey()
        attack = self.attacks["linf"].at(0.0)
        np.testing.assert_array_equal(attack.craft(images, labels, seeded()).images, images)

    def test_random_signs_have_the_full_power(self):
        images, _ = middle_grey()
        noise = random_sign_noise(images, 0.1, seeded()) - images
        np.testing.assert_allclose(np.abs(noise), 0.1, atol=1e-6)
        assert abs((noise > 0).mean() - 0.5) < 0.2

    def test_nothing_moves_without_a_usable_gradient(self):
        gradient = np.zeros((2, 2, 2, 3), np.float32)
        gradient[0, 0, 0] = np.nan, np.inf, 2.0
        for norm in ("linf", "l2"):
            direction = keras.ops.convert_to_numpy(ascent_direction(gradient, norm))
            assert direction[0, 0, 0].tolist() == [0, 0, 1]
            assert not direction[1].any()


class TestObjective:
    def test_gradient_is_the_mean_over_draws(self):
        images, labels = middle_grey()
        victim = MaskedLinearVictim()
        many, one = (Objective(victim, NOISE_LOSSES["cross_entropy"], draws, 2) for draws in (4, 1))
        (masks,) = many.draw(3, seeded())
        loss, gradient = many.gradient(images, (labels, images), (masks,))
        by_draw = [one.gradient(images, (labels, images), (masks.reshape(3, 4, 4, 4, 1)[:, d],)) for d in range(4)]
        np.testing.assert_allclose(loss, np.mean([part[0] for part in by_draw], axis=0), rtol=1e-5)
        np.testing.assert_allclose(gradient, np.mean([part[1] for part in by_draw], axis=0), atol=1e-6)

    def test_losses_by_hand(self):
        images, labels = middle_grey()
        victim = LinearVictim(num_classes=3)
        logits = images.reshape(3, -1).astype(np.float64) @ victim.weights
        true = logits[np.arange(3), labels]
        others = np.where(np.arange(3) == labels[:, None], -np.inf, logits)
        expected = {
            cross_entropy_per_image: np.log(np.exp(logits).sum(1)) - true,
            margin: others.max(1) - true,
            correct: true > others.max(1),
        }
        for loss, value in expected.items():
            got = Objective(victim, loss, 1, 4).losses(images, (labels, images), ())
            np.testing.assert_allclose(got, value, rtol=1e-4)

    def test_partial_batches_share_one_graph_and_change_nothing(self):
        victim = LinearVictim()
        attack = SourceAttack(victim, SourceAttackSettings(norm="l2", epsilon=0.1, steps=2, batch_size=3))
        images, labels = middle_grey(7)
        whole = attack.craft(images, labels, seeded()).images
        for count in (1, 2, 3, 5):
            part = attack.craft(images[:count], labels[:count], seeded()).images
            np.testing.assert_array_equal(part, whole[:count])
        if keras.backend.backend() == "tensorflow":
            assert victim.traced == 1


class TestCodec:
    @pytest.mark.parametrize(
        ("relaxation", "channel"),
        [("straight-through", None), ("straight-through", bit_errors), ("soft", bit_errors), ("unquantised", None)],
    )
    def test_image_gradient_is_finite_and_not_zero_at_inference(self, codec, photos, relaxation, channel):
        victim = CodecVictim(codec, make_masking(TINY), channel, relaxation=relaxation)
        objective = Objective(victim, NOISE_LOSSES["cross_entropy"], 2, 4)
        images, labels = photos
        _, gradient = objective.gradient(images, (labels, images), objective.draw(4, seeded()))
        assert np.isfinite(gradient).all()
        assert (np.abs(gradient).reshape(4, -1).max(axis=1) > 1e-9).all()

    def test_plain_vit_has_a_gradient_too(self, photos):
        plain = TINY.with_(bottleneck="none", decoder={"knows_snr": True})
        victim = CodecVictim(make_codec(plain).initialise(), make_masking(plain), snr_db=3.0)
        crafted = SourceAttack(victim, SourceAttackSettings(epsilon=0.1, steps=3)).craft(*photos, seeded())
        assert np.abs(crafted.images - photos[0]).max() == pytest.approx(0.1, abs=1e-6)

    @pytest.mark.parametrize("loss", list(NOISE_LOSSES))
    def test_every_loss_rises_more_than_under_random_signs(self, codec, photos, loss):
        victim = CodecVictim(codec, make_masking(TINY), bit_errors)
        chosen = SourceAttackSettings(epsilon=0.05, steps=10, loss=loss, draws=4, random_start=True, batch_size=4)
        attack = SourceAttack(victim, chosen)
        images, labels = photos
        attacked = attack.craft(images, labels, seeded()).images
        objective = attack.objective
        target = objective.target(images, labels, seeded(5))
        fresh = [objective.draw(4, seeded(6 + repeat)) for repeat in range(8)]

        def mean_loss(x):
            return np.mean([objective.gradient(x, target, draw)[0] for draw in fresh])

        controls = [mean_loss(random_sign_noise(images, 0.05, seeded(seed))) for seed in range(3)]
        assert mean_loss(attacked) > max(controls)

    def test_same_seed_same_noise(self, codec, photos):
        chosen = SourceAttackSettings(epsilon=0.05, steps=3, random_start=True, batch_size=4)
        attack = SourceAttack(CodecVictim(codec, make_masking(TINY), bit_errors), chosen)
        first, again, other = (attack.craft(*photos, seeded(seed)).images for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()

    def test_known_mask_concentrates_the_noise(self, codec, photos):
        keep = make_masking(TINY)(4, seeded(8))
        known = CodecVictim(codec, make_masking(TINY), known=(keep,))
        (repeated,) = known.draw(8, seeded())
        np.testing.assert_array_equal(repeated, np.repeat(keep, 2, axis=0))
        attack = SourceAttack(known, SourceAttackSettings(epsilon=0.05, batch_size=3, draws=2))
        attacked = attack.craft(*photos, seeded()).images
        changed = (attacked != photos[0]).reshape(4, 4, 4, 4, 4, 3).any(axis=(2, 4, 5)).reshape(4, 16)
        np.testing.assert_array_equal(np.flatnonzero(changed.ravel()), (keep + 16 * np.arange(4)[:, None]).ravel())
        with pytest.raises(UserError, match="known: 4 rows for 6 images"):
            known.draw(6, seeded())

    def test_soft_quantiser_meets_the_hard_one_as_it_cools(self, photos):
        full = TINY.with_(importance={"layers": (0,)}, similarity={"threshold": 0.5})
        codec, keep, errors = make_codec(full).initialise(), make_masking(TINY)(4, seeded(8)), bit_errors(4, seeded(9))

        def outputs(**how):
            victim = CodecVictim(codec, make_masking(TINY), bit_errors, snr_db=3.0, **how)
            return victim.outputs(photos[0], keep, errors)

        hard = outputs()
        assert (keras.ops.convert_to_numpy(hard["representatives"]) != np.arange(8)).any()
        hard, cold, warm = (
            keras.ops.convert_to_numpy(part["logits"])
            for part in (
                hard,
                outputs(relaxation="soft", temperature=1e-5),
                outputs(relaxation="soft", temperature=10.0),
            )
        )
        np.testing.assert_allclose(cold, hard, atol=1e-4)
        assert np.abs(warm - hard).max() > 1e-3
        for relaxation in ("straight-through", "soft", "unquantised"):
            assert len(outputs(relaxation=relaxation)["importance_logits"]) == 1


ONE_LINE = r"(?s)^(?!.*\n)"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": -0.1}, "epsilon = -0.1"),
        ({"epsilon": float("nan")}, "epsilon = nan"),
        ({"epsilon": 8.0}, "epsilon = 8.0: pixels are in [0, 1]"),
        ({"norm": "l2", "epsilon": -1.0}, "epsilon = -1.0"),
        ({"norm": "l7"}, "norm = 'l7'"),
        ({"steps": 0}, "steps = 0"),
        ({"draws": 0}, "draws = 0"),
        ({"loss": "nothing"}, "loss = 'nothing'"),
        ({"loss": "retrieval"}, "set random_start = true"),
        ({"steps": 4, "step_size": 0.025}, "steps · step_size = 0.1 must be above epsilon = 0.1"),
        ({"step_size": -1.0}, "step_size = -1.0"),
        ({"colour": 3}, "unknown setting 'colour'"),
    ],
)
def test_bad_settings_are_one_clear_line(change, words):
    with pytest.raises(UserError, match=ONE_LINE) as error:
        SourceAttackSettings(**{"epsilon": 0.1, **change})
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("victim", "loss", "words"),
    [
        (SteppedVictim(), "margin", "has no gradient"),
        (LinearVictim(), "retrieval", "needs the output 'tokens', the system has logits, image"),
    ],
)
def test_a_system_that_cannot_be_attacked_says_why(victim, loss, words):
    attack = SourceAttack(victim, SourceAttackSettings(epsilon=0.1, loss=loss, random_start=True))
    with pytest.raises(UserError, match=ONE_LINE) as error:
        attack.craft(*middle_grey(), seeded())
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (255 * middle_grey()[0], middle_grey()[1], "divide 8-bit pixels by 255"),
        (middle_grey()[0] * np.nan, middle_grey()[1], "pixels are in [0, 1]"),
        (middle_grey()[0][0], middle_grey()[1], "reshape them"),
        (middle_grey()[0], middle_grey()[1][:2], "reshape them"),
    ],
)
def test_bad_images_are_one_clear_line(images, labels, words):
    attack = SourceAttack(FlatVictim(), SourceAttackSettings(epsilon=0.1))
    with pytest.raises(UserError, match=ONE_LINE) as error:
        attack.craft(images, labels, seeded())
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"relaxation": "hard"}, "relaxation = 'hard'"),
        ({"temperature": 0.0}, "temperature = 0.0"),
    ],
)
def test_bad_victims_are_one_clear_line(codec, change, words):
    with pytest.raises(UserError, match=ONE_LINE) as error:
        CodecVictim(codec, make_masking(TINY), **change)
    assert words in str(error.value)


def test_what_belongs_to_a_codebook_or_a_told_snr_is_asked_for():
    plain = make_codec(TINY.with_(bottleneck="none", decoder={"knows_snr": True})).initialise()
    with pytest.raises(UserError, match="bottleneck = 'none' has none"):
        CodecVictim(plain, make_masking(TINY), bit_errors, snr_db=3.0)
    with pytest.raises(UserError, match="set it in dB"):
        CodecVictim(plain, make_masking(TINY))
