"""What results follow from beside settings and data: the code that is run, the user's plug-ins, the libraries' versions.

The code is found, not listed: the modules that a job's own module imports, and what those import, also within functions.
Left out are the folders that draw, report and talk to the user, so that an edit of a figure's colours ends no long store
and no training. A sweep and a training compare the same, so that neither goes on after an edit in silence.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sc_sionna.core import plugins

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "tensorflow", "sionna", "keras", "numba", "pillow")
# They draw, report or talk to the user, and nothing is evaluated or trained by them
_OUT = ("figures", "report", "benchmarks", "reliability", "cli", "sweep.progress", "core.startup")
NOT_COUNTED = tuple(f"{PACKAGE.name}.{name}" for name in _OUT)
DIGITS = 16  # of a file's SHA-256, which is to name a change in one line


def code_identity(modules: Iterable[str], described_by: Iterable[BaseModel]) -> dict[str, dict[str, str]]:
    """``code`` and ``plugins``: hashes of files by module, as JSON; two of them differ in the file that changed.

    modules : names of the modules that do the work; those outside this package count as plug-ins
    described_by : every settings object that says what is done; a plug-in that it names counts where the user has allowed
        it, whether or not it has been imported
    """
    modules = list(modules)
    named = {module for text in _leaves(list(described_by)) if (module := plugins.module_of(text)) is not None}
    outside = {name for name in modules if not _is_ours(name)} | named
    sources = plugin_sources(outside)
    ours = {name for name in modules if _is_ours(name)}
    ours |= {name for path in sources.values() for name in _imports(path, "") if _is_ours(name)}
    return {
        "code": {name: _digest(path) for name, path in sorted(import_closure(ours).items())},
        "plugins": {name: _digest(path) for name, path in sorted(sources.items())},
    }


def import_closure(roots: Iterable[str], package: Path = PACKAGE) -> dict[str, Path]:
    """File of every module of the package that ``roots`` import, directly or not, without :data:`NOT_COUNTED`."""
    found: dict[str, Path] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        path = _module_file(name, package)
        if name in found or path is None or _starts_with(name, NOT_COUNTED):
            continue
        found[name] = path
        waiting += _imports(path, name if path.name == "__init__.py" else name.rpartition(".")[0])
        waiting.append(name.rpartition(".")[0])  # importing a module runs the packages that it is in
    return found


def plugin_sources(modules: Iterable[str]) -> dict[str, Path]:
    """File of every module outside the package that plug-ins are made of: theirs, and what they import of the user's own.

    Installed packages are left out, except the one that a plug-in itself is in.
    """
    found: dict[str, Path] = {}
    waiting = [(name, name.partition(".")[0]) for name in modules]
    while waiting:
        name, package = waiting.pop()
        path = _outside_file(name)
        if name in found or path is None or _is_ours(name):
            continue
        if _is_installed(path) and name.partition(".")[0] != package:
            continue
        found[name] = path
        within = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += [(other, package) for other in _imports(path, within)]
    return found


def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide a count, and of the JPEG library within Pillow."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    if found["pillow"] != "none":
        from PIL import features

        found["libjpeg"] = f"{features.version('jpg')}" + (" turbo" if features.check("libjpeg_turbo") else "")
    return found


def _imports(path: Path, package: str) -> tuple[str, ...]:
    """Names that a file may import, wherever the statement stands; ``package`` is what a relative one starts from."""
    return _imports_of(path, path.stat().st_mtime_ns, package)


@lru_cache(maxsize=1024)
def _imports_of(path: Path, _changed: int, package: str) -> tuple[str, ...]:
    found: list[str] = []
    for node in _run_statements(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
                base = ".".join(part for part in (parent, base) if part)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(name for name in found if name))


def _run_statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under ``if TYPE_CHECKING``, which never run."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from _run_statements(other)
        else:
            yield from _run_statements(child)


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE.name


def _starts_with(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _module_file(name: str, package: Path) -> Path | None:
    """Source of a module of the package; None for a name that is none, such as a class that is imported from one."""
    first, *rest = name.split(".")
    if first != package.name:
        return None
    path = package.joinpath(*rest)
    for candidate in (path / "__init__.py", path.with_suffix(".py") if rest else path):
        if candidate.is_file():
            return candidate
    return None


def _outside_file(name: str) -> Path | None:
    """Source of a module elsewhere; None for a built-in one, a namespace, and a name that is no module."""
    module = sys.modules.get(name)
    origin = getattr(module, "__file__", None)
    if module is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):  # an attribute of a module is no module
            return None
        origin = None if spec is None else spec.origin
    path = Path(origin) if origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _is_installed(path: Path) -> bool:
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(path.is_relative_to(folder) for folder in folders if folder) or "site-packages" in path.parts


def parts_of(value: Any) -> Iterator[Any]:
    """A value and everything within it."""
    yield value
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for part in value:
            yield from parts_of(part)


def _leaves(value: Any) -> Iterator[str]:
    return (part for part in parts_of(value) if isinstance(part, str))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]
