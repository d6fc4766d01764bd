"""The training loop on the tasks that no scheme performs yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.settings.presets import make_preset
from sc_sionna.tasks.reconstruction import psnr_db
from sc_sionna.training.loop import Trainer
from tests.tiny_weights import TINY_DIGITS

TRAIN = {
    "epochs": 3,
    "batch_size": 64,
    "channel": "none",
    "warmup_epochs": 0.0,
    "val_repeats": 1,
    "learning_rate": 3e-3,
}


def train(task: str, folder: Path, **changes: Any) -> tuple[Trainer, list[dict[str, Any]]]:
    codec = TINY_DIGITS.with_(task=f"sc_sionna.tasks.{task}", masking={"ratio": 0.0}).model_dump()
    preset = make_preset("digits", "masked-vqvae", train={**TRAIN, **changes}).with_(codec=codec)
    lines: list[dict[str, Any]] = []
    trainer = Trainer(preset, load("digits", "train").head(256), load("digits", "val").head(48), folder, lines.append)
    trainer.run()
    return trainer, lines


def test_reconstruction_scores_the_clean_images(tmp_path: Path) -> None:
    trainer, lines = train("reconstruction:Reconstruction", tmp_path)
    assert lines[-1]["task"] < lines[0]["task"]
    images = to_float(trainer.val.pixels)
    keep = np.tile(np.arange(16, dtype=np.int32), (48, 1))
    received = ops.convert_to_numpy(trainer.model(images, keep, np.zeros(48, np.float32))["image"])
    assert lines[-1]["best_val"] == pytest.approx(float(psnr_db(received, images).mean()), abs=1e-3)


def test_retrieval_trains_against_noise_that_starts_beside_the_image(tmp_path: Path) -> None:
    trainer, lines = train("retrieval:Retrieval", tmp_path, epochs=25, attack_epsilon=0.02, attack_steps=1)
    assert trainer.attack is not None
    assert trainer.attack.settings.random_start
    assert lines[-1]["task"] < lines[0]["task"]
    # recall at 1 among 47 other digits under noise: guessing finds one of the same class in about a tenth of them
    assert lines[-1]["best_val"] > 0.3
