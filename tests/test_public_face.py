"""What ``sc_sionna`` itself offers, and that asking for nothing costs nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sc_sionna

ROOT = Path(__file__).resolve().parents[1]


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_the_package_and_its_settings_start_no_tensorflow() -> None:
    done = run(
        "import sys, sc_sionna\n"
        "assert not {'numpy', 'keras', 'tensorflow', 'torch'} & set(sys.modules)\n"
        "from sc_sionna import CodecSettings, LinkSettings, Point, StopRule, load_images, run_sweep\n"
        "assert not {'keras', 'tensorflow', 'torch'} & set(sys.modules)\n"
        "print(LinkSettings().num_streams, len(load_images('digits', 'test')))\n"
        "assert 'keras' not in sys.modules\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "4 359\n", "")


def test_what_needs_tensorflow_starts_it_without_its_chatter() -> None:
    done = run(
        "import sys\nfrom sc_sionna import load_scheme\nprint('tensorflow' in sys.modules, load_scheme.__name__)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True load_scheme\n", "")


@pytest.mark.parametrize("name", sc_sionna.__all__)
def test_every_name_is_there_and_is_the_one_of_its_module(name: str) -> None:
    value = getattr(sc_sionna, name)
    module, original = sc_sionna._PUBLIC[name]
    assert value is getattr(sys.modules[f"sc_sionna.{module}"], original)
    assert callable(value)
    assert value.__doc__


def test_the_list_the_table_and_the_types_agree() -> None:
    """Type checkers read the imports under TYPE_CHECKING; they are those of the table."""
    assert list(sc_sionna._PUBLIC) == sc_sionna.__all__
    tree = ast.parse((ROOT / "sc_sionna" / "__init__.py").read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    found = {
        alias.asname or alias.name: ((node.module or "").removeprefix("sc_sionna."), alias.name)
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert found == sc_sionna._PUBLIC
    assert set(sc_sionna.__all__) <= set(dir(sc_sionna))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'sc_sionna' has no attribute 'load_schema'"):
        _ = sc_sionna.load_schema
    with pytest.raises(ImportError, match="cannot import name 'load_schema'"):
        exec("from sc_sionna import load_schema")
