"""Whoever evaluates the batches, the counts are the same: in this process, in others, whatever fails on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.sweep.executor import SerialExecutor, Unit, part_from_json, part_to_json, unit_from_json, unit_to_json
from sc_sionna.sweep.local import LocalExecutor
from sc_sionna.sweep.points import Point
from sc_sionna.sweep.pool import Event, Pool
from sc_sionna.sweep.scores import Outcome, same_outcome
from tests.sweep import toy, worker_jobs

PSNR = np.array([20.5, 1.25, -3.0, 31.0], np.float32)


def run(store: Path, order: dict[str, Any] | None = None, workers: int = 2, **changes: Any) -> list:
    executor = LocalExecutor(worker_jobs.prepare, order or {}, workers)
    return toy.as_json(toy.sweep(store, executor=executor, **changes))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list:
    return toy.as_json(toy.sweep(tmp_path_factory.mktemp("serial") / "s.sqlite"))


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_gives_the_counts_of_one_process(workers, expected, tmp_path):
    assert run(tmp_path / "s.sqlite", {"seconds": 0.01}, workers) == expected


def test_kills_and_failures_of_workers_change_no_count(expected, tmp_path):
    order = {"marks": str(tmp_path), "kill": 0.15, "fail": 0.15}
    assert run(tmp_path / "s.sqlite", order) == expected
    marks = [path.name for path in tmp_path.iterdir()]
    assert sum(name.startswith("kill") for name in marks) >= 3
    assert sum(name.startswith("fail") for name in marks) >= 3


def test_a_sweep_of_workers_goes_on_in_one_process_and_back(expected, tmp_path):
    short = toy.STOP.with_(max_batches=3)
    run(tmp_path / "s.sqlite", stop=short)
    assert toy.as_json(toy.sweep(tmp_path / "s.sqlite")) == expected
    again = run(tmp_path / "s.sqlite", {"always": "learned"})  # nothing is left to evaluate
    assert again == expected


def test_a_unit_that_always_fails_ends_the_sweep_and_names_the_batch(tmp_path):
    message = (
        r"batch 1 of learned at .* dB.*failed 3 times, the last time with FloatingPointError: a number that is not"
    )
    with pytest.raises(UserError, match=message):
        run(tmp_path / "s.sqlite", {"always": "learned"})
    assert toy.sweep(tmp_path / "s.sqlite")  # what was finished is kept, and the lock is free


def test_a_worker_with_other_code_is_refused_in_its_words(tmp_path):
    with pytest.raises(UserError, match="worker: its code is other than that of the head"):
        run(tmp_path / "s.sqlite", {"refuse": True})


def test_workers_that_end_at_once_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"worker: ended 3 times before it did anything \(the end of its process"):
        toy.sweep(tmp_path / "s.sqlite", executor=LocalExecutor(end_at_once, {}, 2))
    with pytest.raises(UserError, match="workers = 0: at least 1"):
        LocalExecutor(worker_jobs.prepare, {}, 0)


def end_at_once(order: Any) -> SerialExecutor:
    raise SystemExit(3)


def test_messages_carry_units_and_parts_without_loss():
    unit = Unit((Point("a", -3.0, "noise"), Point("a", 2.5, "noise")), 7)
    assert unit_from_json(unit_to_json(unit)) == unit
    outcome = Outcome({"images": 4, "correct": 3}, {"psnr": PSNR}, {"correct": np.array([True, True, False, True])})
    executor = SerialExecutor(lambda p, b: outcome, lambda p, b: "hash", lambda: None)
    executor.submit(unit)
    parts = list(executor.finished())
    back = [part_from_json(unit, part_to_json(part)) for part in parts]
    assert [(p.point, p.crafted, p.processor, p.last) for p in back] == [
        (p.point, p.crafted, p.processor, p.last) for p in parts
    ]
    assert all(same_outcome(p.outcome, outcome) for p in back)
    assert len(back) == 2


def test_actors_of_a_cluster_give_the_same_counts_though_some_are_killed(expected, tmp_path):
    """In a process of its own, since Ray leaves files open and threads running behind."""
    words = [sys.executable, "-m", "tests.sweep.toy_on_ray", str(tmp_path)]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=250, cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "counts.json").read_text()) == expected
    assert any(path.name.startswith("kill") for path in tmp_path.iterdir())
    assert "--cluster 127.0.0.1:1: no cluster answers" in (tmp_path / "refused").read_text()


class Told(Pool):
    """Workers that say what a test puts into their mouth."""

    events: tuple[Event, ...] = ()

    def _start(self) -> list:
        return []

    def _send(self, worker, message) -> None:
        worker.handle.append(message)

    def _events(self):
        return self.events

    def _end(self, worker) -> None:
        pass


def test_a_unit_stays_on_its_class_of_processors_though_it_failed_on_the_only_worker_there():
    unit = Unit((Point("a", 0.0, "noise"),), 0)
    with Told(2) as pool:
        pool.workers[0].processor, pool.workers[1].processor = "amd", "intel"
        pool.submit(unit)
        first, other = pool.workers
        assert (len(first.handle), len(other.handle)) == (1, 0)
        pool._take(Event(first, {"failed": "a full disk"}))
        pool._hand_out()
        assert (len(first.handle), len(other.handle)) == (2, 0)
        pool._take(Event(first, None, "SIGKILL"))
        pool.workers[0].processor = "intel"  # what was started in its place is elsewhere
        with pytest.raises(UserError, match="no worker is left on a processor of the class 'amd'"):
            pool._hand_out()
