"""Experiments without points: their values are in the record, which replays, and a changed one disagrees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sc_sionna.experiments import validation
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.catalogue import find_entry
from sc_sionna.experiments.codebook import CodebookExperiment, CodebookSettings
from sc_sionna.experiments.overhead import OverheadExperiment, OverheadSettings
from sc_sionna.experiments.replay import replay_record
from sc_sionna.experiments.validation import ValidationExperiment, ValidationSettings, failed_checks
from sc_sionna.phy.validate import Check
from sc_sionna.sweep import read_record
from sc_sionna.sweep.record import content_hash


def changed(path: Path, old: str, new: str) -> Path:
    """The record with a text changed and the right seal."""
    text = path.read_text()
    assert old in text
    content = json.loads(text.replace(old, new, 1))
    content["sha256"] = content_hash(content)
    path.write_text(json.dumps(content))
    return path


def test_overhead_replays_exactly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = run_and_save(OverheadExperiment(OverheadSettings()), "overhead", tmp_path, quiet=True)
    path = tmp_path / "records" / "overhead.json"
    assert record.points == ()
    assert (tmp_path / "overhead.md").is_file()
    assert "table: " in capsys.readouterr().out
    assert replay_record(path, 1, quiet=True) == 0
    assert replay_record(changed(path, '"paper": 196', '"paper": 195'), 1, quiet=True) == 1
    assert "stored 195, replayed 196  DISAGREES" in capsys.readouterr().out


def test_codebooks_replay_exactly_and_are_those_of_the_weights(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = CodebookSettings(systems=("masked-vqvae", "masked-vqvae+fim"))
    record = run_and_save(CodebookExperiment(settings, None, tiny_weights), "books", tmp_path, quiet=True)
    assert record.values["orthogonality_weight"] == {"masked-vqvae": 0, "masked-vqvae+fim": 0.1}
    path = tmp_path / "records" / "books.json"
    assert replay_record(path, 1, weights=tiny_weights, quiet=True) == 0
    first = repr(read_record(path).values["codebooks"]["masked-vqvae"][0][0])
    assert replay_record(changed(path, first, f"{float(first) + 1e-6:.6f}"), 1, weights=tiny_weights, quiet=True) == 1
    assert "codebooks.masked-vqvae[0][0]: " in capsys.readouterr().out


def test_validation_is_recorded_with_the_checks_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [Check("good", 1.0, 1.1, -2.0), Check("bad", 1.0, 2.0, 5.0), Check("broken", 1.0, 0.0, float("inf"))]
    monkeypatch.setattr(validation, "run_validation", lambda scale, seed: checks)
    record = run_and_save(ValidationExperiment(ValidationSettings()), "validate", tmp_path, quiet=True)
    assert failed_checks(record) == ["bad", "broken"]
    assert [c["z"] for c in record.values["checks"]] == [-2.0, 5.0, None]
    assert find_entry("validate").summary(record) == 1
    path = tmp_path / "records" / "validate.json"
    assert replay_record(path, 1, quiet=True) == 0
    monkeypatch.setattr(validation, "run_validation", lambda scale, seed: [Check("good", 1.0, 1.1, -1.9), *checks[1:]])
    assert replay_record(path, 1, quiet=True) == 1


def test_the_real_checks_replay(tmp_path: Path) -> None:
    run_and_save(ValidationExperiment(ValidationSettings(scale=0.01)), "validate", tmp_path, quiet=True)
    assert replay_record(tmp_path / "records" / "validate.json", 1, quiet=True) == 0
