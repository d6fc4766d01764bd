"""Data files are data: nothing that a record or a weights file names is imported unless the user has named it too."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sc_sionna.cli.main import app
from sc_sionna.core import plugins
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.semantic.weights import sealed
from sc_sionna.settings import settings_hash
from sc_sionna.sweep.record import content_hash
from sc_sionna.tasks import load_codec
from tests.sims.helpers import invoke_sim

FOREIGN = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
CHANNEL = FOREIGN + "from sc_sionna.phy.channels import RayleighChannel\nclass C(RayleighChannel):\n    pass\n"
MASKING = FOREIGN + "from sc_sionna.semantic.masking import UniformMasking\nclass M(UniformMasking):\n    pass\n"


@pytest.fixture(autouse=True)
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module on the path that leaves a file when it runs; nothing is allowed."""
    monkeypatch.setattr(plugins, "_allowed", set())
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "foreign_channel.py").write_text(CHANNEL)
    (tmp_path / "foreign_masking.py").write_text(MASKING)
    monkeypatch.delitem(sys.modules, "foreign_channel", raising=False)
    monkeypatch.delitem(sys.modules, "foreign_masking", raising=False)
    return tmp_path / "ran"


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    stop = {"errors": 400, "max_batches": 1}
    settings = ErrorRateSettings(
        links={"two": {"num_streams": 2}}, snr_db=(0,), batch_size=32, payload_bits=64, stop=stop
    )
    run_and_save(ErrorRateExperiment(settings), "rates", tmp_path, quiet=True)
    return tmp_path / "records" / "rates.json"


def naming(path: Path, **changes: str) -> Path:
    """The record with other link settings and hashes that are right: anyone can write such a file."""
    content = json.loads(path.read_text())
    content["settings"]["links"]["two"].update(changes)
    content["settings_sha256"] = settings_hash(content["settings"])
    content["sha256"] = content_hash(content)
    path.write_text(json.dumps(content))
    return path


def replay(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["replay", str(path), "--quiet", *arguments])


@pytest.mark.parametrize(
    ("changes", "module"),
    [
        ({"channel": "foreign_channel:C"}, "foreign_channel"),
        ({"precoder": "builtins:print"}, "builtins"),
        ({"precoder": "os:system"}, "os"),
    ],
)
def test_a_record_that_names_code_is_refused_and_the_code_stays_unread(
    rates: Path, foreign: Path, changes: dict[str, str], module: str
) -> None:
    result = replay(naming(rates, **changes))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--allow-plugins {module}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not foreign.exists()


def test_with_the_users_word_the_record_is_replayed(rates: Path, foreign: Path) -> None:
    result = replay(naming(rates, channel="foreign_channel:C"), "--allow-plugins", "foreign_channel")
    assert (result.exit_code, result.stderr) == (0, "")
    assert foreign.exists()  # the same fading under another name: every count agrees


def test_a_system_in_a_record_cannot_name_code_either(foreign: Path) -> None:
    from sc_sionna.schemes import load_scheme_codec
    from sc_sionna.semantic.codec import make_masking

    name = "masked-vqvae[masking.rule=foreign_masking:M]"
    assert AccuracySettings(systems=(name,)).labels == (name,)
    codec, _ = load_scheme_codec(name, "digits")
    with pytest.raises(UserError, match="--allow-plugins foreign_masking"):
        make_masking(codec.settings)
    assert not foreign.exists()


def test_weights_that_name_code_are_refused(foreign: Path, tmp_path: Path, tiny_weights: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(tiny_weights, folder)
    path = folder / "digits-masked-vqvae.json"
    description = json.loads(path.read_text())
    description["preset"]["codec"]["masking"]["rule"] = "foreign_masking:M"
    path.write_text(json.dumps(sealed(description)))
    arguments = ["--weights", str(folder), "--systems", "masked-vqvae", "--snr-db", "40", "--max-images", "8"]
    arguments += ["--epsilon", "0", "--out", str(tmp_path / "out"), "--quiet"]
    result = invoke_sim("accuracy_vs_snr", arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--allow-plugins foreign_masking" in result.stderr
    assert not foreign.exists()
    assert (
        load_codec("digits", "masked-vqvae", folder)[1].codec.masking.rule == "foreign_masking:M"
    )  # reading is harmless
    result = invoke_sim("accuracy_vs_snr", [*arguments, "--allow-plugins", "foreign_masking"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert foreign.exists()


def test_what_the_command_line_names_needs_no_second_word(foreign: Path, tmp_path: Path, tiny_weights: Path) -> None:
    arguments = ["--weights", str(tiny_weights), "--snr-db", "40", "--max-images", "8", "--epsilon", "0", "--quiet"]
    for number, more in enumerate(
        (
            ["--systems", "masked-vqvae", "--set", "link.channel=foreign_channel:C"],
            ["--systems", "masked-vqvae[masking.rule=foreign_masking:M]"],
        )
    ):
        foreign.unlink(missing_ok=True)
        result = invoke_sim("accuracy_vs_snr", [*arguments, *more, "--out", str(tmp_path / f"out{number}")])
        assert (result.exit_code, result.stderr) == (0, ""), result.stderr
        assert foreign.exists()
