"""JSON from outside: bounded, so that no text can exhaust the stack or the integer parser."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 32  # of settings, records and descriptions none is nested deeper than 8
MAX_DIGITS = 30  # of an integer: counts and seeds fit into 64 bits


def loads(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises
    ------
    ValueError
        One short line for a text that is no JSON, one nested deeper than ``MAX_DEPTH``, an integer of more than
        ``MAX_DIGITS`` digits, ``NaN`` and the infinities (also as ``1e999``), and a key that occurs twice.
    """
    try:
        value = json.loads(
            text, parse_int=_integer, parse_float=_number, parse_constant=_constant, object_pairs_hook=_distinct
        )
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            part for x in level if isinstance(x, dict | list) for part in (x.values() if isinstance(x, dict) else x)
        ]
        if not level:
            return value
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits; at most {MAX_DIGITS}")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is out of range")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found
