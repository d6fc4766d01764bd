"""Records that state other counts than were made, with hashes that are right: replay must find them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sc_sionna.sweep.record import content_hash

Change = Callable[[dict[str, Any]], None]


def reseal(path: Path, change: Change) -> None:
    """Change the record in place and renew its hash."""
    content = json.loads(path.read_text())
    change(content)
    content["sha256"] = content_hash(content)
    path.write_text(json.dumps(content))


def one_less(name: str, index: int = 0) -> Change:
    """One less of a count, which is not the rate's, in a point and in its first batch."""

    def change(content: dict[str, Any]) -> None:
        point = content["points"][index]
        assert point["counts"][name] > 0
        for counts in (point["counts"], point["first_batch"]):
            if counts is not None:
                counts[name] -= 1

    return change
