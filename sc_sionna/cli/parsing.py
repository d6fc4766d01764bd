"""Settings as words on a command line: SNR ranges and ``group.name=value`` changes."""

from __future__ import annotations

import math
from typing import Any

from sc_sionna.core import plugins, strict_json
from sc_sionna.core.errors import UserError

MAX_POINTS = 1000


def parse_snr_range(text: str) -> list[float]:
    """``START:STOP:STEP`` (STOP included) or ``a,b,c`` in dB; UserError where malformed, not finite or empty."""
    form = "write START:STOP:STEP such as -9:18:3, or values such as 0,3,6"
    try:
        if ":" in text:
            start, stop, step = (float(part) for part in text.split(":"))
        else:
            values = [float(part) for part in text.split(",")]
            start = stop = step = 1.0
    except ValueError:
        raise UserError(f"snr_db = {text!r}: not a range of numbers; {form}") from None
    if ":" in text:
        if not all(map(math.isfinite, (start, stop, step))):
            raise UserError(f"snr_db = {text!r}: not finite; {form}")
        if step <= 0 or stop < start:
            raise UserError(f"snr_db = {text!r}: needs STEP > 0 and STOP >= START; {form}")
        steps = (stop - start) / step + 1e-9  # may overflow to infinity
        if steps >= MAX_POINTS:
            raise UserError(f"snr_db = {text!r}: more than {MAX_POINTS} points; raise STEP")
        values = [round(start + i * step, 9) for i in range(math.floor(steps) + 1)]
    if not all(map(math.isfinite, values)):
        raise UserError(f"snr_db = {text!r}: not finite; {form}")
    if len(set(values)) < len(values):
        raise UserError(f"snr_db = {text!r}: a value occurs twice; {form}")
    return values


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
