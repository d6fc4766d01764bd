"""What a user meets on the command line: one clear line and exit code 2 for bad input, and nothing half-written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import sc_sionna
from sc_sionna.cli.main import app, run_command
from sc_sionna.core.errors import UserError
from sc_sionna.sweep import write_record
from sc_sionna.sweep.store import _lock
from tests.sims.helpers import ROOT, invoke_sim
from tests.sweep.fakes import accuracy_record


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in a folder of their own, so that what they write by default is seen."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def accuracy(*arguments: str) -> Result:
    systems = () if "--systems" in arguments else ("--systems", "masked-vqvae,jpeg-ldpc")
    return invoke_sim("accuracy_vs_snr", [*arguments, *systems, "--epsilon", "0", "--max-images", "8"])


def refused(result: Result, *words: str) -> str:
    """The one line on stderr of a command that ended with code 2 and printed nothing else."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr
    return result.stderr


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mnist",), ("preset = 'mnist': unknown", "choose digits, cifar10, paper")),
        (("digits", "--system", "telepathy"), ("system = 'telepathy': unknown", "masked-vqvae")),
        (("digits", "--dataset", "mnist"), ("dataset = 'mnist': unknown", "--data-dir")),
        (("digits", "--set", "link.channel=rice"), ("channel = 'rice': unknown", "rayleigh")),
        (("digits", "--set", "link.precoder=zf"), ("precoder = 'zf': unknown",)),
        (("digits", "--set", "codec.masking.rule=random"), ("masking.rule = 'random': unknown",)),
        (("digits", "--set", "codec.dims=32"), ("unknown setting 'dims' of CodecSettings",)),
        (("digits", "--set", "model.dim=32"), ("--set 'model.dim=32': unknown", "GROUP")),
        (("digits", "--set", "codec.masking.ratio=1.0"), ("masking.ratio = 1.0", "[0, 1)")),
        (("digits", "--set", "codec.masking.ratio=-0.1"), ("masking.ratio = -0.1", "[0, 1)")),
        (("digits", "--set", "codec.masking.ratio=half"), ("masking.ratio = 'half'",)),
        (("digits", "--set", "link.num_streams=5"), ("num_streams = 5", "set num_streams <= 4", "beyond_rank")),
        (("digits", "--set", "link.num_streams=9"), ("num_streams = 9", "set num_streams <= 8")),
        (("digits", "--set", "train.snr_db=NaN"), ("snr_db = 'NaN'",)),
        (("digits", "--set", "codec.num_classes=7"), ("10 classes, the preset has 7", "codec.num_classes=10")),
        (("digits", "--data-dir", "nowhere"), ("nowhere/digits: no such folder", "--data-dir")),
        (("digits", "--start-from", "nowhere.weights.h5"), ("nowhere.weights.h5: no such file",)),
        (("paper",), ("dataset = 'imagenette': unknown",)),
    ],
)
def test_train_refuses_in_one_line(elsewhere: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    late = ("link.channel=rice", "link.precoder=zf", "codec.masking.rule=random")  # found out where the model is built
    if any(change in arguments for change in late):
        arguments = (*arguments, "--set", "train.channel=link")
    refused(command("train", *arguments, "--quiet"), *words)
    assert not [f for f in files(elsewhere) if Path(f).suffix]  # no file, at most folders


@pytest.mark.parametrize("option", ["--out", "--run-dir"])
def test_train_asks_whether_it_can_write_before_it_trains(elsewhere: Path, option: str) -> None:
    (elsewhere / "file").write_text("kept")
    refused(command("train", "digits", option, "file/below", "--quiet"), "file/below: cannot be written")
    assert [f for f in files(elsewhere) if Path(f).suffix] == []
    assert (elsewhere / "file").read_text() == "kept"


@pytest.mark.slow
def test_a_fresh_training_that_cannot_begin_forgets_nothing_and_one_that_can_only_its_own(elsewhere: Path) -> None:
    run = elsewhere / "runs"
    small = [
        "codec.encoder.dim=16",
        "codec.encoder.depth=1",
        "codec.encoder.num_heads=2",
        "codec.decoder.depth=0",
        "train.epochs=1",
    ]
    changes = [x for change in [*small, "train.channel=none", "train.val_repeats=1"] for x in ("--set", change)]
    arguments = ["train", "digits", *changes, "--max-images", "64", "--run-dir", "runs", "--out", "weights", "--quiet"]
    result = command(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert files(elsewhere / "weights") == ["digits-masked-vqvae.json", "digits-masked-vqvae.weights.h5"]
    (run / "thesis.txt").write_text("in the same folder")
    kept = {name: (run / name).read_bytes() for name in ("checkpoint.npz", "log.jsonl", "thesis.txt")}
    refused(command(*arguments, "--fresh", "--data-dir", "nowhere"), "no such folder")
    assert {name: (run / name).read_bytes() for name in kept} == kept
    other = [*arguments, "--set", "train.learning_rate=0.01"]
    refused(command(*other), "checkpoint.npz: belongs to other settings", "--fresh")
    assert command(*other, "--fresh").exit_code == 0
    assert (run / "thesis.txt").read_text() == "in the same folder"
    assert (run / "log.jsonl").read_bytes() != kept["log.jsonl"]


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_train_refuses_weights_to_start_from_that_are_none(elsewhere: Path, damage: str) -> None:
    weights = elsewhere / "digits-masked-vqvae.weights.h5"
    packaged = Path(sc_sionna.__file__).parent / "weights"
    content = (packaged / weights.name).read_bytes()
    weights.write_bytes({"truncated": content[:-5000], "text": b"hello", "empty": b""}[damage])
    refused(command("train", "digits", "--start-from", str(weights), "--quiet"), str(weights))
    shutil.copy(packaged / "digits-masked-vqvae.json", elsewhere)
    refused(command("train", "digits", "--start-from", str(weights), "--quiet"), str(weights))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--systems", "telepathy"), ("system = 'telepathy': unknown", "jpeg-ldpc")),
        (("--systems", "jpeg-ldpc,jpeg-ldpc"), ("one occurs twice",)),
        (("--dataset", "mnist"), ("weights 'mnist-masked-vqvae': not in",)),
        (("--weights", "nowhere"), ("weights 'digits-masked-vqvae': not in nowhere", "sc_sionna train digits")),
        (("--data-dir", "nowhere"), ("nowhere/digits: no such folder",)),
        (("--set", "link.channel=rice"), ("channel = 'rice': unknown", "rayleigh")),
        (("--set", "link.channel=nowhere:Rice"), ("channel = 'nowhere:Rice': cannot import 'nowhere'",)),
        (("--set", "link.precoder=zf"), ("precoder = 'zf': unknown",)),
        (("--set", "link.num_streams=8"), ("num_streams = 8", "beyond_rank = true to show the floor")),
        (("--set", "link.stream=2"), ("unknown setting 'stream' of LinkSettings",)),
        (("--set", "jpeg.quality=100"), ("unknown; write GROUP.NAME=VALUE with GROUP one of link, stop",)),
        (("--systems", "jpeg-ldpc[source.quality=100]"), ("quality = 100",)),
        (("--set", "stop.half_width=2"), ("half_width = 2",)),
        (("--snr-db", "0:3"), ("snr_db = '0:3'", "START:STOP:STEP")),
        (("--snr-db", "3:0:1"), ("STOP >= START",)),
        (("--snr-db", "0:nan:1"), ("not finite",)),
        (("--snr-db", "3,3"), ("occurs twice",)),
        (("--snr-db", "0:1:5e-324"), ("more than 1000 points",)),
        (("--snr-db=-1e308:1e308:1",), ("more than 1000 points",)),
    ],
)
def test_a_sweep_refuses_in_one_line_and_writes_nothing(
    elsewhere: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(accuracy(*arguments), *words)
    assert files(elsewhere) == []


def image_folder(folder: Path, size: int = 32) -> Path:
    noise = np.random.default_rng(0)
    for split, count in (("train", 10), ("test", 2)):
        for name in "0123456789":
            target = folder / "digits" / split / name
            target.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(noise.integers(0, 256, (size, size, 3), dtype=np.uint8)).save(target / f"{i}.png")
    return folder


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.write_bytes(b""), "an empty file (0 bytes)"),
        (lambda p: p.write_bytes(p.read_bytes()[:100]), "not a readable image"),
        (lambda p: Image.new("RGB", (16, 16)).save(p), "16 x 16 pixels, 32 x 32 wanted"),
        (lambda p: Image.new("RGB", (32, 24)).save(p), "24 x 32 pixels, 32 x 32 wanted"),
    ],
)
def test_a_bad_image_is_named(elsewhere: Path, tmp_path: Path, damage, words: str) -> None:
    image_folder(tmp_path / "data")
    path = tmp_path / "data" / "digits" / "test" / "4" / "1.png"
    damage(path)
    refused(accuracy("--data-dir", str(tmp_path / "data")), str(path), words)
    assert files(elsewhere) == []


def test_a_folder_without_images_or_with_other_images_is_named(elsewhere: Path, tmp_path: Path) -> None:
    image_folder(tmp_path / "large", size=48)
    refused(accuracy("--data-dir", str(tmp_path / "large")), "48 x 48 pixels, 32 x 32 wanted")
    image_folder(tmp_path / "few")
    for split in ("train", "test"):  # the classes are those of the training set
        shutil.rmtree(tmp_path / "few" / "digits" / split / "9")
    refused(accuracy("--data-dir", str(tmp_path / "few")), "9 classes, the weights of 'digits' know 10")
    for path in (tmp_path / "few").rglob("*.png"):
        path.unlink()
    refused(accuracy("--data-dir", str(tmp_path / "few")), "no images in it")
    refused(command("train", "digits", "--data-dir", str(tmp_path / "few")), "no images in it")
    shutil.rmtree(tmp_path / "few" / "digits")
    (tmp_path / "few" / "digits").write_text("a file")
    refused(accuracy("--data-dir", str(tmp_path / "few")), "no such folder")
    assert files(elsewhere) == []


def test_a_grey_image_is_converted(compiled_systems, tmp_path: Path) -> None:
    image_folder(tmp_path / "data")
    for path in (tmp_path / "data" / "digits" / "test").rglob("*.png"):
        Image.open(path).convert("L").save(path)
    result = accuracy("--data-dir", str(tmp_path / "data"), "--snr-db", "40", "--systems", "masked-vqvae", "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")


def test_an_output_folder_that_cannot_be_written_is_named(elsewhere: Path, compiled_systems) -> None:
    (elsewhere / "file").write_text("kept")
    refused(accuracy("--out", "file/below"), "file/below", "cannot be written", "choose another --out")
    refused(invoke_sim("overhead", ["--out", "file"]), "cannot be written")
    refused(command("calibrate", "digits", "--out", "file", "--images", "64"), "file: cannot be written")
    assert files(elsewhere) == ["file"]
    assert (elsewhere / "file").read_text() == "kept"


def test_two_sweeps_on_one_store_are_refused(elsewhere: Path, compiled_systems) -> None:
    arguments = ("--snr-db", "40", "--systems", "masked-vqvae", "--quiet")
    assert accuracy(*arguments).exit_code == 0
    before = {
        f: (elsewhere / f).read_bytes() for f in files(elsewhere) if Path(f).suffix in (".sqlite", ".json", ".png")
    }
    assert len(before) == 3
    path = elsewhere / "runs" / "accuracy_vs_snr_digits.sqlite"
    refused(accuracy("--snr-db", "39", *arguments[2:]), "other settings", "snr_db", "--fresh")
    lock = _lock(path)  # as another sweep holds it
    try:
        refused(accuracy(*arguments), "in use by another sweep (process ", "choose another --out")
        refused(accuracy(*arguments, "--fresh"), "in use by another sweep")
    finally:
        lock.release()
    assert {f: (elsewhere / f).read_bytes() for f in before} == before
    assert accuracy(*arguments).exit_code == 0


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "truncated or not JSON"),
        (lambda text: text.replace('"schema": 1', '"schema": 7'), "schema 7, this program reads 1"),
        (lambda text: text.replace('"seed": 1', '"seed": 3'), "so it was changed"),
        (lambda text: "{}", "not a record"),
    ],
)
def test_replay_refuses_a_record_that_is_not_what_was_written(elsewhere: Path, damage, words: str) -> None:
    path = elsewhere / "record.json"
    write_record(path, accuracy_record())
    path.write_text(damage(path.read_text()))
    refused(command("replay", str(path)), str(path), words)


def test_replay_of_nothing_and_of_other_weights(elsewhere: Path, compiled_systems) -> None:
    refused(command("replay", "nowhere.json"), "nowhere.json: cannot be read", "results/records")
    refused(command("replay", "."), "cannot be read")
    assert accuracy("--snr-db", "40", "--systems", "masked-vqvae", "--quiet").exit_code == 0
    record = "results/records/accuracy_vs_snr_digits.json"
    result = command("replay", record, "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "1 of 1 points agree" in result.stdout
    refused(command("replay", record, "--weights", "nowhere"), "not in nowhere")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bench", "everything"), ("bench 'everything': unknown", "decoder, link, sweep")),
        (("calibrate", "mnist"), ("preset = 'mnist': unknown",)),
        (("calibrate", "digits", "--snr-db", "inf", "--images", "64"), ("not finite",)),
        (("calibrate", "digits", "--set", "train.epochs=5"), ("GROUP one of codec, link",)),
    ],
)
def test_the_other_commands_refuse_in_one_line(
    elsewhere: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(command(*arguments), *words)
    assert files(elsewhere) == []


def test_calibrate_writes_the_quantiles_and_says_where(elsewhere: Path) -> None:
    result = command("calibrate", "digits", "--images", "64", "--snr-db", "3,30", "--out", "cal")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "calibration for 192 bits in cal" in result.stdout
    assert '"30.0": 0.0' in result.stdout
    assert len(files(elsewhere / "cal")) == 1


@pytest.mark.slow
def test_noise_energy_prints_a_setting_that_training_takes() -> None:
    from sc_sionna.cli.parsing import parse_changes
    from sc_sionna.settings.presets import make_preset

    result = command("noise-energy", "digits", "--max-images", "24", "--draws", "1")
    assert result.exit_code == 0, result.output
    setting = result.stdout.splitlines()[-1]
    changes = parse_changes(["codec.masking.rule=noise-related", setting], ("codec", "link", "train"))
    preset = make_preset("digits", "masked-vqvae", **changes)
    assert preset.codec.masking.noise_energy is not None
    assert len(preset.codec.masking.noise_energy) == 64
    assert np.mean(preset.codec.masking.noise_energy) == pytest.approx(1, abs=1e-3)
    assert command("noise-energy", "digits", "--max-images", "24", "--draws", "1").stdout == result.stdout


def test_exit_codes_of_run_command(capsys: pytest.CaptureFixture[str]) -> None:
    run_command(lambda: None)
    run_command(lambda: True)  # a truth value is no exit code

    def interrupted() -> None:
        raise KeyboardInterrupt

    def bad() -> None:
        raise UserError("x = 1: too small; set 2")

    for function, code in ((lambda: 0, 0), (lambda: 1, 1), (bad, 2), (interrupted, 130)):
        with pytest.raises(SystemExit) as caught:
            run_command(function)
        assert caught.value.code == code
    stderr = capsys.readouterr().err.splitlines()
    assert stderr[0] == "error: x = 1: too small; set 2"
    assert "the same command goes on from there" in stderr[1]
    with pytest.raises(ZeroDivisionError):  # a bug keeps its traceback
        run_command(lambda: 1 / 0)


def test_a_real_process_ends_with_one_line_and_code_2(elsewhere: Path) -> None:
    """Everything above ran in this process; the chatter of a real start must not join the line."""
    script = ROOT / "sims" / "accuracy_vs_snr.py"
    arguments = [sys.executable, str(script), "--set", "link.num_streams=8", "--out", "out"]
    done = subprocess.run(arguments, cwd=elsewhere, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "num_streams = 8: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert files(elsewhere) == []


def test_help_names_the_commands() -> None:
    result = command("--help")
    assert result.exit_code == 0
    for name in ("train", "calibrate", "validate", "bench", "replay"):
        assert name in result.stdout
