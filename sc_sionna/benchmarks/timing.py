"""How every benchmark measures: all ways of working in turn, so that a busy machine slows all alike, and medians."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timing:
    """What :func:`interleaved` measured.

    repetitions : timed ones, without the warm-up
    seconds : by way of working, the median over the repetitions of the mean time of a call
    results : by way of working, what the last call of each timed repetition returned
    """

    repetitions: int
    seconds: dict[str, float]
    results: dict[str, list[Any]]


def interleaved(
    ways: Mapping[str, Callable[[int], Any]], repetitions: int, warm_up: int = 1, at_least: float = 0.0
) -> Timing:
    """Time several ways of doing the same work, one after the other in every repetition.

    ways : by name, a call that gets the number of the repetition, from ``-warm_up`` on; those below 0 compile and are not
        timed. A call must return only when its work is done (a device's result has been read).
    at_least : seconds that a repetition of one way lasts; short calls are repeated until they have filled them
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, list[Any]] = {name: [] for name in ways}
    for repetition in range(-warm_up, repetitions):
        for name, call in ways.items():
            calls, began = 0, time.perf_counter()
            while True:
                result = call(repetition)
                calls += 1
                elapsed = time.perf_counter() - began
                if elapsed >= at_least or repetition < 0:
                    break
            if repetition >= 0:
                times[name].append(elapsed / calls)
                results[name].append(result)
    return Timing(repetitions, {name: float(np.median(values)) for name, values in times.items()}, results)


@dataclass(frozen=True)
class Goal:
    """What a benchmark promises: a measured ratio of at least ``limit``, or of at most it."""

    what: str
    limit: float
    at_most: bool = False

    def met(self, measured: float) -> bool:
        """Whether a measured ratio keeps the promise."""
        return measured <= self.limit if self.at_most else measured >= self.limit

    def line(self, measured: float, digits: int) -> str:
        """The goal, what was measured, and the verdict, in one sentence."""
        verdict = "met" if self.met(measured) else "NOT met"
        return f"Goal: {self.what.format(limit=f'{self.limit:g}')}; measured {measured:.{digits}f}: {verdict}"
