"""Run a stored record again at a reduced size and compare."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import Experiment, record_of, run_experiment
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.sweep import Record, compare, read_record

KINDS: dict[str, tuple[type[Any], type[Any]]] = {
    "accuracy": (AccuracySettings, AccuracyExperiment),
    "error-rates": (ErrorRateSettings, ErrorRateExperiment),
}


def experiment_of(record: Record, data_dir: Path | None = None, weights: Path | None = None) -> Experiment:
    """The job that made a record.

    Raises UserError for a kind that this version cannot run, and where weights or images are not those of the record.
    """
    settings = dict(record.settings)
    kind, inputs = settings.get("kind"), settings.pop("inputs", {})
    if kind not in KINDS:
        raise UserError(f"record {record.name!r}: kind {kind!r} cannot be replayed; known: {', '.join(KINDS)}")
    settings_class, job_class = KINDS[kind]
    job: Experiment = job_class(settings_class(**settings), data_dir, weights)
    for name, value in job.inputs().items():
        if value != inputs.get(name):
            raise UserError(
                f"record {record.name!r}: its {name} differs from what is here; check out commit "
                f"{(record.commit or {}).get('hash', 'unknown')[:12]}, or name the right --weights and --data-dir"
            )
    return job


def replay_record(
    path: Path, max_trials: int, data_dir: Path | None = None, weights: Path | None = None, quiet: bool = False
) -> int:
    """Replay a record with at least ``max_trials`` trials per point and print a table; 0 only if all points agree."""
    record = read_record(path)
    job = experiment_of(record, data_dir, weights)
    stop = job.settings.stop.with_(max_trials=max_trials)
    with tempfile.TemporaryDirectory() as scratch:
        results, seconds = run_experiment(job, Path(scratch) / "replay.sqlite", quiet, stop)
    again = record_of(job, record.name, results, seconds)
    comparisons = compare(record, again)
    names = [c.point.system + (f", {c.point.threat}" if c.point.threat else "") for c in comparisons]
    width = max((len(name) for name in names), default=6)
    print(f"{'system':{width}}  {'SNR dB':>6}  {'stored':>8}  {'replayed':>8}  {'z':>6}  same batches")
    for name, c in zip(names, comparisons, strict=True):
        same = {True: "equal", False: "DIFFER", None: "-"}[c.exact]
        verdict = "" if c.agree else "  DISAGREES"
        stored, replayed = (f"{value:8.4f}" for value in (c.point.value, c.other.value))
        print(f"{name:{width}}  {c.point.snr_db:6g}  {stored}  {replayed}  {c.z:6.2f}  {same}{verdict}")
    agree = sum(c.agree for c in comparisons)
    print(f"{agree} of {len(comparisons)} points agree")
    return 0 if comparisons and agree == len(comparisons) else 1
