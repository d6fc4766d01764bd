"""Extension without editing the package: a built-in name, or ``module:Class`` from the user's own code.

A plug-in is code, and only the user decides which code runs. Records, weights and every other file are data: a name that
they hold is imported only where the user has named its module too. A module is allowed by :func:`allow`, which the command
line calls for ``--allow-plugins MODULE`` and for every ``module:Class`` that its own options name; in Python the user calls
it once. Nothing else is imported, wherever the name came from.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from typing import Any

from sc_sionna.core.errors import UserError

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PLUGIN = re.compile(rf"({_MODULE.pattern}):[A-Za-z_]\w*")
_allowed: set[str] = set()


def allow(module: str) -> None:
    """Let settings name classes of ``module`` and of the modules below it; UserError where that is no module's name."""
    if _MODULE.fullmatch(module) is None:
        raise UserError(
            f"--allow-plugins {module!r}: not the name of a module; write my_channels or my_package.channels"
        )
    _allowed.add(module)


def allow_named(value: Any) -> None:
    """Allow the modules of every ``module:Class`` in a value that the user typed: text, or a list or mapping of texts."""
    if isinstance(value, str):
        match = _PLUGIN.fullmatch(value)
        if match is not None:
            allow(match[1])
    elif isinstance(value, Mapping):
        allow_named(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            allow_named(part)


def name_of(value: Any) -> Any:
    """``module:Class`` of a class that Python code passes in place of its name, and allowed so; other values unchanged.

    No data file can hold a class, so whoever passes one has imported its code already.
    """
    if not isinstance(value, type):
        return value
    allow(value.__module__)
    return f"{value.__module__}:{value.__qualname__}"


def allowed() -> list[str]:
    """The modules that the user has named, for another process that works for them."""
    return sorted(_allowed)


def is_allowed(module: str) -> bool:
    """Whether the user has named a module, or one that it is below."""
    parts = module.split(".")
    return any(".".join(parts[:length]) in _allowed for length in range(1, len(parts) + 1))


def module_of(name: str) -> str | None:
    """The module of a ``module:Class`` that the user has allowed; None for every other text."""
    match = _PLUGIN.fullmatch(name)
    return match[1] if match is not None and is_allowed(match[1]) else None


def resolve(name: str, table: Mapping[str, Any], kind: str) -> Any:
    """The class that ``name`` stands for: an entry of ``table``, or ``module:Class`` imported.

    Raises
    ------
    UserError
        An unknown name, a module that the user has not allowed (it is not imported) or that cannot be imported, or a class
        that it lacks.
    """
    if name in table:
        return table[name]
    if _PLUGIN.fullmatch(name) is None:
        choice = f"choose {', '.join(sorted(table))}, or name" if table else "name"
        raise UserError(f"{kind} = {name!r}: unknown; {choice} your own module:Class")
    module_name, _, class_name = name.partition(":")
    if not is_allowed(module_name):
        raise UserError(
            f"{kind} = {name!r}: code of a module that you have not allowed, so it is not imported; if you trust it, say "
            f"--allow-plugins {module_name}, in Python sc_sionna.core.plugins.allow({module_name!r})"
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise UserError(
            f"{kind} = {name!r}: cannot import {module_name!r} ({error}); check the name and PYTHONPATH"
        ) from None
    if not callable(getattr(module, class_name, None)):
        public = ", ".join(sorted(n for n in vars(module) if n[:1].isupper())) or "none"
        raise UserError(f"{kind} = {name!r}: module {module_name!r} has no class {class_name!r}; it has {public}")
    return getattr(module, class_name)


def make(name: str, table: Mapping[str, Any], kind: str, *arguments: Any, **options: Any) -> Any:
    """What the class that ``name`` stands for makes of the arguments.

    Raises
    ------
    UserError
        As :func:`resolve`; and a class of the user's that does not take these arguments.
    """
    made_of = resolve(name, table, kind)
    if name not in table and not isinstance(made_of, type):
        raise UserError(f"{kind} = {name!r}: a {type(made_of).__name__}, no class; name a class")
    try:
        inspect.signature(made_of).bind(*arguments, **options)
    except (TypeError, ValueError) as error:  # the latter: a signature that Python cannot read
        given = ", ".join([*(type(a).__name__ for a in arguments), *options])
        raise UserError(f"{kind} = {name!r}: does not take ({given}): {error}; change its signature") from None
    return made_of(*arguments, **options)
