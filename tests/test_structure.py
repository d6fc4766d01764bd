"""Who may import what, and how long a file may get."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sc_sionna"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 300
MAX_FUNCTION = 80
# compiled loops that cannot call out
KERNELS = {
    "phy/ldpc/kernels.py": {"_define", "decode_frames"},
    "phy/air/kernels.py": {"_define", "transmit_blocks"},
}
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
    if folder not in ("phy", "benchmarks"):  # a benchmark runs Sionna's own chain as the plain alternative
        assert "sionna" not in found, "only sc_sionna/phy imports Sionna"
    if folder in ("semantic", "tasks", "attacks", "training"):
        assert not found & {"tensorflow", "torch"}, "networks are keras.ops; only core/backend knows the backend"
    if "torch" in found:
        assert name(path) == "core/backend/torch.py"


def test_only_the_physical_layer_the_backend_and_the_benchmarks_know_tensorflow() -> None:
    users = {name(p) for p in FILES if "tensorflow" in imported(ast.parse(p.read_text()))}
    others = {u for u in users if not u.startswith(("phy/", "benchmarks/"))}
    assert others == {"core/backend/tensorflow.py", "core/startup.py"}


# From the ground up; a folder imports from its own floor's predecessors and from itself, never from a folder above
FLOORS = (
    "core", "settings", "data", "source_codecs", "sweep", "semantic", "tasks", "phy", "attacks", "training", "schemes",
    "figures", "experiments", "report", "benchmarks", "reliability", "cli",
)  # fmt: skip


def folders_used(path: Path) -> set[str]:
    """Folders of this package that a module imports from, also within functions."""
    used: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        used |= {n.split(".")[1] for n in names if n.startswith("sc_sionna.")}
    return used


@pytest.mark.parametrize("path", [p for p in FILES if p.parent != PACKAGE], ids=name)
def test_nothing_imports_from_a_floor_above(path: Path) -> None:
    folder = path.relative_to(PACKAGE).parts[0]
    above = [f for f in folders_used(path) if FLOORS.index(f) > FLOORS.index(folder)]
    assert not above, f"{folder} stands below {', '.join(above)}"


def test_no_module_needs_what_one_system_alone_has() -> None:
    assert not {name(p) for p in FILES if imported(ast.parse(p.read_text())) & {"fcntl", "msvcrt", "resource", "pwd"}}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_function_fits_on_a_page(path: Path) -> None:
    functions = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef)]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno + 1 > MAX_FUNCTION]
    assert not set(long) - KERNELS.get(name(path), set())


def test_modules_import_each_other_in_no_circle() -> None:
    """Imports at the top of a module, by which circles are made; those within functions and for types alone are none."""
    graph = {}
    for path in FILES:
        dotted = ".".join(("sc_sionna", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        found = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sc_sionna"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        graph[dotted] = found
    # a package's own parts are imported by its __init__, and they may name the package
    graph = {m: {x for x in found if x in graph and x != m and not m.startswith(f"{x}.")} for m, found in graph.items()}
    while graph:
        free = [module for module, found in graph.items() if not found & set(graph)]
        assert free, f"a circle among {', '.join(sorted(graph))}"
        for module in free:
            del graph[module]


def test_no_name_of_a_scheme_or_an_attack_is_taken_apart() -> None:
    """What a scheme or an attack can do is a value of its class; its name is parsed once, in schemes/spec.py."""
    names = ("masked", "jscc", "jpeg", "label", "eq7", "apgd", "square")
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("startswith", "endswith"):
                texts = [c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
                assert not any(text.startswith(names) for text in texts), f"{name(path)}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
