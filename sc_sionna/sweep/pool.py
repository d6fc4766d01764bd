"""What executors with workers of their own share: who has which unit, what became of it, what follows a worker's end."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sc_sionna.core.errors import UserError
from sc_sionna.sweep.executor import RETRIES, Executor, Part, Retries, Unit, part_from_json, unit_to_json
from sc_sionna.sweep.points import Point

IN_FLIGHT = 2  # units of a worker: one in work and one that waits, so that it never waits for the head


@dataclass(eq=False)
class Worker:
    """One worker as the head sees it.

    handle : what the executor reaches it by
    units : in its hands, the first one in work
    done : points of the first one that are finished
    processor : its class, None until it says so
    """

    handle: Any
    units: deque[Unit] = field(default_factory=deque)
    done: set[Point] = field(default_factory=set)
    processor: str | None = None


@dataclass(frozen=True)
class Event:
    """What a worker said, ``message`` None where it ended instead; then ``reason`` says how."""

    worker: Worker
    message: Mapping[str, Any] | None
    reason: str = ""


class Pool(Executor):
    """Hands units to workers and takes their parts; a subclass starts workers, talks to them and listens.

    A worker says ``{"ready": processor class}`` first, or ``{"error": line}`` where it cannot be used. Of each unit it says
    its parts, or ``{"failed": reason}``. A unit that failed, or whose worker ended, is given to another worker where there
    is one, twice at most; then the sweep ends. Units of one system and threat stay on one class of processors, whose
    rounding decides what an attack makes.

    num_workers : at least 1
    """

    def __init__(self, num_workers: int) -> None:
        if num_workers < 1:
            raise UserError(f"workers = {num_workers}: at least 1 is needed")
        self.num_workers = num_workers
        self.ahead = IN_FLIGHT * num_workers
        self.workers: list[Worker] = []
        self._waiting: deque[tuple[Unit, Worker | None]] = deque()  # with the worker on which it failed
        self._retries = Retries()
        self._lost_idle = 0  # workers that ended with nothing in their hands, in a row
        self._class_of: dict[tuple[str, str | None], str | None] = {}

    # ------------------------------------------------------------------ what a subclass writes

    @abstractmethod
    def _start(self) -> Any:
        """Start a worker; its handle."""

    @abstractmethod
    def _send(self, worker: Worker, message: Mapping[str, Any]) -> None:
        """Tell a worker something; one that has ended may be told in vain."""

    @abstractmethod
    def _events(self) -> Iterable[Event]:
        """Wait until some worker says something or ends."""

    @abstractmethod
    def _end(self, worker: Worker) -> None:
        """End a worker at once."""

    # ------------------------------------------------------------------ the executor

    def __enter__(self) -> Pool:
        try:
            self.workers = [Worker(self._start()) for _ in range(self.num_workers)]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            self._end(worker)
        self.workers = []

    @property
    def has_room(self) -> bool:
        """Whether some worker has fewer than two units, and none waits for a worker."""
        return not self._waiting and any(len(worker.units) < IN_FLIGHT for worker in self.workers)

    def submit(self, unit: Unit) -> None:
        """Give a unit to the worker with the fewest."""
        self._waiting.append((unit, None))
        self._hand_out()

    def finished(self) -> Iterator[Part]:
        """Parts as they arrive; returns once there was at least one."""
        found = False
        while not found:
            for event in self._events():
                part = self._take(event)
                if part is not None:
                    found = True
                    yield part
            self._hand_out()

    def _hand_out(self) -> None:
        for _ in range(len(self._waiting)):
            unit, failed_on = self._waiting.popleft()
            worker = self._choose(unit, failed_on)
            if worker is None:
                self._waiting.append((unit, failed_on))
                continue
            self._class_of.setdefault(unit.group, worker.processor)
            worker.units.append(unit)
            self._send(worker, unit_to_json(unit))

    def _choose(self, unit: Unit, failed_on: Worker | None) -> Worker | None:
        """The worker with the fewest units that may have this one; that on which it failed only where there is no other.

        Raises
        ------
        UserError where no worker is left of the class that the unit must stay on: it would wait for ever.
        """
        wanted = self._class_of.get(unit.group)
        fitting = [w for w in self.workers if wanted is None or w.processor in (None, wanted)]
        if not fitting:
            raise UserError(
                f"{unit}: no worker is left on a processor of the class {wanted!r}, on which its batches were begun; run "
                "the same command where there is one"
            )
        others = [worker for worker in fitting if worker is not failed_on] or fitting
        able = [worker for worker in others if len(worker.units) < IN_FLIGHT and worker.processor is not None]
        return min(able, key=lambda worker: len(worker.units), default=None)

    def _take(self, event: Event) -> Part | None:
        """What a worker said: a part, or None for anything else."""
        worker, message = event.worker, event.message
        if message is None:
            self._lost(worker, event.reason)
        elif "error" in message:
            raise UserError(str(message["error"]))
        elif "ready" in message:
            worker.processor = str(message["ready"])
            self._lost_idle = 0
        elif "failed" in message:
            self._again(worker, str(message["failed"]))
        else:
            part = part_from_json(worker.units[0], message)
            worker.done.add(part.point)
            if part.last:
                worker.units.popleft()
                worker.done.clear()
            return part
        return None

    def _again(self, worker: Worker, reason: str) -> None:
        """Put what is left of a worker's unit back among those that wait."""
        unit = worker.units.popleft()
        left = Unit(tuple(point for point in unit.points if point not in worker.done), unit.number)
        worker.done.clear()
        self._retries.again(left, reason)
        self._waiting.append((left, worker))

    def _lost(self, worker: Worker, reason: str) -> None:
        """Start another worker in place of one that ended; the unit that it was at counts as failed there."""
        place = self.workers.index(worker)
        self._end(worker)
        if worker.units and worker.processor is not None:
            self._again(worker, reason)
        else:
            self._lost_idle += 1
            if self._lost_idle > RETRIES:
                raise UserError(
                    f"worker: ended {self._lost_idle} times before it did anything ({reason}); see its output"
                )
        self._waiting.extend((unit, None) for unit in worker.units)
        worker.units.clear()
        self.workers[place] = Worker(self._start())
