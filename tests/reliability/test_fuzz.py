"""A small part of `sc-sionna fuzz` with every test run, and that its instruments see what they are to see."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sc_sionna.cli.fuzz import fuzz_commands, killed_trainings
from sc_sionna.cli.main import app
from sc_sionna.cli.parsing import parse_changes
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.reliability import picture_files, stores
from sc_sionna.reliability.calibration_files import damage_calibrations
from sc_sionna.reliability.checkpoint_files import damage_checkpoints
from sc_sionna.reliability.kills import kill_sweeps
from sc_sionna.reliability.outcome import Outcome, write_table
from sc_sionna.reliability.picture_files import hostile_pictures
from sc_sionna.reliability.records import fuzz_records
from sc_sionna.reliability.training_kills import kill_trainings
from sc_sionna.reliability.trap import Trap
from sc_sionna.reliability.values import fuzz_values
from sc_sionna.reliability.weight_files import damage_weights
from sc_sionna.training.run_folder import RunFolder


def faultless(outcome: Outcome, cases: int) -> None:
    assert outcome.faults == []
    assert outcome.faultless
    assert outcome.cases == outcome.refused + outcome.harmless == cases
    assert outcome.refused > cases // 4


def test_hostile_values_of_set() -> None:
    faultless(fuzz_values(40, rng.generator(2, "values"), parse_changes), 40)


def test_hostile_records() -> None:
    faultless(fuzz_records(12, rng.generator(2, "records")), 12)


@pytest.mark.slow
def test_hostile_command_lines() -> None:
    faultless(fuzz_commands(12, rng.generator(3, "commands")), 12)


@pytest.mark.slow
def test_damaged_weights(tmp_path: Path) -> None:
    faultless(damage_weights(30, rng.generator(2, "weights"), tmp_path), 30)


@pytest.mark.slow
def test_damaged_checkpoints(tmp_path: Path) -> None:
    faultless(damage_checkpoints(8, rng.generator(2, "checkpoints"), tmp_path), 8)


def test_a_checkpoint_that_contradicts_its_log_is_refused(tmp_path: Path) -> None:
    """A best validation that never was would keep the weights of an earlier epoch in silence."""
    line = {"stage": "classify", "epoch": 1, "best_val": 0.33333}
    state = {"stage": 1, "epoch": 1, "best_metric": 1 / 3, "log": [{"stage": "reconstruct", "epoch": 1}, line]}
    arrays = {f"{group}/0": np.zeros(1) for group in ("model", "optimizer", "best")}
    stages = [("reconstruct", 1), ("classify", 2)]
    folder = RunFolder(tmp_path)
    folder._check(state, arrays, stages)
    for change in ({"best_metric": 0.999}, {"log": [line, line]}, {"log": [{"stage": "classify", "epoch": 1}, line]}):
        with pytest.raises(UserError, match="contradicts its own log"):
            folder._check(state | change, arrays, stages)


def test_damaged_calibrations(tmp_path: Path) -> None:
    faultless(damage_calibrations(100, rng.generator(2, "calibrations"), tmp_path), 100)


def test_a_calibration_of_other_rates_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sc_sionna.training.calibration_file._check", lambda *_: None)
    outcome = damage_calibrations(60, rng.generator(2, "calibrations"), tmp_path)
    assert outcome.silent >= 3


def test_hostile_pictures(tmp_path: Path) -> None:
    faultless(hostile_pictures(90, rng.generator(2, "images"), tmp_path), 90)


def test_a_picture_that_is_read_otherwise_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sc_sionna.data.picture.ImageOps.exif_transpose", lambda image: image)
    orientations = {name: case for name, case in picture_files._CASES.items() if name.startswith("EXIF")}
    monkeypatch.setattr(picture_files, "_CASES", orientations)
    assert hostile_pictures(9, rng.generator(2, "images"), tmp_path).silent == 7  # of 1 to 9, all but 1 and 9


@pytest.mark.slow  # each killed training traces its graph again; tests/training has kills of its own
def test_killed_trainings(tmp_path: Path) -> None:
    outcome, words = killed_trainings(kill_trainings(3, rng.generator(2, "trainings"), tmp_path))
    assert (outcome.cases, outcome.harmless, outcome.faults) == (3, 3, [])
    assert words.startswith("3 SIGKILLs in ")


def test_a_training_with_other_weights_would_be_seen() -> None:
    found = {"kills": 4, "trainings": 2, "where": {"in pre-training": 4}, "log_behind": 0, "scratch_seen": 1}
    outcome, _ = killed_trainings(found | {"other_weights": 1, "log_lines_lost_or_doubled": 0, "files_left": 0})
    assert not outcome.faultless
    assert outcome.faults == ["1 of 2 trainings: other_weights"]


@pytest.mark.slow
def test_kills() -> None:
    outcome, words = kill_sweeps(9, rng.generator(2, "kills"))
    assert (outcome.cases, outcome.harmless, outcome.faults) == (9, 9, [])
    assert words == "9 SIGKILLs in 2 sweeps"


def test_a_flip_that_changes_a_result_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the row's hash the flips are what the issue found: most of those in a count are silent."""
    monkeypatch.setattr("sc_sionna.sweep.store.Store._row_hash", lambda *_: "the same")
    outcome = stores.flip_bits(60, rng.generator(2, "flips"), tmp_path)
    assert outcome.silent > 5
    assert not outcome.faultless


def test_the_outcome_tells_a_line_from_a_traceback_and_from_silence() -> None:
    outcome = Outcome("x")

    def line() -> bool:
        raise UserError("x = 1: too small; set 2")

    def bug() -> bool:
        return bool(1 / 0)

    for work in (line, bug, lambda: True, lambda: False):
        outcome.add("case", work)
    outcome.line("case", "a\x1b[2J")
    outcome.line("case", "x" * 5000)
    assert (outcome.cases, outcome.refused, outcome.harmless, outcome.tracebacks, outcome.silent) == (4, 1, 1, 3, 1)
    assert "ZeroDivisionError" in outcome.faults[0]


def test_the_trap_sees_imports_and_files(tmp_path: Path) -> None:
    outcome, path = Outcome("x"), list(sys.path)
    with Trap(tmp_path) as trap:
        __import__("fuzz_trap")
        Path("written").touch()
        Path("mine").mkdir()
        trap.report("case", outcome, written=("mine",))
        assert (outcome.foreign, len(outcome.faults)) == (2, 2)
        trap.report("case", outcome)
        assert outcome.foreign == 2
    assert sys.path == path


def test_the_table_keeps_the_rows_of_other_parts(tmp_path: Path) -> None:
    made = {"processor": "x86_64", "commit": "0" * 12}
    path = tmp_path / "reliability.md"
    write_table(path, [Outcome("a", 3, 1, 2), Outcome("b", 1, 1)], ["- a: first"], "fuzz", made)
    write_table(path, [Outcome("a", 5, 5)], [], "fuzz a", {**made, "commit": "1" * 12})
    text = path.read_text()
    assert "| a | 5 | 5 | 0 | 0 | 0 | 0 | `fuzz a` at 111111111111, x86_64 |\n" in text
    assert "| b | 1 | 1 | 0 | 0 | 0 | 0 | `fuzz` at 000000000000, x86_64 |\n" in text
    assert "| a | 3" not in text
    assert text.count("- a: first") == text.count("| part |") == 1


def test_an_unknown_part_is_refused_and_a_run_ends_with_code_0(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["fuzz", "everything"])
    assert result.exit_code == 2
    assert (
        "fuzz 'everything': unknown; choose set, commands, records, stores, weights, checkpoints, calibrations, images, "
        "kills, trainings" in result.stderr
    )
    result = CliRunner().invoke(app, ["fuzz", "stores", "--stores", "5", "--out", str(tmp_path / "r.md")])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "| stores, flipped bits | 5 |" in (tmp_path / "r.md").read_text()
