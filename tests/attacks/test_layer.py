"""The attack as a Keras layer: eagerly, in a graph and within a model it is one and the same."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks.ball import random_noise, random_noise_in_graph
from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings, SourceDraws
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core.backend import compile_function
from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import make_masking
from sc_sionna.semantic.masking import FixedMasking, MaskingAmong, NoiseRelatedMasking, UniformMasking
from sc_sionna.tasks import make_codec
from tests.attacks import LinearVictim, MaskedLinearVictim, SteppedVictim, middle_grey
from tests.blocks import TINY

EPSILON = 0.05


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


def settings_of(**values) -> SourceAttackSettings:
    return SourceAttackSettings(**{"epsilon": EPSILON, "steps": 3, "draws": 2, "batch_size": 4, **values})


def as_model(attack: SourceAttack, shape: tuple[int, ...], draws: SourceDraws | None, batch: int | None):
    """A functional model of the layer alone, and its inputs beside images and labels."""
    images = keras.Input(shape[1:], batch_size=batch, dtype="float32")
    labels = keras.Input((), batch_size=batch, dtype="int32")
    if draws is None:
        return keras.Model([images, labels], attack(images, labels))
    steps = tuple(keras.Input(batch_shape=part.shape, dtype=str(part.dtype)) for part in draws.steps)
    start = None if draws.start is None else keras.Input(batch_shape=draws.start.shape)
    target = tuple(keras.Input(batch_shape=part.shape, dtype=str(part.dtype)) for part in draws.target)
    inputs = [images, labels, *steps, *([] if start is None else [start]), *target]
    return keras.Model(inputs, attack(images, labels, draws=SourceDraws(steps, start, target)))


@pytest.mark.parametrize(
    ("norm", "loss"), [("linf", "cross_entropy"), ("l2", "margin"), ("linf", "reconstruction"), ("linf", "retrieval")]
)
def test_eager_graph_model_and_host_give_the_same_noise_for_the_same_draws(codec, photos, norm, loss):
    victim = CodecVictim(codec, make_masking(TINY), bit_errors)
    attack = SourceAttack(victim, settings_of(norm=norm, loss=loss, random_start=True))
    images, labels = photos
    draws = attack.sample(images.shape, seeded(5))
    assert [part.shape[:2] for part in draws.steps] == [(3, 8), (3, 8)]
    on_host = attack.craft(images, labels, seeded(5)).images
    eager = attack(images, labels, draws=draws)
    assert ops.is_tensor(eager)
    graph = compile_function(lambda x, z, d: attack(x, z, draws=d))(*map(ops.convert_to_tensor, photos), draws)
    model = as_model(attack, images.shape, draws, 4)
    inside = model([images, labels, *draws.steps, draws.start, *draws.target])
    for name, noisy in {"eager": eager, "graph": graph, "model": inside}.items():
        # a gradient near 0 may change its sign between an eager pass and a fused one: then α per pixel, in few of them
        difference = np.abs(ops.convert_to_numpy(noisy) - on_host)
        assert np.mean(difference > 1e-5) < 0.005, name
    assert np.abs(on_host - images).max() > 0.5 * EPSILON / (1 if norm == "linf" else 16)
    other = attack(images, labels, draws=attack.sample(images.shape, seeded(6)))
    assert np.mean(np.abs(ops.convert_to_numpy(other) - on_host) > 1e-5) > 0.05  # far more than that


def test_a_model_of_any_batch_size_draws_for_itself_anew_in_every_call(codec, photos):
    images, labels = photos
    attack = SourceAttack(CodecVictim(codec, make_masking(TINY)), settings_of(random_start=True), seed=3)
    model = as_model(attack, images.shape, None, None)
    first = ops.convert_to_numpy(model([images, labels]))
    second = model.predict([images, labels], verbose=0, batch_size=3)
    assert first.shape == second.shape == images.shape
    for noisy in (first, second):
        assert np.abs(noisy - images).max() == pytest.approx(EPSILON, abs=1e-6)
    assert (first != second).any()
    twin = SourceAttack(CodecVictim(codec, make_masking(TINY)), settings_of(random_start=True), seed=3)
    again = ops.convert_to_numpy(twin(images, labels))
    assert np.mean(np.abs(again - first) > 1e-5) < 0.005  # the seed alone decides


def test_own_draws_attack_as_well_as_passed_ones(codec, photos):
    """Mean loss under fresh draws after an attack: its own and the host's within the spread of the host's."""
    images, labels = photos
    attack = SourceAttack(CodecVictim(codec, make_masking(TINY)), settings_of(steps=6))
    fresh = [attack.objective.draw(4, seeded(20 + i)) for i in range(8)]

    def loss(noisy):
        return np.mean([attack.objective.losses(noisy, (labels, images), draw) for draw in fresh])

    host = [loss(attack.craft(images, labels, seeded(i)).images) for i in range(5)]
    own = [loss(ops.convert_to_numpy(attack(images, labels))) for _ in range(5)]
    gain = np.mean(host) - loss(images)
    assert gain > 0
    spread = np.sqrt(np.var(host, ddof=1) / 5 + np.var(own, ddof=1) / 5)
    assert abs(np.mean(own) - np.mean(host)) < max(4 * spread, 0.05 * gain)


def test_the_noise_is_a_constant_and_the_victims_weights_are_not_the_layers(codec, photos):
    attack = SourceAttack(CodecVictim(codec, make_masking(TINY)), settings_of())
    assert not attack.trainable_weights
    model = as_model(attack, photos[0].shape, None, 4)
    assert not model.trainable_weights


def test_zero_budget_is_the_image_itself(photos):
    attack = SourceAttack(SteppedVictim(), SourceAttackSettings(epsilon=0.0))
    images, labels = middle_grey()
    np.testing.assert_array_equal(ops.convert_to_numpy(attack(images, labels)), images)


RULES = {
    "uniform": UniformMasking(9, 4),
    "noise-related": NoiseRelatedMasking(9, 4, np.array([1, 1, 1, 1, 8, 1, 1, 1, 1.0])),
    "among": MaskingAmong(UniformMasking(5, 3), np.array([1, 2, 4, 6, 8])),
    "fixed": FixedMasking(np.array([0, 3, 5])),
}


@pytest.mark.parametrize("name", list(RULES))
def test_masks_drawn_in_the_graph_follow_the_law_of_the_host(name):
    rule, count = RULES[name], 4000
    on_host = rule(count, seeded(1))
    in_graph = ops.convert_to_numpy(rule.in_graph(count, keras.random.SeedGenerator(1)))
    assert in_graph.shape == on_host.shape
    assert in_graph.dtype == np.int32
    assert (np.diff(in_graph, axis=1) > 0).all()
    shares = [np.bincount(keep.ravel(), minlength=9) / count for keep in (on_host, in_graph)]
    sigma = np.sqrt(np.maximum(shares[0] * (1 - shares[0]), 1e-12) * 2 / count)
    assert (np.abs(shares[1] - shares[0]) < 4 * sigma + 1e-9).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_starts_drawn_in_the_graph_follow_the_law_of_the_host(norm):
    shape = (4000, 4, 4, 3)
    on_host = random_noise(shape, 0.5, norm, seeded(2))
    in_graph = random_noise_in_graph(ops.zeros(shape), 0.5, norm, keras.random.SeedGenerator(2))
    sizes = [np.linalg.norm(ops.convert_to_numpy(x).reshape(4000, -1), axis=1) for x in (on_host, in_graph)]
    error = np.hypot(*(x.std() / np.sqrt(4000) for x in sizes))
    assert abs(sizes[0].mean() - sizes[1].mean()) < 4 * error
    assert np.abs(ops.convert_to_numpy(in_graph)).max() <= 0.5
    if norm == "l2":
        assert sizes[1].max() <= 0.5 + 1e-6


class TestOneLine:
    """Errors of the layer's call stay one line, although Keras appends all arguments to those of others."""

    def said(self, attack, *inputs, **values):
        with pytest.raises(UserError) as error:
            attack(*inputs, **values)
        assert "\n" not in str(error.value)
        return str(error.value)

    def test_no_gradient(self):
        attack = SourceAttack(SteppedVictim(), settings_of(draws=1))
        assert "has no gradient" in self.said(attack, *middle_grey())

    def test_a_channel_that_is_drawn_on_the_host(self, codec, photos):
        attack = SourceAttack(CodecVictim(codec, make_masking(TINY), bit_errors), settings_of())
        assert "bit_errors of type function: is drawn on the host only" in self.said(attack, *photos)

    def test_a_masking_that_is_drawn_on_the_host(self, codec, photos):
        def masking(count, generator):
            return UniformMasking(16, 8)(count, generator)

        for rule in (masking, MaskingAmong(masking, np.arange(16))):
            attack = SourceAttack(CodecVictim(codec, rule), settings_of())
            assert "masking of type" in self.said(attack, *photos)

    def test_draws_of_another_shape(self, codec, photos):
        attack = SourceAttack(CodecVictim(codec, make_masking(TINY)), settings_of())
        for other in (attack.at(EPSILON, 2), SourceAttack(attack.objective.victim, settings_of(draws=1))):
            draws = other.sample(photos[0].shape, seeded())
            assert "are [3, 8, ...]; draw them with" in self.said(attack, *photos, draws=draws)

    def test_a_start_that_is_missing_or_not_asked_for(self):
        images, labels = middle_grey()
        for wanted in (True, False):
            attack, other = (
                SourceAttack(MaskedLinearVictim(), settings_of(random_start=w)) for w in (wanted, not wanted)
            )
            said = self.said(attack, images, labels, draws=other.sample(images.shape, seeded()))
            assert f"{'missing' if wanted else 'given'} with random_start = {wanted}" in said

    def test_a_known_draw_and_a_batch_of_unknown_size(self, codec, photos):
        victim = CodecVictim(codec, make_masking(TINY), known=(make_masking(TINY)(4, seeded()),))
        attack = SourceAttack(victim, settings_of())
        assert attack(*photos).shape == photos[0].shape
        with pytest.raises(UserError, match="known: has one row per image"):
            victim.draw_in_graph(ops.convert_to_tensor(4), attack.seed)


def test_equation_7_in_the_layer_reaches_the_optimum_of_a_linear_loss():
    victim, (images, labels) = LinearVictim(), middle_grey()
    attack = SourceAttack(victim, SourceAttackSettings(epsilon=0.1, steps=7))
    best = images + 0.1 * np.sign(victim.ascent(labels))
    np.testing.assert_allclose(ops.convert_to_numpy(attack(images, labels)), best, atol=1e-6)
