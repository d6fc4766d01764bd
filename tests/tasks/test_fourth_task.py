"""A fourth task in this one file, trained, attacked, swept and drawn: how far an image has been turned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import layers, ops

from sc_sionna.attacks.threats import source_threat
from sc_sionna.core import rng
from sc_sionna.data import load
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.semantic.weights import save_weights
from sc_sionna.settings.presets import make_preset
from sc_sionna.sweep import read_record
from sc_sionna.sweep.metrics import ACCURACY
from sc_sionna.tasks import NoiseLoss, Task
from sc_sionna.tasks.classification import cross_entropy_per_image, mean_cross_entropy
from sc_sionna.training.loop import Trainer
from tests.tiny_weights import TINY_DIGITS

TURNS = 4


class TurnHead(layers.Layer):
    """One linear layer on all tokens, whose positions say what is up."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.out = layers.Dense(TURNS, dtype="float32", name="out")

    def call(self, tokens: Any) -> Any:
        return self.out(ops.reshape(tokens, (-1, tokens.shape[1] * tokens.shape[2])))


TURN_LOSS = NoiseLoss(lambda outputs, labels, _: cross_entropy_per_image({"logits": outputs["turn"]}, labels))


class Rotation(Task):
    """By how many quarters of a full turn an image has been turned."""

    output = "turn"
    metric = ACCURACY
    score_name = "accuracy"
    noise_loss = f"{__name__}:TURN_LOSS"
    chance = 1 / TURNS

    def heads(self):
        return {"turn": TurnHead(name="turn")}

    def pose(self, images, labels, generator):
        turns = generator.integers(0, TURNS, len(images)).astype(np.int32)
        return np.stack([np.rot90(image, turn) for image, turn in zip(images, turns, strict=True)]), turns

    def loss(self, outputs, targets, label_smoothing):
        return mean_cross_entropy(outputs["turn"], targets, label_smoothing)

    def prediction(self, output):
        return output.argmax(-1)

    def score(self, predictions, targets):
        return (predictions == targets).astype(np.float32)

    def counts(self, predictions, targets):
        return {"images": len(targets), "correct": int((predictions == targets).sum())}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A folder of weights, and the log of their training."""
    folder = tmp_path_factory.mktemp("rotation")
    train = {
        "epochs": 12,
        "batch_size": 64,
        "channel": "none",
        "warmup_epochs": 0.0,
        "learning_rate": 3e-3,
        "val_repeats": 1,
        "shift": 0,
    }
    adversarial = {"attack_epsilon": 0.02, "attack_steps": 1, "weight_perturbation": 0.005}
    codec = TINY_DIGITS.with_(task=f"{__name__}:Rotation", masking={"ratio": 0.0}).model_dump()
    preset = make_preset("digits", "masked-vqvae", train={**train, **adversarial}).with_(codec=codec)
    lines: list[dict[str, Any]] = []
    images = load("digits", "train").head(768), load("digits", "val").head(96)
    model = Trainer(preset, *images, folder / "run", lines.append).run()
    save_weights(folder, preset, model, {}, "none")
    return folder, lines


def test_training_learns_it(trained) -> None:
    lines = trained[1]
    assert [line["stage"] for line in lines] == ["classify"] * 12
    assert lines[-1]["task"] < lines[0]["task"]
    # under semantic noise, of 96 validation images: guessing gives 0.25 with a standard deviation of 0.044
    assert lines[-1]["best_val"] > 0.4


def test_a_sweep_counts_attacks_and_draws_it(trained, tmp_path: Path) -> None:
    noise = source_threat(0.1, steps=4, loss=Rotation.noise_loss)
    settings = AccuracySettings(
        systems=("masked-vqvae",), snr_db=(-6, 30), max_images=64, batch_size=32, threats=(noise,)
    )
    job = AccuracyExperiment(settings, weights=trained[0])
    record = run_and_save(job, "rotation", tmp_path, quiet=True)
    assert read_record(tmp_path / "records" / "rotation.json") == record
    assert (tmp_path / "figures" / "rotation.png").stat().st_size > 10_000
    value = {(p.snr_db, p.threat): p.value for p in record.points}
    assert record.notes["chance"] == 0.25
    assert value[30.0, None] > 0.45
    assert value[-6.0, None] < value[30.0, None]
    assert value[30.0, noise.label] < value[30.0, None]
    # the counts again, with the turns drawn anew: what is right is the turn, not the digit
    batch, scheme = job.batch(1), job.scheme("masked-vqvae")
    turns = rng.generator(1, "task", 1).integers(0, TURNS, 32)
    np.testing.assert_array_equal(batch.labels, turns)
    upright = job.images.pixels[32:64].astype(np.float32) / 255
    np.testing.assert_allclose(batch.images[0], np.rot90(upright[0], turns[0]))
    right = int((scheme.transmit(batch, 30.0)["predictions"] == turns).sum())
    first = next(p for p in record.points if (p.snr_db, p.threat) == (30.0, None))
    assert first.counts["correct"] == first.first_batch["correct"] + right
