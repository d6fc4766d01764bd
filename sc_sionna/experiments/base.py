"""A job: a sweep that its settings rebuild, from a command line or from a record."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from sc_sionna.core.terminal import one_line
from sc_sionna.experiments.fingerprint import fingerprint
from sc_sionna.settings import LARGEST, Settings
from sc_sionna.sweep import (
    Outcome,
    Point,
    PointRecord,
    PointResult,
    Record,
    StopRule,
    make_progress,
    make_record,
    point_records,
    remove_store,
    run_sweep,
    write_record,
)
from sc_sionna.sweep.executor import Executor
from sc_sionna.sweep.metrics import Metric


class Experiment(ABC):
    """One kind of sweep. Subclasses say which points there are and what a batch of one counts.

    settings : with ``seed`` and ``stop``; JSON of it is in the record and rebuilds the job
    metric : decides when a point has enough batches, and is the value of its record
    tolerance : how far a number of :meth:`values` may be from a stored one, relative above 1
    results : what the run found by point, from :func:`record_of` on
    shown_as : the file that :meth:`draw` makes of a record, below the folder of results
    """

    settings: Any
    metric: Metric
    max_batches: int | None = None
    data_set: str = "none"
    tolerance: float = 0.0
    results: Mapping[Point, PointResult] = {}
    shown_as: str = "figures/{name}.png"

    @abstractmethod
    def points(self) -> list[Point]:
        """All points, in the order in which they are run and recorded."""

    @abstractmethod
    def evaluate(self, point: Point, batch: int) -> Mapping[str, int] | Outcome:
        """Counts of a batch, and scores of its images; every draw follows from (run seed, SNR, batch)."""

    @abstractmethod
    def draw(self, record: Record, path: Path) -> None:
        """The figure of a record of this job."""

    @abstractmethod
    def prepare(self) -> None:
        """Build what the settings name, so that those that cannot work fail before a store is made or forgotten."""

    def budgets(self) -> dict[str, dict[str, Any]]:
        """Cost of an image on the air by system; known after the run."""
        return {}

    def notes(self) -> dict[str, Any]:
        """What the figure needs beside the points; known after the run."""
        return {}

    def values(self) -> dict[str, Any]:
        """Results that are no counts, as JSON; known after the run, and the same whether it was resumed or not."""
        return {}

    def point_records(self) -> list[PointRecord]:
        """The record's points from :attr:`results`: one each, unless an experiment says otherwise."""
        return point_records(list(self.results.values()), self.metric, self.budgets())

    def inputs(self) -> dict[str, Any]:
        """Files that the counts depend on, by their SHA-256."""
        return {}

    def crafted(self, point: Point, batch: int) -> str | None:
        """SHA-256 of what an attack made for a batch, None for a point without attack; asked right after ``evaluate``."""
        return None

    def forget(self) -> None:  # noqa: B027  an experiment may keep nothing
        """Drop what was kept of the batches so far; no SNR of the system and threat in work needs it any more."""

    def weights_settings(self) -> dict[str, Settings]:
        """Settings that come with the weights, by system; like the job's own, they say what is evaluated."""
        return {}

    def made_with(self) -> dict[str, Any]:
        """What else the counts follow from: see :mod:`~sc_sionna.experiments.fingerprint`. Known after ``prepare``."""
        modules = [cls.__module__ for cls in type(self).__mro__ if cls not in (ABC, object)]
        described = self.weights_settings()
        found = fingerprint(modules, [self.settings, *described.values()])
        return found | {"weights_settings": {name: s.model_dump(mode="json") for name, s in described.items()}}

    def record_settings(self) -> dict[str, Any]:
        """The job's settings as JSON, with the hashes of its inputs."""
        return {**self.settings.model_dump(mode="json"), "inputs": self.inputs()}

    def run_settings(self) -> dict[str, Any]:
        """Everything that the counts of a batch depend on, as JSON; known after ``prepare``.

        The stop rule stays out: a store goes on under a longer one.
        """
        settings = {k: v for k, v in self.record_settings().items() if k != "stop"}
        found: dict[str, Any] = json.loads(json.dumps({**settings, "made_with": self.made_with()}))
        return found


def run_experiment(
    job: Experiment,
    store_path: Path,
    quiet: bool = False,
    stop: StopRule | None = None,
    points: Sequence[Point] | None = None,
    executor: Callable[[], Executor | None] = lambda: None,
) -> tuple[list[PointResult], float]:
    """Run (or go on with) a job; its results and the seconds that this run of it took.

    points : a part of the job's, by default all
    executor : gives who evaluates the batches once the job is prepared, None for this process
    """
    began = time.monotonic()
    job.prepare()  # resolves the plug-ins that the store is to know
    results = run_sweep(
        job.points() if points is None else points,
        job.evaluate,
        store_path=store_path,
        run_settings=job.run_settings(),
        stop=stop or job.settings.stop,
        metric=job.metric,
        max_batches=job.max_batches,
        progress=make_progress(quiet),
        crafted=job.crafted,
        forget=job.forget,
        executor=executor(),
    )
    return results, time.monotonic() - began


def record_of(job: Experiment, name: str, results: list[PointResult], seconds: float) -> Record:
    """The record of an experiment's results; ``seconds`` is what the run took so far."""
    began = time.monotonic()
    job.results = {result.point: result for result in results}
    points, notes, values = job.point_records(), job.notes(), job.values()
    return make_record(
        name,
        settings=job.record_settings(),
        seed=job.settings.seed,
        data_set=job.data_set,
        points=points,
        duration_s=seconds + time.monotonic() - began,
        notes=notes,
        values=values,
        processors=sorted({processor for result in results for processor in result.processors}),
    )


def store_path(name: str, out: Path) -> Path:
    """``runs/NAME.sqlite``, or below ``out`` where that is not the project's own ``results``."""
    return (Path() if out == Path("results") else out) / "runs" / f"{name}.sqlite"


def run_shard(
    job: Experiment,
    name: str,
    points: Sequence[Point],
    out: Path,
    fresh: bool = False,
    quiet: bool = False,
    executor: Callable[[], Executor | None] = lambda: None,
) -> Path:
    """Run a part of a job's points and print where their store is; it makes no record."""
    job.prepare()
    store = store_path(name, out)
    if fresh:
        remove_store(store)
    run_experiment(job, store, quiet, points=points, executor=executor)
    print(one_line(f"shard: {store}; put all of them together with `sc-sionna merge`"))
    return store


def run_and_save(
    job: Experiment,
    name: str,
    out: Path = Path("results"),
    fresh: bool = False,
    quiet: bool = False,
    executor: Callable[[], Executor | None] = lambda: None,
) -> Record:
    """Run a job, write ``out/records/NAME.json`` and its figure, and print where they are.

    executor : as for :func:`run_experiment`
    """
    job.prepare()
    store = store_path(name, out)
    if fresh:
        remove_store(store)
    results, seconds = run_experiment(job, store, quiet, executor=executor)
    record = record_of(job, name, results, seconds)
    record_path, shown = out / "records" / f"{name}.json", out / job.shown_as.format(name=name)
    write_record(record_path, record)
    job.draw(record, shown)
    print(one_line(f"record: {record_path}"))
    print(one_line(f"{'figure' if shown.suffix == '.png' else 'table'}: {shown}"))
    return record


class SweepSettings(Settings):
    """Base of every job's settings."""

    kind: str
    seed: int = Field(ge=0, le=LARGEST, description="the run seed")
    stop: StopRule
