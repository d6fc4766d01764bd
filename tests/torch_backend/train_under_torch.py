"""Run by `make test-torch` in an environment with PyTorch and neither TensorFlow nor Sionna."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

EXCHANGE = Path(__file__).resolve().parents[2] / "runs" / "torch-exchange"


def test_environment_has_neither_tensorflow_nor_sionna():
    assert importlib.util.find_spec("tensorflow") is None
    assert importlib.util.find_spec("sionna") is None


def test_two_steps_and_weights_for_tensorflow():
    import keras

    assert keras.backend.backend() == "torch"
    from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
    from sc_sionna.attacks.victim import CodecVictim
    from sc_sionna.data import load
    from sc_sionna.data.common import to_float
    from sc_sionna.semantic.codec import make_masking
    from sc_sionna.semantic.weights import save_weights
    from sc_sionna.settings import Preset
    from sc_sionna.settings.presets import make_preset
    from sc_sionna.tasks import load_codec
    from sc_sionna.training.loop import Trainer

    train = {"epochs": 1, "pretrain_epochs": 1, "batch_size": 64, "val_repeats": 1}
    adversarial = {"attack_epsilon": 0.05, "attack_steps": 1, "weight_perturbation": 0.005}
    preset: Preset = make_preset("digits", "masked-vqvae", train={**train, **adversarial})
    lines: list[dict] = []
    run_dir = EXCHANGE / "run"
    for old in run_dir.glob("*"):
        old.unlink()
    model = Trainer(
        preset, load("digits", "train").head(128), load("digits", "val").head(32), run_dir, lines.append
    ).run()
    assert len(lines) == 2  # a stage each, two steps an epoch
    assert all(np.isfinite(line["task"]) for line in lines)
    save_weights(EXCHANGE, preset, model, {}, "make test-torch")
    stored, _ = load_codec("digits", "masked-vqvae", EXCHANGE)
    images = to_float(load("digits", "val").pixels[:8])
    keep = make_masking(preset.codec)(8, np.random.default_rng(0))
    bit_errors = np.random.default_rng(1).integers(0, 2, (8, 192)).astype(np.int32)
    outputs = stored(images, keep, np.zeros(8, np.float32), bit_errors)
    victim = CodecVictim(stored, make_masking(preset.codec), snr_db=0.0)
    attack = SourceAttack(victim, SourceAttackSettings(epsilon=0.05, steps=3, draws=2, batch_size=8))
    outputs["attacked"] = attack.craft(images, load("digits", "val").labels[:8], np.random.default_rng(2)).images
    named = {k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()}
    np.savez(EXCHANGE / "outputs.npz", images=images, keep=keep, bit_errors=bit_errors, **named)


def test_calibration_that_is_not_shipped_says_what_to_do():
    from sc_sionna.core.errors import UserError
    from sc_sionna.settings import LinkSettings
    from sc_sionna.training.channel import ensure_calibration

    with pytest.raises(UserError, match="Sionna is not installed"):
        ensure_calibration(LinkSettings(), 777, [3.0], EXCHANGE)


def test_parts_of_a_batch_side_by_side_give_the_same_step(tmp_path):
    from sc_sionna.data import load
    from sc_sionna.settings.presets import make_preset
    from sc_sionna.training.loop import Trainer

    images = load("digits", "train").head(96), load("digits", "val").head(16)
    train = {"epochs": 1, "batch_size": 48, "val_repeats": 1, "reconstruction_weight": 0.2, "token_dropout": 0.5}
    preset = make_preset("digits", "masked-vqvae", train=train)
    lines: list[dict] = []
    for workers in (1, 3):
        Trainer(preset, *images, tmp_path / str(workers), lines.append, workers=workers).run()
    one, three = lines
    for name in ("task", "codebook", "reconstruction", "train_accuracy"):
        np.testing.assert_allclose(three[name], one[name], rtol=2e-3, err_msg=name)
    assert three["task"] != one["task"] or three["codebook"] != one["codebook"]  # the sums went another way


def test_a_part_that_is_not_finite_spoils_the_step_of_all(tmp_path):
    from sc_sionna.training.parallel import in_parts

    def gradients_of(x, absent):
        assert absent is None
        finite = float(np.isfinite(x).all())
        gradient = keras.ops.convert_to_tensor(np.where(finite, x.mean(), 0.0))
        return ({"mean": x.mean()}, None, keras.ops.convert_to_tensor(x)), finite, [gradient, None]

    import keras

    x = np.arange(5.0)
    aux, finite, gradients = in_parts(gradients_of, 2)(x, None)  # parts of 3 and 2
    assert finite == 1
    assert aux[0]["mean"] == 2.0
    assert aux[1] is None
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(aux[2]), x)
    assert float(gradients[0]) == 2.0
    assert gradients[1] is None
    _, finite, gradients = in_parts(gradients_of, 2)(np.array([0.0, 1.0, 2.0, np.nan, 4.0]), None)
    assert (finite, float(gradients[0])) == (0.0, 0.0)
