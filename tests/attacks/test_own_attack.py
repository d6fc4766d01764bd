"""An attack of the user's own in this one file, which differentiates the scheme: swept, drawn and replayed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks.threats import CustomThreat, random_sign_threat
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.backend import compile_function, value_and_input_grad
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.replay import replay_record
from sc_sionna.sweep import read_record

EPSILON = 0.3


class Doubt:
    """One signed step towards a flat distribution over the classes; it needs no label."""

    def __init__(self, victim: Callable[[], Victim], epsilon: float) -> None:
        self.victim, self.epsilon = victim(), epsilon
        self.slope = compile_function(
            lambda images, *draw: value_and_input_grad(lambda x: (self.spread(x, draw), ()), images)[1]
        )

    def spread(self, images, draw):
        logits = self.victim.outputs(images, *draw)["logits"]
        return ops.sum(ops.max(logits, axis=-1) - ops.mean(logits, axis=-1))

    def __call__(self, images: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        slope = ops.convert_to_numpy(self.slope(images, *self.victim.draw(len(images), generator)))
        return np.clip(images - np.float32(self.epsilon) * np.sign(slope), 0.0, 1.0)


def test_it_is_swept_drawn_and_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doubt = CustomThreat(attack=f"{__name__}:Doubt", options={"epsilon": EPSILON})
    control = random_sign_threat(EPSILON)
    settings = AccuracySettings(
        systems=("masked-vqvae",), snr_db=(12,), max_images=64, batch_size=32, threats=(doubt, control)
    )
    job = AccuracyExperiment(settings)
    run_and_save(job, "doubt", tmp_path, quiet=True)
    path = tmp_path / "records" / "doubt.json"
    record = read_record(path)
    assert (tmp_path / "figures" / "doubt.png").stat().st_size > 10_000
    value = {point.threat: point.value for point in record.points}
    assert value[None] > 0.85
    assert value[doubt.label] < value[control.label] - 0.2  # the gradient does more than noise of the same size
    assert doubt.label == f"{__name__}:Doubt, epsilon = {EPSILON}"
    assert __name__ in job.made_with()["plugins"]
    assert replay_record(path, 64, quiet=True) == 0
    assert "3 of 3 points agree" in capsys.readouterr().out
