"""The file of a calibration: quantiles of a link's bit error rate per image by SNR, with a hash over all of them.

A flipped digit would train another codec in silence, so the file is believed only where its hash holds. The hash covers the
file's name too, which says of which link and payload the numbers are. It finds damage; it is no signature.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from sc_sionna.core import strict_json
from sc_sionna.core.atomic import make_folder, remove_scratch, write_text
from sc_sionna.core.errors import UserError
from sc_sionna.core.lock import ProcessLock
from sc_sionna.settings import settings_hash

FORMAT = 2
FIELDS = ("format", "link", "payload_bits", "images", "quantiles", "sha256")
MAX_BYTES = 2**24  # 257 quantiles at 1,000 SNRs take 3 MB

_LEFT_OVER = re.compile(r"\.([0-9a-f]{16})(?:\.lock|\.json\..{8})")


def read_calibration(path: Path) -> dict[str, Any]:
    """The table of a calibration file.

    Raises
    ------
    UserError
        The file is truncated, altered, renamed, of another version or something else.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"{size} bytes, at most {MAX_BYTES}")
        table: dict[str, Any] = strict_json.loads(path.read_bytes())
        if not isinstance(table, dict):
            raise ValueError(f"a table is expected, not {type(table).__name__}")
        odd = sorted(set(FIELDS) ^ set(table))
        if odd:
            raise ValueError(f"{odd[0]!r} is {'missing' if odd[0] in FIELDS else 'unknown'}")
        if table["format"] != FORMAT:
            raise ValueError(f"format {str(table['format'])[:20]}, this version reads {FORMAT}")
        if table["sha256"] != _digest(path, table):
            raise ValueError("the hash of its name and numbers differs")
        for snr, levels in table["quantiles"].items():
            _check(snr, levels)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: truncated or not a calibration ({error}); remove it and calibrate again") from None
    return table


def write_calibration(path: Path, table: dict[str, Any]) -> None:
    """Write ``link``, ``payload_bits``, ``images`` and ``quantiles`` of a table, with format and hash."""
    whole = {"format": FORMAT, **{name: table[name] for name in FIELDS[1:-1]}}
    whole = resealed(path, whole)
    for snr, levels in table["quantiles"].items():
        _check(snr, levels)
    write_text(path, json.dumps(whole) + "\n")


@contextmanager
def locked_calibration(path: Path) -> Iterator[None]:
    """No other process measures into ``path`` meanwhile; what a killed one left half-written is removed.

    Raises
    ------
    UserError
        Another one does, or the folder cannot be written.
    """
    make_folder(path.parent)
    lock = path.parent / f".{path.stem}.lock"
    held = ProcessLock(lock, path, "calibration", "choose another folder")
    try:
        remove_scratch(path)
        yield
    finally:
        lock.unlink(missing_ok=True)
        held.release()


def remove_left_over(folder: Path) -> None:
    """Remove what killed processes left of any calibration in a folder: locks, and half-written files."""
    found = {match[1] for entry in folder.iterdir() if (match := _LEFT_OVER.fullmatch(entry.name)) is not None}
    for name in found:
        with suppress(UserError), locked_calibration(folder / f"{name}.json"):  # unless one is measured just now
            pass


def resealed(path: Path, table: dict[str, Any]) -> dict[str, Any]:
    """A table with the SHA-256 of the file's name and all its other entries."""
    return table | {"sha256": _digest(path, table)}


def _digest(path: Path, table: dict[str, Any]) -> str:
    content = {name: value for name, value in table.items() if name != "sha256"}
    return settings_hash({"name": path.stem, **content})


def _check(snr: str, levels: list[float]) -> None:
    """Increasing rates in [0, 1] at a finite SNR, spelt as Python spells it; ValueError otherwise."""
    if repr(float(snr)) != snr or not math.isfinite(float(snr)):
        raise ValueError(f"SNR {snr[:20]!r} is no number of dB")
    rising = all(low <= high for low, high in pairwise(levels))
    if len(levels) < 2 or not rising or not 0 <= levels[0] <= levels[-1] <= 1:
        raise ValueError(f"the rates at {snr} dB are not two or more increasing numbers in [0, 1]")
