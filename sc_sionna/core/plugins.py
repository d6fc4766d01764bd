"""Extension without editing the package: a built-in name, or ``module:Class`` from the user's own code."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from sc_sionna.core.errors import UserError


def resolve(name: str, table: Mapping[str, Any], kind: str) -> Any:
    """The class that ``name`` stands for: an entry of ``table``, or ``module:Class`` imported.

    Raises UserError (one line) for an unknown name, a module that cannot be imported, or a class that it lacks.
    """
    if name in table:
        return table[name]
    module_name, colon, class_name = name.partition(":")
    if not colon or not module_name or not class_name:
        raise UserError(f"{kind} = {name!r}: unknown; choose {', '.join(sorted(table))}, or name your own module:Class")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"{kind} = {name!r}: cannot import {module_name!r} ({error}); check the name and PYTHONPATH"
        ) from None
    if not hasattr(module, class_name):
        public = ", ".join(sorted(n for n in vars(module) if n[:1].isupper())) or "none"
        raise UserError(f"{kind} = {name!r}: module {module_name!r} has no class {class_name!r}; it has {public}")
    return getattr(module, class_name)
