"""Reconstruction from training to a figure: trained, attacked, swept, replayed and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.attacks.threats import source_threat
from sc_sionna.data import load
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.replay import replay_record
from sc_sionna.semantic.weights import save_weights
from sc_sionna.settings.presets import make_preset
from sc_sionna.sweep import Record, read_record
from sc_sionna.tasks.reconstruction import psnr_db, ssim
from sc_sionna.training.loop import Trainer
from tests.tiny_weights import TINY_DIGITS

NOISE = source_threat(0.1, steps=3, loss="reconstruction")
SWEEP = {
    "systems": ("masked-vqvae",), "snr_db": (-6, 30), "max_images": 64, "batch_size": 32, "threats": (NOISE,)
}  # fmt: skip


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record, AccuracyExperiment]:
    folder = tmp_path_factory.mktemp("reconstruction")
    train = {
        "epochs": 10, "batch_size": 64, "channel": "none", "warmup_epochs": 0.0, "learning_rate": 3e-3, "val_repeats": 1,
        "continuous_epochs": 4, "shift": 0,
    }  # fmt: skip
    codec = TINY_DIGITS.with_(task="reconstruction", masking={"ratio": 0.25}).model_dump()
    preset = make_preset("digits", "masked-vqvae", train=train).with_(codec=codec)
    images = load("digits", "train").head(768), load("digits", "val").head(96)
    model = Trainer(preset, *images, folder / "run", lambda line: None).run()
    save_weights(folder, preset, model, {}, "none")
    job = AccuracyExperiment(AccuracySettings(**SWEEP), weights=folder)
    return folder, run_and_save(job, "reconstruction", folder, quiet=True), job


def test_the_record_has_the_mean_over_images_of_every_point(swept) -> None:
    folder, record, job = swept
    assert read_record(folder / "records" / "reconstruction.json") == record
    values = {(p.snr_db, p.threat): p for p in record.points}
    assert {p.metric for p in record.points} == {"psnr_db"}
    clean, scheme = values[30.0, None], job.scheme("masked-vqvae")
    batches = [job.batch(number) for number in range(2)]
    shown = np.concatenate([scheme.transmit(batch, 30.0)["predictions"] for batch in batches])
    images = np.concatenate([batch.images for batch in batches])
    assert clean.value == pytest.approx(psnr_db(shown, images).mean(dtype=np.float64), abs=1e-9)
    assert clean.scores["ssim"].mean == pytest.approx(ssim(shown, images).mean(dtype=np.float64), abs=1e-9)
    # better than the mean image, and worse with errors on the air and with noise at the source
    mean = load("digits", "train").pixels.mean(axis=0) / 255
    assert clean.value > psnr_db(np.repeat(mean[None], 64, axis=0), images).mean() + 0.3
    assert values[-6.0, None].value < clean.value - 0.3
    assert values[30.0, NOISE.label].value < clean.value
    assert record.notes["error_free_accuracy"]["masked-vqvae"] == pytest.approx(clean.value, abs=1e-6)


def test_it_is_replayed_exactly_and_drawn(swept, capsys: pytest.CaptureFixture[str]) -> None:
    folder, record, _ = swept
    assert replay_record(folder / "records" / "reconstruction.json", 32, weights=folder, quiet=True) == 0
    printed = capsys.readouterr().out
    assert printed.count("  equal") == len(record.points)
    assert (folder / "figures" / "reconstruction.png").stat().st_size > 10_000


def test_nothing_of_a_batch_is_kept_after_the_sweep(swept) -> None:
    job = AccuracyExperiment(AccuracySettings(**SWEEP), weights=swept[0])
    run_and_save(job, "again", swept[0], quiet=True)
    scheme = job.scheme("masked-vqvae")
    assert not scheme._sent
    assert not scheme._error_free
    assert not job.noise._images
