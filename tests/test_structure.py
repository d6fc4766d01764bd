"""Who may import what, and how long a file may get."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sc_sionna"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 330
# The lines "import sionna" that only ask whether it is there
PROBES = {"training/channel.py": {"sionna"}}


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imported(tree: ast.AST) -> set[str]:
    """Top-level packages that are imported anywhere in a module, also within functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_the_scan_sees_imports_wherever_they_are() -> None:
    code = "import a.b\nfrom c.d import e\ndef f():\n    try:\n        import g as h, i\n    except ImportError: pass\n"
    assert imported(ast.parse(code)) == {"a", "c", "g", "i"}
    assert len(FILES) > 50


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports(path: Path) -> None:
    found = imported(ast.parse(path.read_text())) - PROBES.get(name(path), set())
    folder = path.relative_to(PACKAGE).parts[0]
    if folder != "phy":
        assert "sionna" not in found, "only sc_sionna/phy imports Sionna"
    if folder in ("semantic", "attacks", "training"):
        assert not found & {"tensorflow", "torch"}, "networks are keras.ops; only autodiff.py knows the backend"
    if "torch" in found:
        assert name(path) == "autodiff.py"


def test_only_the_physical_layer_autodiff_and_the_start_know_tensorflow() -> None:
    users = {name(p) for p in FILES if "tensorflow" in imported(ast.parse(p.read_text()))}
    assert {u for u in users if not u.startswith("phy/")} == {"autodiff.py", "startup.py"}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
