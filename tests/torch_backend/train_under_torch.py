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
    flips = np.random.default_rng(1).integers(0, 2, (8, 192)).astype(np.int32)
    outputs = stored(images, keep, np.zeros(8, np.float32), flips)
    victim = CodecVictim(stored, make_masking(preset.codec), snr_db=0.0)
    attack = SourceAttack(victim, SourceAttackSettings(epsilon=0.05, steps=3, draws=2, batch_size=8))
    outputs["attacked"] = attack.craft(images, load("digits", "val").labels[:8], np.random.default_rng(2)).images
    named = {k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()}
    np.savez(EXCHANGE / "outputs.npz", images=images, keep=keep, flips=flips, **named)


def test_calibration_that_is_not_shipped_says_what_to_do():
    from sc_sionna.core.errors import UserError
    from sc_sionna.settings import LinkSettings
    from sc_sionna.training.channel import ensure_calibration

    with pytest.raises(UserError, match="Sionna is not installed"):
        ensure_calibration(LinkSettings(), 777, [3.0], EXCHANGE)
