"""``sc-sionna run`` and ``list``: words become settings, nothing is taken in silence, and a look costs nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from sc_sionna.cli.main import app
from sc_sionna.experiments.catalogue import NAMES, find_entry, full_name
from sc_sionna.experiments.catalogue.entry import Options
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.plan import describe_run
from sc_sionna.experiments.registry import KINDS
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import Point, read_record

SMALL = ErrorRateSettings(
    links={"one": LinkSettings(num_streams=1)}, snr_db=(0, 3), batch_size=32, payload_bits=64,
    stop={"errors": 400, "max_batches": 2},
)  # fmt: skip


def command(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SMALL.model_dump(mode="json")))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fig1",), "experiment 'fig1': unknown; choose accuracy_vs_snr, accuracy_vs_uses, equal_uses_vs_snr"),
        (("fig9", "--stepz", "3"), "--stepz: not an option of fig9; its own are --epsilon, --steps, --layer, --snr-db"),
        (("fig9", "--steps"), "--steps: needs a value, steps K of Eq. (7)"),
        (("fig9", "--steps=2", "--steps", "3"), "--steps: given twice"),
        (("fig9", "--steps", "many"), "steps = 'many'"),
        (("fig9", "3"), "3: not an option of fig9"),
        (("fig4", "--snr-db", "3:0:1"), "snr_db = '3:0:1': needs STEP > 0 and STOP >= START"),
        (("overhead", "--systems", "jscc"), "--systems: means nothing to overhead"),
        (("ber", "--max-images", "3"), "--max-images: means nothing to ber, error rates of the link"),
        (("overhead", "--set", "link.num_streams=2"), "overhead has no settings to change"),
        (("ldpc", "--only", "100"), "only = 100: no such code; choose among 64, 256"),
        (("ber", "--config", "nowhere.json"), "nowhere.json: cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command("run", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_name_may_end_where_a_word_does() -> None:
    assert full_name("fig9") == full_name("fig9_feature_activation") == "fig9_feature_activation"
    assert full_name("fig10") == "fig10_codebook_similarity"
    for name in NAMES:
        entry = find_entry(name)
        assert entry.kind in KINDS
        assert {run.settings.kind for run in entry.runs(Options(quick=True), entry.own())} == {entry.kind}
        assert all(info.description for info in entry.own.model_fields.values()), name


def test_own_options_are_read_in_the_form_of_their_type(tmp_path: Path) -> None:
    out = ("--quick", "--dry-run", "--out", str(tmp_path))
    shown = command("run", "ber", *out, "--snr-db=-3:3:3")
    assert "ber_vs_snr_quick: 27 points, 1 batch each" in shown.stdout
    shown = command("run", "ldpc", *out, "--only", "64,256")
    assert "ldpc_decoders_64_256_quick: 5 points" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_help_shows_the_shared_options_and_those_of_the_experiment() -> None:
    shown = command("run", "fig8", "--help")
    assert shown.exit_code == 0
    assert "--dry-run" in shown.stdout
    assert "--samples  training images whose signals an attacker has collected [default: 256]" in shown.stdout
    assert command("run").exit_code == 2


def test_a_configuration_is_settings_or_a_record_and_may_be_changed(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ("--out", str(tmp_path), "--quiet")
    done = command("run", "ber_vs_snr", "--config", str(config), *out)
    assert (done.exit_code, done.stderr) == (0, "")
    path = tmp_path / "records" / "ber_vs_snr_mine.json"
    record = read_record(path)
    assert record.settings == SMALL.model_dump(mode="json") | {"inputs": {}}
    # the record's own settings, with a longer rule: the store goes on with the third batch and computes no other again
    evaluate, computed = ErrorRateExperiment.evaluate, []

    def note_batch(job: ErrorRateExperiment, point: Point, batch: int) -> Mapping[str, int]:
        computed.append((point.snr_db, batch))
        return evaluate(job, point, batch)

    monkeypatch.setattr(ErrorRateExperiment, "evaluate", note_batch)
    done = command("run", "ber_vs_snr", "--config", str(path), "--set", "stop.max_batches=3", *out)
    assert done.exit_code == 0
    assert computed == [(0, 2), (3, 2)]
    longer = read_record(path)
    assert [p.batches for p in longer.points] == [3, 3]
    assert [p.first_batch for p in longer.points] == [p.first_batch for p in record.points]
    for arguments, words in (
        (("fig4", "--config", str(path)), "settings of kind 'error-rates'; fig4_schemes_vs_snr takes 'accuracy'"),
        (("ber", "--config", str(path), "--quick"), "--quick: --config has all settings"),
        (("ber", "--config", str(path), "--snr-db", "3"), "--snr-db: --config has all settings"),
    ):
        refused = command("run", *arguments, *out)
        assert refused.exit_code == 2
        assert words in refused.stderr
    config.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))
    assert "so it was changed" in command("run", "ber", "--config", str(config), *out).stderr
    config.write_text("[1]")
    assert "not settings" in command("run", "ber", "--config", str(config), *out).stderr


def test_a_dry_run_says_what_would_run_and_from_what_it_knows_how_long(tmp_path: Path, config: Path) -> None:
    out = ("--out", str(tmp_path), "--quiet")
    plan = ("run", "ber", "--config", str(config), "--dry-run", *out)
    measured = command(*plan)
    assert measured.exit_code == 0
    assert (
        "ber_vs_snr_mine: 2 points, at most 2 batches each, fewer once block_error_rate has 400 errors"
        in measured.stdout
    )
    assert "as the second batch of one at 0 dB took" in measured.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["mine.json"]
    assert command("run", "ber", "--config", str(config), *out).exit_code == 0
    known = command(*plan)
    seconds = read_record(tmp_path / "records" / "ber_vs_snr_mine.json").duration_s
    assert f"ber_vs_snr_mine.json took {seconds:.0f} s with these settings" in known.stdout
    other = ErrorRateExperiment(SMALL.with_(snr_db=(0,)))
    assert "with other settings" in describe_run(other, "ber_vs_snr_mine", tmp_path)


def test_the_list_names_what_settings_take() -> None:
    from sc_sionna.cli.listing import names
    from sc_sionna.phy.channels import CHANNELS
    from sc_sionna.schemes import SCHEME_NAMES

    found = names()
    assert list(found) == ["schemes", "channels", "attacks", "tasks", "data sets", "experiments"]
    assert set(found["schemes"]) == set(SCHEME_NAMES)
    assert set(CHANNELS) < set(found["channels"])
    assert tuple(found["experiments"]) == NAMES
    printed = command("list").stdout
    for kind, known in found.items():
        assert f"{kind}:\n" in printed
        assert all(f"  {name}" in printed for name in known)


def test_the_exit_code_is_that_of_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sc_sionna.experiments import validation

    check = SimpleNamespace(name="bad", value=1.0, expected=0.0, z=9.0)
    monkeypatch.setattr(validation, "run_validation", lambda scale, seed: [check])
    done = command("run", "validate", "--quick", "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "bad: FAILED" in done.stdout
