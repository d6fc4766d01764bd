"""Points, stop rules and the loop over batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line
from sc_sionna.settings import LARGEST, Settings
from sc_sionna.sweep.metrics import Counts, Metric, merge, to_counts
from sc_sionna.sweep.progress import Progress
from sc_sionna.sweep.store import Store, StoredBatch

Stop = Literal["half_width", "errors", "maximum"]


@dataclass(frozen=True)
class Point:
    """One point of a sweep: a system at an SNR in dB under a threat (None: no semantic noise)."""

    system: str
    snr_db: float
    threat: str | None = None

    def __post_init__(self) -> None:
        # one name per SNR: 3, 3.0, NumPy's 3.0 and -0.0 against 0.0 are the same point
        object.__setattr__(self, "snr_db", float(self.snr_db) + 0.0)
        if not isfinite(self.snr_db):
            raise UserError(f"snr_db = {self.snr_db}: not a finite number; give the SNR in dB, for example 3")

    @property
    def key(self) -> str:
        """Name in the store; the separator cannot occur in any part."""
        parts = (self.system, repr(self.snr_db), *(() if self.threat is None else (self.threat,)))
        return "\x1f".join(part.replace("\x1f", " ") for part in parts)

    @property
    def group(self) -> tuple[str, str | None]:
        """The system and the threat: what an attack is crafted for, whatever the SNR."""
        return self.system, self.threat

    def __str__(self) -> str:
        text = f"{self.system} at {self.snr_db:g} dB" + (f", {self.threat}" if self.threat is not None else "")
        return one_line(text)  # names of a record from elsewhere go to the terminal through this


class StopRule(Settings):
    """When a point has enough batches; a function of its counts in batch order, so restarts and order cannot change it.

    The point stops after the first batch, not before ``min_batches``, at which the 95 % interval of the metric is narrow
    enough ("half_width") or enough errors were seen ("errors"), and in any case at ``max_batches`` or ``max_trials``
    ("maximum"). Where several hold at once the first of this order is named.
    """

    half_width: float | None = Field(None, gt=0, lt=1, description="the target half-width of the 95 % interval")
    errors: int | None = Field(None, ge=1, le=LARGEST, description="the number of errors that is enough")
    max_batches: int | None = Field(
        None, ge=1, le=LARGEST, description="the most batches per point; null for one pass of the data"
    )
    max_trials: int | None = Field(
        None, ge=1, le=LARGEST, description="the number of trials (images, blocks) that is enough"
    )
    min_batches: int = Field(1, ge=1, le=LARGEST, description="the fewest batches per point before an early stop")

    def verdict(self, batches: int, counts: Mapping[str, int], metric: Metric) -> Stop | None:
        """Why a point stops after these batches, or None if it goes on."""
        if batches >= self.min_batches:
            interval = metric.interval(counts)
            if self.half_width is not None and interval and (interval[1] - interval[0]) / 2 <= self.half_width:
                return "half_width"
            if self.errors is not None and metric.errors(counts) >= self.errors:
                return "errors"
        if self.max_batches is not None and batches >= self.max_batches:
            return "maximum"
        if self.max_trials is not None and counts.get(metric.denominator, 0) >= self.max_trials:
            return "maximum"
        return None

    def at_most(self, max_batches: int | None) -> StopRule:
        """This rule with another upper limit of batches; the smaller one holds."""
        limits = [limit for limit in (self.max_batches, max_batches) if limit is not None]
        if not limits and self.max_trials is None:
            raise UserError(
                "max_batches = None: a point without errors would never end; set max_batches or max_trials of the stop rule"
            )
        rule: StopRule = self.with_(max_batches=min(limits) if limits else None)
        return rule


@dataclass(frozen=True)
class PointResult:
    """Counts of a point and which rule stopped it.

    counts : None if no batch was run
    first_batch : counts of batch 0, which a replay of any size can repeat exactly
    stop : None if the point was not run, or not to its end
    processors : the classes of the processors that ran its batches
    """

    point: Point
    counts: Counts | None
    batches: int
    first_batch: Counts | None
    stop: Stop | None
    processors: tuple[str, ...] = ()


Evaluate = Callable[[Point, int], Mapping[str, int]]
Crafted = Callable[[Point, int], str | None]


class _Tally:
    """The batches of one point in their order, up to the one at which the stop rule holds."""

    def __init__(self, point: Point, stop: StopRule, metric: Metric) -> None:
        self.point, self.rule, self.metric = point, stop, metric
        self.counts: Counts = {}
        self.first: Counts | None = None
        self.batches = 0
        self.stop: Stop | None = None
        self.processors: set[str] = set()

    def add(self, batch: Counts, processor: str) -> None:
        self.first = batch if self.first is None else self.first
        self.counts = merge(self.counts, batch)
        self.batches += 1
        self.processors.add(processor)
        self.stop = self.rule.verdict(self.batches, self.counts, self.metric)

    def add_stored(self, stored: Mapping[int, StoredBatch]) -> None:
        """Stored batches from the first on; those behind a gap or behind the stop do not count."""
        while self.stop is None and self.batches in stored:
            row = stored[self.batches]
            self.add(row.counts, row.processor)

    def result(self) -> PointResult:
        counts, processors = self.counts if self.batches else None, tuple(sorted(self.processors))
        return PointResult(self.point, counts, self.batches, self.first, self.stop, processors)

    def state(self) -> str:
        """The estimate so far, short: value ± half-width of the interval."""
        value, interval = self.metric.value(self.counts), self.metric.interval(self.counts)
        if value is None or interval is None:
            return "no batch yet"
        return f"{self._trials()}, {self.metric.name} {value:.4g} ± {(interval[1] - interval[0]) / 2:.2g}"

    def summary(self) -> str:
        """The final estimate with both ends of its interval, and what stopped the point."""
        value, interval = self.metric.value(self.counts), self.metric.interval(self.counts)
        if value is None or interval is None:
            return "not run"
        ends = f"[{interval[0]:.4g}, {interval[1]:.4g}]"
        return f"{self._trials()}, {self.metric.name} {value:.4g} {ends}, stopped by {self.stop}"

    def _trials(self) -> str:
        return f"{self.counts[self.metric.denominator]} {self.metric.denominator}"


def run_sweep(
    points: Sequence[Point],
    evaluate: Evaluate,
    *,
    store_path: Path,
    run_settings: dict[str, Any],
    stop: StopRule,
    metric: Metric,
    max_batches: int | None = None,
    progress: Progress | None = None,
    crafted: Crafted = lambda point, batch: None,
) -> list[PointResult]:
    """Run every point until its stop rule holds; batches that the store holds already are not run again.

    points : visited in this order; the results are in it too and do not depend on it
    evaluate : counts of batch b of a point. It must derive every random draw from (run seed, SNR, batch); then all systems
        meet the same draws, and the counts depend neither on the order of the points nor on restarts
    run_settings : everything that the counts of a batch depend on, as JSON. The stop rule may stay out: then a store goes on
        under a longer one
    max_batches : what the data allow; the smaller of it and ``stop.max_batches`` holds
    crafted : SHA-256 of what an attack made for batch b of a point, None for a point without attack. A store goes on only
        where these agree with the stored ones, so that it never mixes what two processor classes make of one attack

    Every batch is committed before the next one begins, so an error in ``evaluate``, an interruption or a kill loses
    nothing finished. Raises UserError for a point that occurs twice, a rule without maximum, and as :class:`Store`.
    """
    rule = stop.at_most(max_batches)
    _check_distinct(points)
    results = []
    with Store(store_path, run_settings) as store, progress or Progress() as display:
        display.start(len(points))
        same = _SameAttacks(store, points, evaluate, crafted)
        for point in points:
            tally = _Tally(point, rule, metric)
            stored = store.batches(point.key)
            tally.add_stored(stored)
            while tally.stop is None:
                tally.add_stored(stored)  # behind a gap, which only rows removed by hand leave
                if tally.stop is not None:
                    break
                number = tally.batches
                same.check_before(point)
                counts = _checked(point, evaluate(point, number), metric)
                store.add(point.key, number, counts, same.mark(point, number))
                tally.add(counts, store.processor)
                display.batch(str(point), tally.batches, rule.max_batches, tally.state())
            display.finish(str(point), tally.summary())
            results.append(tally.result())
    return results


class _SameAttacks:
    """Lets a store go on only where this processor makes of every attack what the stored batches were made with."""

    def __init__(self, store: Store, points: Sequence[Point], evaluate: Evaluate, crafted: Crafted) -> None:
        self.store, self.evaluate, self.crafted = store, evaluate, crafted
        by_key = {point.key: point for point in points}
        self._marks: dict[tuple[str, str | None, int], StoredBatch] = {}
        self._foreign: dict[tuple[str, str | None], tuple[Point, int, StoredBatch]] = {}
        for key, number, row in store.rows():
            point = by_key.get(key)
            if point is None:
                continue
            self._marks.setdefault((*point.group, number), row)
            if row.processor != store.processor:
                self._foreign.setdefault(point.group, (point, number, row))

    def check_before(self, point: Point) -> None:
        """Once for a system and threat with batches of another processor class: make the first of them here and compare."""
        other = self._foreign.pop(point.group, None)
        if other is None:
            return
        first, number, row = other
        if row.crafted is None:  # no attack: the networks alone decide, so the counts must agree
            self._compare(first, number, row, dict(self.evaluate(first, number)) == row.counts, "counts")
        else:
            self._compare(first, number, row, self.crafted(first, number) == row.crafted, "crafted images")

    def mark(self, point: Point, number: int) -> str | None:
        """The hash to store with a batch that was just run; UserError where an earlier one of the same attack differs."""
        mark = self.crafted(point, number)
        known = self._marks.setdefault((*point.group, number), StoredBatch({}, mark, self.store.processor))
        self._compare(point, number, known, known.crafted == mark, "crafted images")
        return mark

    def _compare(self, point: Point, number: int, row: StoredBatch, same: bool, what: str) -> None:
        if not same:
            raise UserError(
                f"{self.store.path}: batch {number} of {point} was made on another processor ({row.processor}), whose "
                f"{what} differ from those of this one ({self.store.processor}); go on there, say --fresh, or choose "
                "another --out"
            )


def stored_results(
    points: Sequence[Point],
    *,
    store_path: Path,
    run_settings: dict[str, Any],
    stop: StopRule,
    metric: Metric,
    max_batches: int | None = None,
) -> list[PointResult]:
    """What an unfinished sweep has so far, without running anything: points not begun have no counts and no stop."""
    rule = stop.at_most(max_batches)
    _check_distinct(points)
    tallies = [_Tally(point, rule, metric) for point in points]
    with Store(store_path, run_settings) as store:
        for tally in tallies:
            tally.add_stored(store.batches(tally.point.key))
    return [tally.result() for tally in tallies]


def _checked(point: Point, values: Mapping[str, int], metric: Metric) -> Counts:
    """Counts that may be committed; ValueError for impossible ones, which are a bug of ``evaluate``."""
    counts = to_counts(values)
    if not counts.get(metric.denominator):
        raise ValueError(f"{point}: evaluate counted no {metric.denominator}")
    metric.interval(counts)  # raises where the numerator exceeds the denominator
    return counts


def _check_distinct(points: Sequence[Point]) -> None:
    seen: set[str] = set()
    for point in points:
        if point.key in seen:
            raise UserError(f"{point}: occurs twice in the sweep; name each point once")
        seen.add(point.key)
