"""Hostile records with right hashes, as anyone can write them: refused in one line, or noticed by replay."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.replay import replay_record
from sc_sionna.reliability.hostile import VALUES, nested
from sc_sionna.reliability.outcome import Outcome
from sc_sionna.reliability.trap import Trap
from sc_sionna.settings import settings_hash
from sc_sionna.sweep.record import content_hash

# What a replay has no second source for
FREE = {"name", "command", "commit", "created", "duration_s", "notes", "schema"}
ELSEWHERE = {"versions", "device"}  # where they differ, only |z| <= 4 can be asked for, and that is said
Place = tuple[str | int, ...]


def fuzz_records(count: int, random: np.random.Generator) -> Outcome:
    """Change ``count`` places of a small record, make its hashes right again, and replay it."""
    outcome = Outcome("records, re-hashed")
    with tempfile.TemporaryDirectory() as name, Trap(Path(name)) as trap:
        stop = {"errors": 400, "max_batches": 1}
        settings = ErrorRateSettings(
            links={"a": {"num_streams": 2}},
            snr_db=(-3, 0),
            batch_size=16,
            payload_bits=64,
            stop=stop,
        )
        with contextlib.redirect_stdout(io.StringIO()):
            run_and_save(ErrorRateExperiment(settings), "base", Path(name), quiet=True)
        text = (Path(name) / "records" / "base.json").read_text(encoding="utf-8")
        places = list(_places(json.loads(text)))
        path = Path(name) / "hostile.json"
        for _ in range(count):
            content = json.loads(text)
            place = places[int(random.integers(len(places)))]
            case, changed = _damage(content, place, random)
            path.write_text(_hashed(content), encoding="utf-8", errors="surrogatepass")
            outcome.add(case, partial(_noticed, path, place, changed))
            trap.report(case, outcome)
    return outcome


def _places(value: Any, at: Place = ()) -> Iterator[Place]:
    if at:
        yield at
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _places(part, (*at, key))


def _damage(content: dict[str, Any], place: Place, random: np.random.Generator) -> tuple[str, bool]:
    """Change the record at a place; what was done, and whether the content is another one."""
    holder: Any = content
    for key in place[:-1]:
        holder = holder[key]
    old, last = holder[place[-1]], place[-1]
    how = int(random.integers(8))
    what: Any
    if how == 0:
        del holder[last]
        what = "removed"
    elif how == 1 and isinstance(last, str):
        holder[f"{last}\x1b[2J"] = holder.pop(last)
        what = "renamed"
    elif how == 2:
        holder[last] = what = nested(int(random.integers(20, 400)))
    elif how == 3 and isinstance(old, int | float):
        holder[last] = what = old + int(random.integers(1, 4))
    else:
        holder[last] = what = VALUES[int(random.integers(len(VALUES)))]
    shown = (
        what
        if isinstance(what, str)
        else repr(what)[:40]
        if not isinstance(what, int)
        else f"an integer of {what.bit_length()} bits"
    )
    same = how > 1 and what == old and type(what) is type(old)
    return f"{'.'.join(map(str, place))} {shown[:40]!r}", not same


def _hashed(content: dict[str, Any]) -> str:
    """JSON with hashes that are right, where the content has any."""
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        if isinstance(content.get("settings"), dict):
            content["settings_sha256"] = settings_hash(content["settings"])
        content["sha256"] = content_hash(content)
    return json.dumps(content)


def _noticed(path: Path, place: Place, changed: bool) -> bool:
    """Replay the record; True where it said what it must.

    A changed result, budget or point must be refused or disagree. Changed settings may agree, if every count of the run that
    they describe is the stored one, compared exactly.
    """
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = replay_record(path, 1)
    if any(not (c.isprintable() or c == "\n") for c in out.getvalue()):
        raise ArithmeticError("an unprintable character on the terminal")
    if code != 0 or not changed or place[0] in FREE or place == ("settings_sha256",) or place == ("sha256",):
        return True
    if place[0] in ELSEWHERE:
        return "by |z| <= 4 alone" in out.getvalue() or place[:2] != ("device", "processors")
    return place[0] == "settings" and "compared count by count" in out.getvalue()
