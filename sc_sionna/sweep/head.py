"""The head of a sweep: it alone holds the store, hands out units, commits parts as they arrive, tallies them in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sc_sionna.sweep.executor import Executor, Part, Unit
from sc_sionna.sweep.points import Point
from sc_sionna.sweep.progress import Progress
from sc_sionna.sweep.store import Store, StoredBatch

if TYPE_CHECKING:
    from sc_sionna.sweep.engine import SameAttacks, Tally


class _Group:
    """The points of one system and threat: what is stored of them, and what is in work."""

    def __init__(self, tallies: Sequence[Tally], store: Store, display: Progress) -> None:
        self.tallies, self.display = {tally.point: tally for tally in tallies}, display
        self.open = list(tallies)
        self.stored = {tally.point: store.batches(tally.point.key) for tally in tallies}
        self.in_work: set[tuple[Point, int]] = set()
        for tally in tallies:
            self._add_stored(tally)
            self._close_if_stopped(tally)

    def _add_stored(self, tally: Tally) -> bool:
        """Tally what is stored of a point in the order of its batches, up to its stop; whether there was any."""
        stored, before = self.stored[tally.point], tally.batches
        tally.add_stored(stored)
        for number in range(before, tally.batches):
            del stored[number]
        return tally.batches > before

    def _close_if_stopped(self, tally: Tally) -> None:
        if tally.stop is not None:
            self.open.remove(tally)
            self.display.finish(str(tally.point), tally.summary())

    def next(self, ahead: int) -> Unit | None:
        """The first batch that some point still needs and nobody works at, at most ``ahead`` batches beyond the tally."""
        if not self.open:
            return None
        first = min(tally.batches for tally in self.open)
        limit = self.open[0].rule.max_batches
        for number in range(first, first + ahead if limit is None else min(first + ahead, limit)):
            points = tuple(
                tally.point
                for tally in self.open
                if tally.batches <= number
                and number not in self.stored[tally.point]
                and (tally.point, number) not in self.in_work
            )
            if points:
                self.in_work |= {(point, number) for point in points}
                return Unit(points, number)
        return None

    def take(self, part: Part, row: StoredBatch) -> None:
        """A part that is committed."""
        number, tally = part.unit.number, self.tallies[part.point]
        self.in_work.discard((part.point, number))
        if tally.stop is not None:
            return  # beyond the batch at which its rule held: stored, and not counted
        self.stored[part.point][number] = row
        if self._add_stored(tally):
            self.display.batch(str(part.point), tally.batches, tally.rule.max_batches, tally.state())
        self._close_if_stopped(tally)


def run_groups(
    groups: Sequence[Sequence[Tally]], executor: Executor, store: Store, same: SameAttacks, display: Progress
) -> None:
    """Run every group to its end. With several workers batches beyond a stop may be made; they do not count."""
    waiting = list(groups)
    opened: dict[tuple[str, str | None], _Group] = {}

    def next_unit() -> Unit | None:
        for group in opened.values():
            unit = group.next(executor.ahead)
            if unit is not None:
                return unit
        while waiting:
            tallies = waiting.pop(0)
            group = opened[tallies[0].point.group] = _Group(tallies, store, display)
            unit = group.next(executor.ahead)
            if unit is not None:
                return unit
        return None

    while True:
        while executor.has_room and (unit := next_unit()) is not None:
            same.check_before(unit.points[0])
            executor.submit(unit)
        for name in [name for name, group in opened.items() if not group.open and not group.in_work]:
            del opened[name]
        if not any(group.in_work for group in opened.values()):
            return
        for part in executor.finished():
            row = same.checked(part)
            store.add(part.point.key, part.unit.number, row.outcome, row.crafted, row.processor)
            opened[part.point.group].take(part, row)
