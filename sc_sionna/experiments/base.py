"""A job: a sweep that its settings rebuild, from a command line or from a record."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sc_sionna.settings import Settings
from sc_sionna.sweep import (
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
from sc_sionna.sweep.metrics import Metric

PACKAGE = Path(__file__).resolve().parents[1]
# The counts of a batch follow from these; a store made by other code is refused, not mixed with
COUNTED_BY = ("core", "settings", "attacks", "data", "experiments", "phy", "schemes", "semantic")


def code_fingerprint() -> str:
    """SHA-256 over the source files that the counts of a batch follow from."""
    digest = hashlib.sha256()
    for name in COUNTED_BY:
        for path in sorted([PACKAGE / name] if name.endswith(".py") else (PACKAGE / name).rglob("*.py")):
            digest.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


class Experiment(ABC):
    """One kind of sweep. Subclasses say which points there are and what a batch of one counts.

    settings : with ``seed`` and ``stop``; JSON of it is in the record and rebuilds the job
    metric : decides when a point has enough batches, and is the value of its record
    """

    settings: Any
    metric: Metric
    max_batches: int | None = None
    data_set: str = "none"

    @abstractmethod
    def points(self) -> list[Point]: ...

    @abstractmethod
    def evaluate(self, point: Point, batch: int) -> Mapping[str, int]:
        """Counts of a batch; every draw follows from (run seed, SNR, batch)."""

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

    def inputs(self) -> dict[str, Any]:
        """Files that the counts depend on, by their SHA-256."""
        return {}

    def record_settings(self) -> dict[str, Any]:
        return {**self.settings.model_dump(mode="json"), "inputs": self.inputs()}


def run_experiment(
    job: Experiment, store_path: Path, quiet: bool = False, stop: StopRule | None = None
) -> tuple[list[PointResult], float]:
    """Run (or go on with) a job; its results and the seconds that this run of it took."""
    began = time.monotonic()
    job.prepare()
    results = run_sweep(
        job.points(),
        job.evaluate,
        store_path=store_path,
        # the stop rule stays out: a store goes on under a longer one
        run_settings={
            **{k: v for k, v in job.record_settings().items() if k != "stop"},
            "code_sha256": code_fingerprint(),
        },
        stop=stop or job.settings.stop,
        metric=job.metric,
        max_batches=job.max_batches,
        progress=make_progress(quiet),
    )
    return results, time.monotonic() - began


def record_of(job: Experiment, name: str, results: list[PointResult], seconds: float) -> Record:
    """The record of a job's results, one entry per point and metric that it counted."""
    points: list[PointRecord] = point_records(results, job.metric, job.budgets())
    return make_record(
        name,
        settings=job.record_settings(),
        seed=job.settings.seed,
        data_set=job.data_set,
        points=points,
        duration_s=seconds,
        notes=job.notes(),
    )


def store_path(name: str, out: Path) -> Path:
    """``runs/NAME.sqlite``, or below ``out`` where that is not the project's own ``results``."""
    return (Path() if out == Path("results") else out) / "runs" / f"{name}.sqlite"


def run_and_save(
    job: Experiment, name: str, out: Path = Path("results"), fresh: bool = False, quiet: bool = False
) -> Record:
    """Run a job, write ``out/records/NAME.json`` and ``out/figures/NAME.png``, and print where they are."""
    job.prepare()
    store = store_path(name, out)
    if fresh:
        remove_store(store)
    results, seconds = run_experiment(job, store, quiet)
    record = record_of(job, name, results, seconds)
    record_path, figure_path = out / "records" / f"{name}.json", out / "figures" / f"{name}.png"
    write_record(record_path, record)
    job.draw(record, figure_path)
    print(f"record: {record_path}")
    print(f"figure: {figure_path}")
    return record


class SweepSettings(Settings):
    """Base of every job's settings."""

    kind: str
    seed: int
    stop: StopRule
