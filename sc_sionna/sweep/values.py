"""Agreement of results that are no counts: leaf by leaf, numbers within a stated tolerance, all else exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ABSENT = "absent"


@dataclass(frozen=True)
class ValueDifference:
    """A leaf of two nested results that does not agree; ``place`` is its path, such as ``checks[2].z``."""

    place: str
    stored: Any
    replayed: Any


def value_differences(stored: Any, replayed: Any, tolerance: float, place: str = "") -> Iterator[ValueDifference]:
    """Leaves that differ: numbers by more than ``tolerance * max(1, |stored|)``, others at all; also those of one alone."""
    if isinstance(stored, dict) and isinstance(replayed, dict):
        for key in dict.fromkeys([*stored, *replayed]):
            inner = f"{place}.{key}" if place else str(key)
            yield from value_differences(stored.get(key, ABSENT), replayed.get(key, ABSENT), tolerance, inner)
    elif isinstance(stored, list) and isinstance(replayed, list) and len(stored) == len(replayed):
        for number, (one, other) in enumerate(zip(stored, replayed, strict=True)):
            yield from value_differences(one, other, tolerance, f"{place}[{number}]")
    elif _is_number(stored) and _is_number(replayed):
        if not abs(stored - replayed) <= tolerance * max(1.0, abs(stored)):
            yield ValueDifference(place, stored, replayed)
    elif stored != replayed or type(stored) is not type(replayed):
        yield ValueDifference(place, stored, replayed)


def count_leaves(values: Any) -> int:
    """How many numbers, words and truth values a nested result has."""
    if isinstance(values, dict):
        return sum(map(count_leaves, values.values()))
    return sum(map(count_leaves, values)) if isinstance(values, list) else 1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
