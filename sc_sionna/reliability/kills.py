"""Sweeps under SIGKILL: restarted until they are done, they have the counts of one that was never killed.

``python -m sc_sionna.reliability.kills STORE OUT SECONDS`` is the process that is killed: the sweep of
:mod:`~sc_sionna.reliability.stores` with a pause before every batch.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from sc_sionna.reliability.outcome import Outcome
from sc_sionna.reliability.stores import evaluate, run
from sc_sionna.sweep import Outcome as Measured
from sc_sionna.sweep import Point, PointResult

PAUSE = 0.03  # seconds before a batch
PER_SWEEP = 8  # kills before a sweep is let through


def as_json(results: list[PointResult]) -> list[list[object]]:
    """What is compared of two sweeps: a row per point, in the order of the points."""
    return [
        [r.point.key, r.counts, r.scores["score"].model_dump(), dict(r.outcomes), r.batches, r.first_batch, r.stop]
        for r in results
    ]


def kill_sweeps(count: int, random: np.random.Generator) -> tuple[Outcome, str]:
    """Kill ``count`` times: while the process starts, within a batch, within a commit; and what was compared, in words."""
    outcome, sweeps = Outcome("sweeps, SIGKILL"), 0
    with tempfile.TemporaryDirectory() as name:
        expected = as_json(run(Path(name) / "whole.sqlite"))
        while outcome.cases < count:
            folder = Path(name) / str(sweeps)
            folder.mkdir()
            store, sweeps = folder / "s.sqlite", sweeps + 1
            for _ in range(min(PER_SWEEP, count - outcome.cases)):
                outcome.add(f"sweep {sweeps}", partial(_killed, store, random))
            done = _start(store, folder / "out", 0.0)
            _, errors = done.communicate(timeout=120)
            left = {path.name for path in folder.iterdir()} - {"s.sqlite", "s.sqlite.lock", "out"}
            if done.returncode or left or json.loads((folder / "out").read_text()) != expected:
                outcome.silent += 1
                outcome.faults.append(f"sweep {sweeps}: other counts, or files left: {sorted(left)} {errors[-200:]}")
    return outcome, f"{count} SIGKILLs in {sweeps} sweeps"


def _killed(store: Path, random: np.random.Generator) -> bool:
    """Kill a run of the sweep after some batches; whether no committed batch was lost."""
    before, more = _rows(store), int(random.integers(0, 6))
    process = _start(store, store.with_name("out"), PAUSE)
    deadline = time.monotonic() + 60
    while _rows(store) < before + more and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(float(random.uniform(0, 2 * PAUSE)))
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return _rows(store) >= before


def _start(store: Path, out: Path, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", __name__, str(store), str(out), str(pause)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)


def _rows(path: Path) -> int:
    """Rows that are committed, seen from another process."""
    if not path.exists():
        return 0
    db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=10)  # rw: a kill may leave a journal to roll back
    try:
        return int(db.execute("SELECT count(*) FROM batches").fetchone()[0])
    finally:
        db.close()


def main(store: Path, out: Path, pause: float) -> None:
    """Run the sweep with a ``pause`` in seconds before every batch, and write what :func:`as_json` makes of it."""

    def slow(point: Point, batch: int) -> Measured:
        time.sleep(pause)
        return evaluate(point, batch)

    out.write_text(json.dumps(as_json(run(store, slow))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
