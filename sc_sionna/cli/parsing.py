"""Settings as words on a command line: SNR ranges and ``group.name=value`` changes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from sc_sionna.core import plugins, strict_json
from sc_sionna.core.errors import UserError
from sc_sionna.sweep import read_record

MAX_POINTS = 1000


def parse_snr_range(text: str, what: str = "snr_db") -> list[float]:
    """``START:STOP:STEP`` (STOP included) or ``a,b,c`` in dB; UserError where malformed, not finite or empty."""
    form = "write START:STOP:STEP such as -9:18:3, or values such as 0,3,6"
    try:
        if ":" in text:
            start, stop, step = (float(part) for part in text.split(":"))
        else:
            values = [float(part) for part in text.split(",")]
            start = stop = step = 1.0
    except ValueError:
        raise UserError(f"{what} = {text!r}: not a range of numbers; {form}") from None
    if ":" in text:
        if not all(map(math.isfinite, (start, stop, step))):
            raise UserError(f"{what} = {text!r}: not finite; {form}")
        if step <= 0 or stop < start:
            raise UserError(f"{what} = {text!r}: needs STEP > 0 and STOP >= START; {form}")
        steps = (stop - start) / step + 1e-9  # may overflow to infinity
        if steps >= MAX_POINTS:
            raise UserError(f"{what} = {text!r}: more than {MAX_POINTS} points; raise STEP")
        values = [round(start + i * step, 9) for i in range(math.floor(steps) + 1)]
    if not all(map(math.isfinite, values)):
        raise UserError(f"{what} = {text!r}: not finite; {form}")
    if len(set(values)) < len(values):
        raise UserError(f"{what} = {text!r}: a value occurs twice; {form}")
    return values


def parse_numbers(text: str, what: str) -> list[float]:
    """``a,b,c``; UserError where that is no list of different numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or len(set(values)) < len(values):
        raise UserError(f"{what} = {text!r}: not different numbers; write values such as 0,0.05,0.1")
    return values


def read_settings(path: Path) -> tuple[str | None, dict[str, Any]]:
    """Name and settings of a record, which is checked, or settings alone, as JSON; UserError for any other file."""
    try:
        content = strict_json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a record or JSON of settings") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: truncated or not JSON ({error}); name a record or JSON of settings") from None
    if isinstance(content, dict) and "schema" in content:
        record = read_record(path)
        return record.name, record.settings
    if not isinstance(content, dict):
        raise UserError(f'{path}: not settings; write an object such as {{"kind": "accuracy", ...}}')
    return None, content


def parse_value(text: str) -> Any:
    """A setting's value: JSON where it is JSON, else the text itself."""
    try:
        return strict_json.loads(text)
    except ValueError:  # a word, or one of the texts that no setting takes as JSON: its check names the limit
        return text


def parse_changes(changes: list[str], groups: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """``["train.epochs=5", "codec.masking.ratio=0"]`` to nested dictionaries, every group present.

    A ``module:Class`` among the values is allowed with this (:mod:`sc_sionna.core.plugins`): the user has typed it.
    """
    result: dict[str, dict[str, Any]] = {group: {} for group in groups}
    for change in changes:
        path, equals, value = change.partition("=")
        group, *names = path.split(".")
        if not equals or group not in result or not names or not all(names):
            raise UserError(f"--set {change!r}: unknown; write GROUP.NAME=VALUE with GROUP one of {', '.join(groups)}")
        place = result[group]
        for name in names[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise UserError(f"--set {change!r}: {name!r} was set to one value before; set the group or its members")
        place[names[-1]] = parse_value(value)
    plugins.allow_named(result)
    return result
