"""Running the scripts in ``sims/`` within the test process."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from typer.testing import CliRunner, Result

from sc_sionna.cli.main import make_script

ROOT = Path(__file__).resolve().parents[2]
SIMS = ROOT / "sims"


def load_sim(name: str) -> ModuleType:
    """A script as a module; it runs nothing at import."""
    spec = importlib.util.spec_from_file_location(f"sims_{name}", SIMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def invoke_sim(name: str, arguments: list[str]) -> Result:
    """The script's command line as :func:`sc_sionna.cli.main.run_script` makes it."""
    return CliRunner().invoke(make_script(load_sim(name).main), arguments)


def run_sim(name: str, arguments: list[str]) -> str:
    """What a script prints; it must end well and say nothing on stderr."""
    result = invoke_sim(name, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout
