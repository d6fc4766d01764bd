"""What reaches the terminal: text that cannot move its cursor, on streams that exist and take every character."""

from __future__ import annotations

import os
import sys

LONGEST = 800  # characters of a line that says what is wrong


def one_line(text: str) -> str:
    """``text`` with every character that is not printable (escape sequences, line breaks, bidirectional marks) spelled out.

    Names come from files of others; a terminal obeys what stands in them unless it is spelled.
    """
    spelled = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shortened(text))
    return shortened(spelled)


def shortened(text: str) -> str:
    """``text`` without its middle where it is very long: an error begins with the name and ends with the remedy."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2 - 4]} [...] {text[4 - LONGEST // 2 :]}"


def prepare_streams() -> None:
    """Make standard input, output and error usable whatever the process was started with.

    A closed one is opened on the null device: the next file would take its number, and what is printed would go into it. An
    output whose encoding lacks a character, such as ε in ASCII, shows the character's number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # as Python leaves it for a descriptor that was closed
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
