"""The loop on a real, small problem: it learns, resumes exactly, and its files are checked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.semantic.weights import read_description, save_weights
from sc_sionna.settings import Preset
from sc_sionna.settings.presets import make_preset
from sc_sionna.tasks import load_codec, make_codec
from sc_sionna.training import checkpoint
from sc_sionna.training.channel import CalibratedChannel
from sc_sionna.training.loop import Trainer
from sc_sionna.training.step import make_step

SMALL = {"encoder": {"dim": 16, "depth": 1, "num_heads": 2}, "decoder": {"dim": 16, "depth": 1, "num_heads": 2}}


def small_preset(**train) -> Preset:
    settings = {"epochs": 2, "pretrain_epochs": 1, "batch_size": 32, "channel": "none", "val_repeats": 1}
    return make_preset(
        "digits", "masked-vqvae", codec={**SMALL, "codebook": {"size": 16}, "code_dim": 4}, train={**settings, **train}
    )


@pytest.fixture(scope="module")
def images():
    return load("digits", "train").head(256), load("digits", "val").head(64)


def test_it_learns(tmp_path):
    lines = []
    preset = small_preset(epochs=12, pretrain_epochs=0, learning_rate=5e-3, warmup_epochs=1.0, shift=0)
    Trainer(preset, load("digits", "train"), load("digits", "val"), tmp_path, lines.append).run()
    assert lines[-1]["task"] < 0.8 * lines[0]["task"]
    assert lines[-1]["best_val"] > 0.25  # chance is 0.1 with a standard error of 0.025
    for line in lines:
        assert 1 <= line["perplexity"] <= line["codes_used"] <= 16
    assert [json.loads(x)["epoch"] for x in (tmp_path / "log.jsonl").read_text().splitlines()] == list(range(1, 13))


@pytest.mark.slow
def test_stopped_and_resumed_equals_uninterrupted(images, tmp_path):
    preset = small_preset(epochs=3)
    whole = Trainer(preset, *images, tmp_path / "whole").run()

    class Stop(Exception):
        pass

    def stop_at(stage, epoch):
        def report(line):
            if (line["stage"], line["epoch"]) == (stage, epoch):
                raise Stop

        return report

    for stage, epoch in (("reconstruct", 1), ("classify", 1), ("classify", 2)):
        with pytest.raises(Stop):
            Trainer(preset, *images, tmp_path / "parts", stop_at(stage, epoch)).run()
    parts = Trainer(preset, *images, tmp_path / "parts").run()
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sigkill_then_resume(tmp_path):
    script = textwrap.dedent(
        f"""
        from sc_sionna.core.startup import start_backend
        start_backend()
        from pathlib import Path
        from sc_sionna.data import load
        from sc_sionna.training.loop import Trainer
        from tests.training.test_loop import small_preset
        images = load("digits", "train").head(64), load("digits", "val").head(32)
        model = Trainer(small_preset(epochs=400, pretrain_epochs=0), *images, Path({str(tmp_path)!r})).run()
        """
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root, env={**os.environ})
    log = tmp_path / "log.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.is_file() and len(log.read_text().splitlines()) >= 3):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    state, arrays = checkpoint.load(tmp_path / "checkpoint.npz", make_codec(small_preset().codec).initialise())
    assert state["epoch"] >= 3
    assert all(np.isfinite(a).all() for a in arrays.values())
    resumed = Trainer(
        small_preset(epochs=400, pretrain_epochs=0),
        load("digits", "train").head(64),
        load("digits", "val").head(32),
        tmp_path,
    )
    assert resumed._resume() is not None
    assert resumed.state["epoch"] == state["epoch"]


def test_a_training_of_no_epochs_is_one_line_that_names_the_setting(images, tmp_path):
    with pytest.raises(UserError, match="epochs = 0: nothing to train; set epochs or pretrain_epochs to at least 1"):
        Trainer(small_preset(epochs=0, pretrain_epochs=0), *images, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_checkpoint_of_other_settings_or_truncated(images, tmp_path):
    Trainer(small_preset(epochs=1), *images, tmp_path).run()
    with pytest.raises(UserError, match=r"belongs to other settings \(train.epochs was 1, now 2\)"):
        Trainer(small_preset(epochs=2), *images, tmp_path).run()
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="truncated or no checkpoint"):
        Trainer(small_preset(epochs=1), *images, tmp_path).run()


def test_non_finite_step_is_skipped_and_counted(images, tmp_path):
    trainer = Trainer(small_preset(epochs=1, pretrain_epochs=0), *images, tmp_path)
    optimizer = trainer._optimizer(1)
    optimizer.build(trainer.model.trainable_variables)
    step = make_step(trainer.model, trainer.settings, "classify", optimizer)
    before = [w.copy() for w in trainer.model.get_weights()]
    bad = np.full((4, 32, 32, 3), np.nan, np.float32)
    keep = trainer.masking(4, np.random.default_rng(0))
    inputs = (np.arange(4, dtype=np.int32), keep, np.zeros(4, np.float32), np.zeros((4, 128), np.int32))
    _, finite = step(bad, lambda: bad, lambda _: inputs)
    assert finite == 0.0
    for a, b in zip(before, trainer.model.get_weights(), strict=True):
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("revive", [True, False])
def test_unused_codes_are_moved_unless_that_is_switched_off(images, tmp_path, revive):
    lines: list[dict] = []
    preset = small_preset(epochs=3, pretrain_epochs=0)
    codec = preset.codec.with_(codebook={"size": 4096, "revive": revive})
    Trainer(preset.with_(codec=codec), *images, tmp_path, lines.append).run()
    assert all(line["codes_used"] < 4096 for line in lines)
    assert [line["codes_replaced"] == 4096 - line["codes_used"] for line in lines[:-1]] == [revive] * 2
    assert lines[-1]["codes_replaced"] == 0
    assert revive or not any(line["codes_replaced"] for line in lines)


def test_calibrated_channel_draws_the_rates_it_was_given():
    channel = CalibratedChannel(np.array([0.0, 0.0, 0.1, 0.2]))
    flips = channel.error(20000, 64, np.random.default_rng(0))
    rate = flips.mean(axis=1)
    # one third of the images are error-free, the rest is uniform on [0, 0.2]: mean 2/3 · 0.1
    mean, error = rate.mean(), rate.std() / np.sqrt(len(rate))
    assert abs(mean - (0.05 + 0.15) / 3) / error < 4
    assert (flips.sum(1) == 0).mean() > 1 / 3


def test_weights_round_trip_in_half_precision(tmp_path):
    preset = small_preset()
    model = make_codec(preset.codec).initialise()
    save_weights(tmp_path, preset, model, {"name": "accuracy", "value": 0.5}, "train")
    loaded, described = load_codec("digits", "masked-vqvae", tmp_path)
    assert described == preset
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a.astype(np.float16).astype(np.float32), b)


@pytest.mark.parametrize("damage", ["truncate", "version", "json", "missing"])
def test_damaged_weights_are_one_clear_line(tmp_path, damage):
    preset = small_preset()
    path = save_weights(tmp_path, preset, make_codec(preset.codec).initialise(), {}, "train")
    described = tmp_path / "digits-masked-vqvae.json"
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "version":
        described.write_text(json.dumps({**json.loads(described.read_text()), "format": 99}))
    elif damage == "json":
        described.write_text(described.read_text()[:50])
    else:
        path.unlink()
    words = {"truncate": "SHA-256 differs", "version": "format 99", "json": "truncated", "missing": "not in"}
    with pytest.raises(UserError, match=words[damage]) as error:
        read_description(tmp_path, "digits", "masked-vqvae")
    assert "\n" not in str(error.value)
