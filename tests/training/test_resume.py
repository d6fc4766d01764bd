"""A training goes on only from the same inputs, alone in its folder, and ends as if nobody had killed it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.core import code_identity, plugins
from sc_sionna.core.errors import UserError
from sc_sionna.data import Images, load
from sc_sionna.semantic.weights import save_weights
from sc_sionna.settings import LinkSettings, Preset
from sc_sionna.tasks import make_codec
from sc_sionna.training import channel
from sc_sionna.training.calibration_file import locked_calibration, write_calibration
from sc_sionna.training.channel import TrainingChannel, calibration_key
from sc_sionna.training.loop import Trainer
from sc_sionna.training.run_folder import RunFolder
from tests.training.test_loop import small_preset

Parts = tuple[Images, Images]
PAYLOAD = 128  # 32 indices of 4 bits
SHORT = {"pretrain_epochs": 0, "epochs": 1}


class Killed(BaseException):
    """Stands for SIGKILL, since nothing catches it; `sc-sionna fuzz trainings` sends real ones."""


@pytest.fixture(scope="module", autouse=True)
def uncompiled() -> Iterator[None]:
    """Steps without a graph, which takes ten times as long to build as these trainings take to run."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def images() -> Parts:
    return load("digits", "train").head(32), load("digits", "val").head(16)


def refused(trainer: Trainer, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        trainer.run()
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in (*words, "checkpoint.npz: belongs to other", "--fresh")), message


def lines_of(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{**line, "seconds": 0} for line in lines]


# ---------------------------------------------------------------- the same inputs


@pytest.mark.parametrize("finished", [False, True])
def test_other_images(images: Parts, tmp_path: Path, finished: bool) -> None:
    def stop(line: dict[str, Any]) -> None:
        if not finished:
            raise Killed

    preset = small_preset(pretrain_epochs=0, epochs=2)
    with contextlib.suppress(Killed):
        Trainer(preset, *images, tmp_path, stop).run()
    more, fewer = load("digits", "train").head(256), load("digits", "val").head(8)
    refused(Trainer(preset, more, images[1], tmp_path), "training images.count was 32, now 256")
    refused(Trainer(preset, images[0], fewer, tmp_path), "validation images.count was 16, now 8")
    other = replace(images[0], pixels=255 - images[0].pixels)
    refused(Trainer(preset, other, images[1], tmp_path), "training images.sha256 was")
    seen: list[dict[str, Any]] = []
    Trainer(preset, *images, tmp_path, seen.append).run()
    assert [line["epoch"] for line in seen] == ([] if finished else [2])  # the same images are no other ones


def test_another_start_from(images: Parts, tmp_path: Path) -> None:
    preset = small_preset(**SHORT)
    source = make_codec(preset.codec).initialise()
    first = save_weights(tmp_path / "first", preset, source, {}, "")
    source.set_weights([w + np.float32(0.01) for w in source.get_weights()])
    second = save_weights(tmp_path / "second", preset, source, {}, "")
    Trainer(preset, *images, tmp_path / "run", start_from=first).run()
    refused(Trainer(preset, *images, tmp_path / "run", start_from=second), "start_from was ")
    refused(Trainer(preset, *images, tmp_path / "run"), "start_from was ", "now null")
    first.rename(first.with_name("renamed.weights.h5"))
    (first.parent / "digits-masked-vqvae.json").rename(first.parent / "renamed.json")
    Trainer(preset, *images, tmp_path / "run", start_from=first.with_name("renamed.weights.h5")).run()


def calibrate(folder: Path, rate: float) -> Preset:
    """A preset with a link of its own, and a calibration of it in ``folder``: every image has bit error rate ``rate``."""
    preset = small_preset(**SHORT, channel="calibrated")
    preset = preset.with_(link=preset.link.with_(num_iter=7))
    path = folder / f"{calibration_key(preset.link, PAYLOAD)}.json"
    table = {"quantiles": {repr(float(preset.train.snr_db)): [rate, rate]}}
    folder.mkdir(exist_ok=True)
    write_calibration(path, table | {"link": preset.link.model_dump(), "payload_bits": PAYLOAD, "images": 2})
    return preset


def test_another_calibration(images: Parts, tmp_path: Path) -> None:
    preset = calibrate(tmp_path, 0.1)
    Trainer(preset, *images, tmp_path).run()
    calibrate(tmp_path, 0.2)
    refused(Trainer(preset, *images, tmp_path), "calibration was ")
    calibrate(tmp_path, 0.1)
    Trainer(preset, *images, tmp_path).run()


