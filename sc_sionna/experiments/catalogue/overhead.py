"""Transmission overhead: Table I of the paper from its own formulas, beside what this link really puts on the air."""

from __future__ import annotations

from sc_sionna.experiments.catalogue.entry import Entry, Options, Run
from sc_sionna.experiments.overhead import OverheadSettings, as_markdown
from sc_sionna.settings import Settings
from sc_sionna.sweep import Record


def runs(options: Options, _: Settings) -> list[Run]:
    """One record; a quick one differs in its name alone."""
    return [Run("overhead" + options.pick("", "_quick"), OverheadSettings())]


def print_summary(record: Record) -> None:
    """The table."""
    print(as_markdown(record.values))


ENTRY = Entry(
    "Table I, symbols per image, beside this link's",
    "overhead",
    runs,
    takes=frozenset(),
    groups=(),
    summary=print_summary,
)
