"""What a user sees while a long job runs: a live display on a terminal, plain lines elsewhere, nothing if quiet.

One interface for sweeps (items are points) and training (items are epochs): enter it, ``start`` with the number of items,
``batch`` after every batch of an item, ``finish`` after every item.
"""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as RichProgress

PLAIN_SECONDS = 10.0


class Progress:
    """Silent; the base of the others."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, total: int, what: str = "points") -> None:
        """``total`` items called ``what`` follow."""

    def batch(self, item: str, done: int, of: int | None, state: str) -> None:
        """The current item has ``done`` of at most ``of`` batches (None: not known); ``state`` is its estimate in words."""

    def finish(self, item: str, summary: str) -> None:
        """The item is complete, possibly without a batch where all was stored already."""


class Clock:
    """Time left, from the share of the items worked on in this run; what an earlier run left finished takes no time.

    Several items may be in work at once: a batch is run at every SNR before the next one.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.finished = 0
        self._began = time.monotonic()
        self._worked = 0.0  # in items that are finished
        # by unfinished item: its share before its first batch of this run, and now
        self._shares: dict[str, tuple[float, float]] = {}

    def batch(self, item: str, done: int, of: int | None) -> None:
        """Note that ``done`` of at most ``of`` batches of an item are finished (None: not known)."""
        share = min(1.0, done / of) if of else 0.0
        before = max(0.0, (done - 1) / of) if of else 0.0
        self._shares[item] = self._shares.get(item, (before,))[0], share

    def finish(self, item: str) -> None:
        """Note that an item is finished."""
        self.finished += 1
        if item in self._shares:
            self._worked += 1.0 - self._shares.pop(item)[0]

    def elapsed(self) -> str:
        """Time since the start in words."""
        return f"{clock_text(time.monotonic() - self._began)} elapsed"

    def left(self) -> str:
        """Time left in words; an upper estimate, since points may stop before their maximum."""
        current = sum(share - before for before, share in self._shares.values())
        remaining = self.total - self.finished - sum(share for _, share in self._shares.values())
        if remaining <= 0:
            return "0:00 left"
        if self._worked + current <= 0:
            return "time left unknown"
        return f"{clock_text((time.monotonic() - self._began) / (self._worked + current) * remaining)} left"


def clock_text(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class PlainProgress(Progress):
    """A line per finished item, and at most one every ten seconds in between."""

    def start(self, total: int, what: str = "points") -> None:
        """Start the clock for ``total`` items."""
        self.clock = Clock(total)
        self.last = time.monotonic()

    def batch(self, item: str, done: int, of: int | None, state: str) -> None:
        """Print how far the item is, unless a line was printed within the last ten seconds."""
        self.clock.batch(item, done, of)
        if time.monotonic() - self.last >= PLAIN_SECONDS:
            self.last = time.monotonic()
            limit = f"/{of}" if of else ""
            print(f"  {item}: batch {done}{limit}, {state}, {self.clock.left()}", flush=True)

    def finish(self, item: str, summary: str) -> None:
        """Print the line of a finished item."""
        self.clock.finish(item)
        self.last = time.monotonic()
        print(f"[{self.clock.finished}/{self.clock.total}] {item}: {summary}, {self.clock.left()}", flush=True)


class LiveProgress(Progress):
    """Bars for the items and for the batches of the current one, with the current estimate and the time left."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()

    def __enter__(self) -> LiveProgress:
        self.display = RichProgress(  # fits 80 columns
            SpinnerColumn("line"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=8),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            console=self.console,
        )
        self.display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.display.stop()

    def start(self, total: int, what: str = "points") -> None:
        """Show an empty bar for ``total`` items; the bar of batches appears with the first one."""
        self.clock = Clock(total)
        self.items = self.display.add_task(what, total=total, state="")
        self.current = self.display.add_task("", total=None, state="", visible=False)
        self.name = ""

    def batch(self, item: str, done: int, of: int | None, state: str) -> None:
        """Move the bar of batches, which starts anew with another item."""
        self.clock.batch(item, done, of)
        if item != self.name:
            self.name = item
            self.display.reset(self.current)
        self.display.update(self.current, description=item, completed=done, total=of, state=state, visible=True)
        self.display.update(self.items, state=f"{self.clock.elapsed()}, {self.clock.left()}")

    def finish(self, item: str, summary: str) -> None:
        """Print the line of a finished item above the bars, and move the bar of items."""
        self.clock.finish(item)
        self.console.print(f"{item}: {summary}", markup=False, highlight=False)
        state = f"{self.clock.elapsed()}, {self.clock.left()}"
        self.display.update(self.items, completed=self.clock.finished, state=state)
        self.display.update(self.current, visible=False)


def make_progress(quiet: bool = False) -> Progress:
    """The display that suits where the output goes."""
    if quiet:
        return Progress()
    return LiveProgress() if sys.stdout.isatty() else PlainProgress()
