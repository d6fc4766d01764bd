"""Running the scripts in ``sims/`` within the test process."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from sc_sionna.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
SIMS = ROOT / "sims"


def invoke_sim(name: str, arguments: list[str]) -> Result:
    """What ``sims/NAME.py`` runs, in this process."""
    return CliRunner().invoke(app, ["run", name, *arguments])


def run_sim(name: str, arguments: list[str]) -> str:
    """What a script prints; it must end well and say nothing on stderr."""
    result = invoke_sim(name, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout
