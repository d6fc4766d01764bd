"""What became of the cases of one part, and the table that the figures are kept in."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sc_sionna.core.atomic import write_text
from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line

LONGEST_LINE = 1000  # characters of an error that a user can still read
HEADER = (
    "| part | cases | refused in one line | no effect on a result | tracebacks | silent changes | code or files | "
    "made by |"
)


@dataclass
class Outcome:
    """Counts of what became of the cases.

    refused : ended with one printable line
    harmless : went through, and every result is what it must be
    tracebacks : ended with anything but one line
    silent : went through with another result
    foreign : imported or wrote what the user had not named
    """

    part: str
    cases: int = 0
    refused: int = 0
    harmless: int = 0
    tracebacks: int = 0
    silent: int = 0
    foreign: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def faultless(self) -> bool:
        """Whether no case ended in a traceback, a silent change, or an import or file of its own."""
        return self.tracebacks == self.silent == self.foreign == 0

    def add(self, case: str, work: Callable[[], bool]) -> None:
        """Run a case; ``work`` says whether the results are what they must be, or raises."""
        self.cases += 1
        try:
            right = work()
        except UserError as error:
            self.line(case, str(error))
        except Exception as error:
            self.tracebacks += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            self.faults.append(f"{case}: {where} {type(error).__name__}: {str(error)[:120]}")
        else:
            self.harmless += right
            if not right:
                self.silent += 1
                self.faults.append(f"{case}: another result in silence")

    def line(self, case: str, text: str) -> None:
        """A case that ended with an error; one that is no printable line counts with the tracebacks."""
        if text == one_line(text) and 0 < len(text) <= LONGEST_LINE:
            self.refused += 1
        else:
            self.tracebacks += 1
            self.faults.append(f"{case}: not one printable line of at most {LONGEST_LINE} characters: {text[:80]!r}")

    def intrusion(self, case: str, what: str) -> None:
        """A case that imported or wrote something of its own."""
        self.foreign += 1
        self.faults.append(f"{case}: {what}")

    def row(self) -> str:
        """The counts as a row of the Markdown table under :data:`HEADER`."""
        values = (self.cases, self.refused, self.harmless, self.tracebacks, self.silent, self.foreign)
        return f"| {self.part} | " + " | ".join(f"{value:,}" for value in values) + " |"


def write_table(path: Path, outcomes: list[Outcome], more: list[str], command: str, made: dict[str, Any]) -> None:
    """Write the figures, each row with the command that made it; rows of parts that were not run now stay as they are."""
    rows: dict[str, str] = {}
    notes: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("| ") and line != HEADER:
                rows[line.split(" | ")[0]] = line
            elif line.startswith("- "):
                notes[line.split(":")[0]] = line
    by = f"`{command}` at {made['commit']}, {made['processor']}"
    rows |= {f"| {outcome.part}": f"{outcome.row()} {by} |" for outcome in outcomes}
    notes |= {line.split(":")[0]: line for line in more}
    lines = [
        "# Reliability",
        "",
        "Each case is one damaged or hostile input. *No effect*: the input was accepted and every result is what it must "
        "be. *Code or files*: what was imported or written without the user's word.",
        "",
        HEADER,
        "|---" * (HEADER.count("|") - 1) + "|",
        *rows.values(),
    ]
    write_text(path, "\n".join([*lines, *([""] if notes else []), *notes.values()]) + "\n")
