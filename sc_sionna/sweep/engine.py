"""The loop over points and batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sc_sionna.core.errors import UserError
from sc_sionna.sweep.executor import Crafted, Evaluate, Executor, Part, SerialExecutor
from sc_sionna.sweep.head import run_groups
from sc_sionna.sweep.metrics import Counts, Metric, merge
from sc_sionna.sweep.per_image import MOST_SCORES, Hits, pack, pack_scores
from sc_sionna.sweep.points import Point, Stop, StopRule
from sc_sionna.sweep.progress import Progress
from sc_sionna.sweep.scores import Outcome, Scores, ScoreSummary, joined, same_outcome, summarised, to_outcome
from sc_sionna.sweep.store import Store, StoredBatch


@dataclass(frozen=True)
class PointResult:
    """Counts of a point and which rule stopped it.

    counts : None if no batch was run
    first_batch : counts of batch 0, which a replay of any size can repeat exactly
    stop : None if the point was not run, or not to its end
    processors : the classes of the processors that ran its batches
    scores, first_scores : summaries of the images' scores, of all batches and of batch 0; empty where a task has none
    outcomes : what a record keeps image by image, written as :mod:`~sc_sionna.sweep.per_image` does: hits by the name of
        their count, and the scores that are the metric, of up to ``MOST_SCORES`` images
    """

    point: Point
    counts: Counts | None
    batches: int
    first_batch: Counts | None
    stop: Stop | None
    processors: tuple[str, ...] = ()
    scores: Mapping[str, ScoreSummary] = field(default_factory=dict)
    first_scores: Mapping[str, ScoreSummary] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)


class Tally:
    """The batches of one point in their order, up to the one at which the stop rule holds."""

    def __init__(self, point: Point, stop: StopRule, metric: Metric) -> None:
        self.point, self.rule, self.metric = point, stop, metric
        self.counts: Counts = {}
        self.first: Outcome | None = None
        self.scores: list[Scores] = []
        self.hits: list[Hits] = []
        self.batches = 0
        self.stop: Stop | None = None
        self.processors: set[str] = set()

    def add(self, batch: Outcome, processor: str) -> None:
        """Count the next batch, and ask the rule whether it was the last."""
        self.first = self.first or batch
        self.counts = merge(self.counts, batch.counts)
        self.scores.append(batch.scores)
        self.hits.append(batch.hits)
        self.batches += 1
        self.processors.add(processor)
        self.stop = self.rule.verdict(self.batches, self._found(), self.metric)

    def add_stored(self, stored: Mapping[int, StoredBatch]) -> None:
        """Stored batches from the first on; those behind a gap or behind the stop do not count."""
        while self.stop is None and self.batches in stored:
            row = stored[self.batches]
            self.add(row.outcome, row.processor)

    def _found(self) -> dict[str, Any]:
        """Counts and summaries of scores, of which a metric is a function."""
        return {**self.counts, **summarised(joined(self.scores))}

    def result(self) -> PointResult:
        """What was counted so far."""
        processors = tuple(sorted(self.processors))
        if self.first is None:
            return PointResult(self.point, None, 0, None, self.stop, processors)
        scores = joined(self.scores)
        outcomes = {name: pack(which) for name, which in joined(self.hits).items()}
        shown = scores.get(self.metric.name)
        if shown is not None and len(shown) <= MOST_SCORES:
            outcomes[self.metric.name] = pack_scores(shown)
        return PointResult(
            self.point, self.counts, self.batches, self.first.counts, self.stop, processors, summarised(scores),
            summarised(self.first.scores), outcomes,
        )  # fmt: skip

    def state(self) -> str:
        """The estimate so far, short: value ± half-width of the interval."""
        found = self._found()
        value, interval = self.metric.value(found), self.metric.interval(found)
        if value is None or interval is None:
            return "no estimate yet"
        return f"{self._trials()}, {self.metric.name} {value:.4g} ± {(interval[1] - interval[0]) / 2:.2g}"

    def summary(self) -> str:
        """The final estimate with both ends of its interval, and what stopped the point."""
        found = self._found()
        value, interval = self.metric.value(found), self.metric.interval(found)
        if value is None:
            return "not run"
        if interval is None:
            return f"{self._trials()}, {self.metric.name} {value:.4g}, too few for an interval"
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
    forget: Callable[[], None] = lambda: None,
    executor: Executor | None = None,
) -> list[PointResult]:
    """Run every point until its stop rule holds; batches that the store holds already are not run again.

    points : system by system and threat by threat, in the order of their first points, a batch is run at all its SNRs
        before the next batch begins; the results are in the order of ``points`` and do not depend on it
    evaluate : counts of batch b of a point. It must derive every random draw from (run seed, SNR, batch); then all systems
        meet the same draws, and the counts depend neither on the order of the points nor on restarts
    run_settings : everything that the counts of a batch depend on, as JSON. The stop rule may stay out: then a store goes on
        under a longer one
    max_batches : what the data allow; the smaller of it and ``stop.max_batches`` holds
    crafted : SHA-256 of what an attack made for batch b of a point, None for a point without attack. A store goes on only
        where these agree with the stored ones, so that it never mixes what two processor classes make of one attack
    forget : called when no SNR of a system and threat needs the batch in hand any more; what ``evaluate`` keeps of a batch
        for its other SNRs is dropped there, so that memory does not grow with the data set
    executor : who evaluates the batches; None for this process. The counts do not depend on it: batches are tallied in their
        order, and those beyond a stop, which several workers may make, are stored and not counted

    Every batch is committed before the next one begins, so an error in ``evaluate``, an interruption or a kill loses
    nothing finished. Raises UserError for a point that occurs twice, a rule without maximum, and as :class:`Store`.
    """
    stop.check(metric)
    rule = stop.at_most(max_batches)
    _check_distinct(points)
    groups: dict[tuple[str, str | None], list[Tally]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(Tally(point, rule, metric))
    with Store(store_path, run_settings) as store, progress or Progress() as display:
        display.start(len(points))
        same = SameAttacks(store, points, metric, evaluate, crafted)
        with executor or SerialExecutor(evaluate, crafted, forget) as workers:
            run_groups(list(groups.values()), workers, store, same, display)
    results = {tally.point: tally.result() for tallies in groups.values() for tally in tallies}
    return [results[point] for point in points]


class SameAttacks:
    """Lets a store go on only where this processor makes of every attack what the stored batches were made with."""

    def __init__(
        self, store: Store, points: Sequence[Point], metric: Metric, evaluate: Evaluate, crafted: Crafted
    ) -> None:
        self.store, self.metric, self.evaluate, self.crafted = store, metric, evaluate, crafted
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
            made = to_outcome(self.evaluate(first, number))
            self._compare(first, number, row, same_outcome(made, row.outcome), "counts, scores or hits")
        else:
            self._compare(first, number, row, self.crafted(first, number) == row.crafted, "crafted images")

    def checked(self, part: Part) -> StoredBatch:
        """A batch that was just run, as it may be stored.

        Raises
        ------
        UserError where an earlier one of the same attack differs; ValueError for an outcome that is impossible, a bug.
        """
        point, number = part.point, part.unit.number
        outcome = _checked(point, part.outcome, self.metric)
        row = StoredBatch(outcome, part.crafted, part.processor)
        known = self._marks.setdefault((*point.group, number), StoredBatch(Outcome({}), part.crafted, part.processor))
        self._compare(point, number, known, known.crafted == part.crafted, "crafted images")
        return row

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
    tallies = [Tally(point, rule, metric) for point in points]
    with Store(store_path, run_settings) as store:
        for tally in tallies:
            tally.add_stored(store.batches(tally.point.key))
    return [tally.result() for tally in tallies]


def _checked(point: Point, values: Mapping[str, int] | Outcome, metric: Metric) -> Outcome:
    """An outcome that may be committed; ValueError for an impossible one, which is a bug of ``evaluate``."""
    outcome = to_outcome(values)
    if not outcome.counts.get(metric.denominator):
        raise ValueError(f"{point}: evaluate counted no {metric.denominator}")
    found: dict[str, Any] = {**outcome.counts, **summarised(outcome.scores)}
    if metric.value(found) is None:
        raise ValueError(f"{point}: evaluate gave no {metric.name}")
    metric.interval(found)  # raises where the numerator exceeds the denominator
    return outcome


def _check_distinct(points: Sequence[Point]) -> None:
    seen: set[str] = set()
    for point in points:
        if point.key in seen:
            raise UserError(f"{point}: occurs twice in the sweep; name each point once")
        seen.add(point.key)
