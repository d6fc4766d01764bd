"""Who evaluates the batches of a sweep: this process, or others that are told in JSON what to do.

A unit of work is a batch of one system under one threat at all SNRs that still need it, so that what does not depend on the
SNR (encodings, streams, crafted images) is made once. The head of the sweep hands units out, and an executor gives back
parts, one per SNR, as they are finished, in whatever order. What is counted never depends on that order: the head tallies
batches by their numbers.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sc_sionna.core import strict_json
from sc_sionna.core.errors import UserError
from sc_sionna.sweep.per_image import pack, pack_scores, unpack, unpack_scores
from sc_sionna.sweep.points import Point
from sc_sionna.sweep.provenance import processor_class
from sc_sionna.sweep.scores import Outcome, to_outcome

Evaluate = Callable[[Point, int], Mapping[str, int] | Outcome]
Crafted = Callable[[Point, int], str | None]


@dataclass(frozen=True)
class Unit:
    """Batch ``number`` of points that differ in their SNR alone."""

    points: tuple[Point, ...]
    number: int

    @property
    def group(self) -> tuple[str, str | None]:
        """System and threat."""
        return self.points[0].group

    def __str__(self) -> str:
        return f"batch {self.number} of {self.points[0]}" + (" and on" if len(self.points) > 1 else "")


@dataclass(frozen=True)
class Part:
    """A finished batch of one point.

    crafted : SHA-256 of what an attack made for it, None without an attack
    processor : the class of the processor that ran it
    last : whether it is the last one of its unit
    """

    unit: Unit
    point: Point
    outcome: Mapping[str, int] | Outcome
    crafted: str | None
    processor: str
    last: bool


class Executor(ABC):
    """Evaluates units. A context manager: workers end with it, however it ends."""

    ahead: int  # units of one system and threat that may be in work at once

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027  this process has no workers to end
        pass

    @property
    @abstractmethod
    def has_room(self) -> bool:
        """Whether another unit may be handed in."""

    @abstractmethod
    def submit(self, unit: Unit) -> None:
        """Hand in a unit."""

    @abstractmethod
    def finished(self) -> Iterator[Part]:
        """Wait for work that was handed in, and give the parts of it that are finished; at least one."""


class SerialExecutor(Executor):
    """The process of the head itself, one unit after the other.

    evaluate : counts of batch b of a point
    crafted : what an attack made for it
    forget : called after every unit: what ``evaluate`` keeps of a batch for its other SNRs is dropped there
    """

    ahead = 1

    def __init__(self, evaluate: Evaluate, crafted: Crafted, forget: Callable[[], None]) -> None:
        self.evaluate, self.crafted, self.forget = evaluate, crafted, forget
        self._unit: Unit | None = None

    @property
    def has_room(self) -> bool:
        """Whether nothing is in work."""
        return self._unit is None

    def submit(self, unit: Unit) -> None:
        """Keep a unit until :meth:`finished` asks for its parts."""
        self._unit = unit

    def finished(self) -> Iterator[Part]:
        """Evaluate the unit point by point; each part is given away before the next one begins."""
        unit, self._unit = self._unit, None
        assert unit is not None
        for point in unit.points:
            outcome = self.evaluate(point, unit.number)
            yield Part(
                unit, point, outcome, self.crafted(point, unit.number), processor_class(), point == unit.points[-1]
            )
        self.forget()


# ---------------------------------------------------------------------- what is said to workers, and what they say


def unit_to_json(unit: Unit) -> dict[str, Any]:
    """A unit as JSON."""
    system, threat = unit.group
    return {"system": system, "threat": threat, "snr_db": [p.snr_db for p in unit.points], "number": unit.number}


def unit_from_json(value: Mapping[str, Any]) -> Unit:
    """Inverse of :func:`unit_to_json`."""
    points = tuple(Point(value["system"], snr_db, value["threat"]) for snr_db in value["snr_db"])
    return Unit(points, value["number"])


def part_to_json(part: Part) -> dict[str, Any]:
    """What a worker says of a finished batch."""
    outcome = to_outcome(part.outcome)
    return {
        "snr_db": part.point.snr_db,
        "counts": outcome.counts,
        "scores": {name: pack_scores(values) for name, values in outcome.scores.items()},
        "hits": {name: pack(which) for name, which in outcome.hits.items()},
        "crafted": part.crafted,
        "processor": part.processor,
        "last": part.last,
    }


def part_from_json(unit: Unit, value: Mapping[str, Any]) -> Part:
    """Inverse of :func:`part_to_json`; ValueError for counts and scores that no batch has."""
    scores = {name: unpack_scores(text) for name, text in value["scores"].items()}
    hits = {name: unpack(text, value["counts"]["images"]) for name, text in value["hits"].items()}
    point = next(p for p in unit.points if p.snr_db == value["snr_db"])
    outcome = to_outcome(Outcome(value["counts"], scores, hits))
    return Part(unit, point, outcome, value["crafted"], value["processor"], value["last"])


def to_message(value: Mapping[str, Any]) -> bytes:
    """JSON as it goes between processes; never a pickled object."""
    return json.dumps(value).encode()


def from_message(raw: bytes) -> dict[str, Any]:
    """Inverse of :func:`to_message`; ValueError for anything else than a JSON object."""
    value = strict_json.loads(raw.decode())
    if not isinstance(value, dict):
        raise ValueError("a message is a JSON object")
    return value


RETRIES = 2  # of a unit that failed, elsewhere where there is another worker


class Retries:
    """How often each unit failed, and the end of the sweep where one failed too often."""

    def __init__(self) -> None:
        self._failed: dict[Unit, int] = {}

    def again(self, unit: Unit, reason: str) -> None:
        """Note a failure; UserError after the last retry."""
        self._failed[unit] = self._failed.get(unit, 0) + 1
        if self._failed[unit] > RETRIES:
            raise UserError(
                f"{unit}: failed {self._failed[unit]} times, the last time with {reason}; finished batches are kept, mend "
                "the cause and run the same command again"
            )