def edit(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a file of the package have other contents."""
    true = code_identity._digest
    monkeypatch.setattr(code_identity, "_digest", lambda path: "0" * 16 if path.name == name else true(path))


def test_edited_code(images: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Trainer(small_preset(**SHORT), *images, tmp_path).run()
    for name in ("fuzz.py", "progress.py", "training_kills.py"):  # which train nothing
        edit(monkeypatch, name)
    Trainer(small_preset(**SHORT), *images, tmp_path).run()
    edit(monkeypatch, "losses.py")
    refused(
        Trainer(small_preset(**SHORT), *images, tmp_path),
        "code.sc_sionna.training.losses was",
        'now "0000000000000000"',
    )
    Trainer(small_preset(**SHORT), *images, tmp_path, fresh=True).run()


def test_every_module_that_trains_is_compared(images: Parts, tmp_path: Path) -> None:
    compared = set(Trainer(small_preset(**SHORT), *images, tmp_path).state["inputs"]["code"])
    wanted = (
        "training.loop", "training.step", "training.channel", "tasks.classification", "semantic.codec", "data.common",
        "attacks.source", "core.backend.tensorflow", "core.backend.torch", "phy.link", "settings.training",
    )  # fmt: skip
    assert {f"sc_sionna.{name}" for name in wanted} <= compared
    assert not [name for name in compared if ".cli" in name or ".figures" in name or ".reliability" in name]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task of the user's own, whose number a module beside it holds, and a channel."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "own_number.py").write_text("NUMBER = 1.0\n")
    (folder / "own_task.py").write_text(
        "from sc_sionna.tasks.classification import Classification\nimport own_number\n\n\n"
        "class Mine(Classification):\n    def loss(self, *arguments):\n"
        "        return own_number.NUMBER * super().loss(*arguments)\n"
    )
    (folder / "own_channel.py").write_text("class Mine:\n    pass\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(plugins, "_allowed", {"own_task", "own_channel"})
    for name in ("own_task", "own_number", "own_channel"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


@pytest.mark.parametrize("name", ["own_task", "own_number"])
def test_an_edited_plug_in_and_what_it_imports(images: Parts, own: Path, tmp_path: Path, name: str) -> None:
    preset = small_preset(**SHORT)
    preset = preset.with_(codec=preset.codec.with_(task="own_task:Mine"))
    Trainer(preset, *images, tmp_path / "run").run()
    Trainer(preset, *images, tmp_path / "run").run()
    path = own / f"{name}.py"
    path.write_text(path.read_text() + "# edited\n")
    refused(Trainer(preset, *images, tmp_path / "run"), f"plugins.{name} was")
    Trainer(preset, *images, tmp_path / "run", fresh=True).run()


def test_an_edited_channel_has_a_calibration_of_its_own(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = LinkSettings(channel="own_channel:Mine")
    before, plain = calibration_key(link, PAYLOAD), calibration_key(LinkSettings(), PAYLOAD)
    assert calibration_key(link, PAYLOAD) == before
    path = own / "own_channel.py"
    path.write_text(path.read_text() + "# edited\n")
    assert calibration_key(link, PAYLOAD) != before
    assert calibration_key(LinkSettings(), PAYLOAD) == plain
    assert "own_channel" not in sys.modules  # to name a calibration runs nothing


# ---------------------------------------------------------------- alone in the folder


def test_a_second_training_in_the_folder(images: Parts, tmp_path: Path) -> None:
    messages: list[str] = []

    preset = small_preset(pretrain_epochs=0, epochs=2)

    def another(line: dict[str, Any]) -> None:
        for fresh in (False, True):
            with pytest.raises(
                UserError, match=r"in use by another training \(process \d+\); wait for it, or"
            ) as error:
                Trainer(preset, *images, tmp_path / "run", fresh=fresh).run()
            messages.append(str(error.value))

    together = Trainer(preset, *images, tmp_path / "run", another).run()
    assert len(messages) == 2 * 2
    assert not any("\n" in message for message in messages)
    alone = Trainer(preset, *images, tmp_path / "alone").run()
    for a, b in zip(together.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert lines_of(tmp_path / "run") == lines_of(tmp_path / "alone")


def test_a_calibration_is_measured_only_under_the_folder_s_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = small_preset(**SHORT, channel="calibrated")
    preset = preset.with_(link=preset.link.with_(num_iter=7))
    model, folder = make_codec(preset.codec).initialise(), RunFolder(tmp_path)
    measured = []

    def measure(*_: Any) -> np.ndarray:
        with pytest.raises(UserError, match="in use by another training"), RunFolder(tmp_path).locked():
            pass
        measured.append(1)
        return np.full(8, 0.25)

    monkeypatch.setattr(channel, "measure_rates", measure)
    with folder.locked():
        before = sorted(tmp_path.iterdir())
        with pytest.raises(UserError, match="in use by another training"):
            TrainingChannel(preset, model, tmp_path, RunFolder(tmp_path).locked)
        assert sorted(tmp_path.iterdir()) == before
    assert not measured
    for _ in range(2):
        found = TrainingChannel(preset, model, tmp_path, folder.locked)
        assert found.calibration_sha256 is not None
    assert len(measured) == 1
    assert len(list(tmp_path.glob("*.json"))) == 1


# ---------------------------------------------------------------- killed and gone on


def in_second_stage(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the steps of the second stage's first epoch, before its checkpoint."""
    true = trainer.validation.score

    def score(task: str, quantise: bool = True) -> float:
        if task == "classify":
            raise Killed
        return true(task, quantise)

    monkeypatch.setattr(trainer.validation, "score", score)


def between_stages(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first stage's weights are about to be written."""

    def finished(task: str) -> None:
        raise Killed

    monkeypatch.setattr(trainer, "finished", finished)


def before_log(count: int) -> Callable[[Trainer, pytest.MonkeyPatch], None]:
    """After checkpoint number ``count``, before its log."""

    def prepare(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
        left = [count]
        true = trainer.folder._write_log

        def write(lines: list[dict[str, Any]]) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            true(lines)

        monkeypatch.setattr(trainer.folder, "_write_log", write)

    return prepare


@pytest.fixture(scope="module")
def whole(images: Parts, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("whole")
    return Trainer(two_stages(), *images, folder).run().get_weights(), lines_of(folder)


def two_stages() -> Preset:
    return small_preset(pretrain_epochs=2, epochs=2)


@pytest.mark.parametrize(
    ("kill", "logged"),
    [(in_second_stage, 2), (between_stages, 2), (before_log(1), 0), (before_log(2), 1), (before_log(4), 2)],
    ids=["in the second stage", "between stages", "before the first log", "before a log", "before a log of stage 2"],
)
def test_killed_and_gone_on_equals_uninterrupted(
    images: Parts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: tuple[list[np.ndarray], list[dict[str, Any]]],
    kill: Callable[[Trainer, pytest.MonkeyPatch], None],
    logged: int,
) -> None:
    killed = Trainer(two_stages(), *images, tmp_path)
    kill(killed, monkeypatch)
    with pytest.raises(Killed):
        killed.run()
    log = tmp_path / "log.jsonl"
    assert (lines_of(tmp_path) if log.is_file() else []) == whole[1][:logged]
    resumed = Trainer(two_stages(), *images, tmp_path).run()
    for a, b in zip(whole[0], resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert lines_of(tmp_path) == whole[1]


def test_what_killed_writers_left_is_removed_and_nothing_else(images: Parts, tmp_path: Path) -> None:
    preset, key = small_preset(**SHORT), "0123456789abcdef"
    run, out = tmp_path / "run", tmp_path / "out"
    left = [run / f".{name}.a1b2c3d4" for name in ("checkpoint.npz", "log.jsonl", f"{key}.json")] + [
        run / f".{key}.lock"
    ]
    name = "digits-masked-vqvae"
    left += [out / f".{name}.weights.h5.a1b2c3d4", out / f".{name}.json.a1b2c3d4", out / f".{name}.lock"]
    left += [out / f".{name}.scratch" / "full.weights.h5"]
    others = [run / ".mine.lock", run / f"{key}.json", run / ".checkpoint.npz.kept-by-me", out / ".other.json.a1b2c3d4"]
    busy = run / ".fedcba9876543210.json.a1b2c3d4"
    for path in (*left, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left")
    with locked_calibration(run / "fedcba9876543210.json"):
        busy.write_text("being written")
        model = Trainer(preset, *images, run).run()
        assert busy.is_file()  # another process measures into it
    save_weights(out, preset, model, {}, "")
    assert [path for path in left if path.exists()] == []
    assert not (out / f".{name}.scratch").exists()
    assert all(path.read_text() == "left" for path in others)
    assert sorted(p.name for p in run.iterdir() if p not in others) == [
        busy.name,
        ".lock",
        "checkpoint.npz",
        "log.jsonl",
    ]
