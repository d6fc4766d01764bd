"""A step against descents written out by hand: all losses at once, and the stages of Algorithm 3."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import TrainSettings
from sc_sionna.settings.presets import make_preset
from sc_sionna.tasks import make_codec
from sc_sionna.training.losses import task_losses
from sc_sionna.training.step import make_step

RATE = 0.05
CODEC = {
    "encoder": {"dim": 16, "depth": 1, "num_heads": 2}, "decoder": {"dim": 16, "depth": 1, "num_heads": 2},
    "codebook": {"size": 16, "orthogonality_weight": 0.5}, "code_dim": 4,
    "importance": {"layers": (0,)}, "similarity": {"weight": 0.3},
}  # fmt: skip


def models() -> tuple[SemanticCodec, SemanticCodec]:
    """Two codecs of equal weights."""
    settings = make_preset("digits", "masked-vqvae+fim", codec=CODEC).codec
    keras.utils.set_random_seed(3)
    one, two = make_codec(settings).initialise(), make_codec(settings).initialise()
    two.set_weights(one.get_weights())
    return one, two


def inputs() -> tuple[np.ndarray, ...]:
    draws = np.random.default_rng(5)
    clean = draws.random((8, 32, 32, 3), np.float32)
    noisy = np.clip(clean + draws.uniform(-0.1, 0.1, clean.shape), 0, 1).astype(np.float32)
    keep = np.sort(np.argsort(draws.random((8, 64)), axis=1)[:, :32], axis=1).astype(np.int32)
    error = (draws.random((8, 32 * 4)) < 0.05).astype(np.int32)
    return clean, noisy, np.arange(8, dtype=np.int32), keep, np.full(8, 3.0, np.float32), error


def gradients(model: SemanticCodec, images, labels, keep, snr_db, error, names) -> list:
    with tf.GradientTape() as tape:
        outputs = model(images, keep, snr_db, error, labels, training=True)
        terms = task_losses(model, outputs, images, labels, keep, "classify", 0.0)
        total = sum(value for name, value in terms.items() if names is None or name in names)
    found = tape.gradient(total, [v.value for v in model.trainable_variables])
    return [np.zeros(v.shape, np.float32) if g is None else tf.convert_to_tensor(g).numpy() for g, v in
            zip(found, model.trainable_variables, strict=True)]  # fmt: skip


def descend_by_hand(model: SemanticCodec, images, rest, names, gamma: float) -> None:
    """θ ← θ − RATE · ∇L(θ + ν), ν = γ ‖θ‖ g / ‖g‖ for each kernel with its gradient g at θ, Eq. (10b)."""
    start = [v.numpy() for v in model.trainable_variables]
    found = gradients(model, images, *rest, names)
    if gamma:
        for variable, value, g in zip(model.trainable_variables, start, found, strict=True):
            size = np.linalg.norm(g)
            if value.ndim > 1 and variable.path.endswith("kernel") and size > 0:
                variable.assign(value + gamma * np.linalg.norm(value) * g / size)
        found = gradients(model, images, *rest, names)
    for variable, value, g in zip(model.trainable_variables, start, found, strict=True):
        variable.assign(value - RATE * g)


@pytest.mark.parametrize("procedure", ["joint", "algorithm3"])
@pytest.mark.parametrize("gamma", [0.0, 0.1])
def test_against_descents_by_hand(procedure, gamma):
    model, by_hand = models()
    clean, noisy, *rest = inputs()
    settings = TrainSettings(procedure=procedure, weight_perturbation=gamma, label_smoothing=0.0)
    optimizer = keras.optimizers.SGD(RATE)
    optimizer.build(model.trainable_variables)
    (terms, *_), finite = make_step(model, settings, "classify", optimizer)(clean, lambda: noisy, lambda _: rest)
    if procedure == "joint":
        descend_by_hand(by_hand, noisy, rest, None, gamma)
    else:
        descend_by_hand(by_hand, noisy, rest, {"task"}, gamma)
        descend_by_hand(by_hand, clean, rest, {"task", "codebook", "commitment", "orthogonality"}, 0.0)
        descend_by_hand(by_hand, noisy, rest, {"task", "importance", "similarity"}, 0.0)
    assert finite == 1.0
    assert {"task", "codebook", "commitment", "orthogonality", "importance", "similarity"} <= set(terms)
    for a, b in zip(model.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


def test_the_procedures_differ():
    found = []
    clean, noisy, *rest = inputs()
    for procedure in ("joint", "algorithm3"):
        model, _ = models()
        optimizer = keras.optimizers.SGD(RATE)
        optimizer.build(model.trainable_variables)
        step = make_step(model, TrainSettings(procedure=procedure), "classify", optimizer)
        step(clean, lambda: noisy, lambda _: rest)
        found.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_an_unknown_procedure_is_named():
    with pytest.raises(UserError, match="procedure = 'algorithm4'"):
        TrainSettings(procedure="algorithm4")
