"""Run a stored record again at a reduced size and compare."""

from __future__ import annotations

from pathlib import Path

from sc_sionna.core.atomic import scratch_folder
from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line
from sc_sionna.experiments.base import Experiment, record_of, run_experiment
from sc_sionna.experiments.registry import KINDS, parse_settings
from sc_sionna.settings import settings_hash
from sc_sionna.sweep import Comparison, Record, compare, exactness, read_record
from sc_sionna.sweep.values import count_leaves, value_differences


def experiment_of(record: Record, data_dir: Path | None = None, weights: Path | None = None) -> Experiment:
    """The job that made a record.

    Raises UserError for a kind that this version cannot run, and where weights or images are not those of the record.
    """
    settings, inputs = parse_settings(record.settings, f"record {record.name!r}"), record.settings.get("inputs", {})
    job = KINDS[settings.kind].build(settings, data_dir, weights)
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
    job.prepare()
    with scratch_folder() as scratch:
        results, seconds = run_experiment(job, scratch / "replay.sqlite", quiet, stop)
    again = record_of(job, record.name, results, seconds)
    comparisons = compare(record, again)
    names = [one_line(c.point.system + (f", {c.point.threat}" if c.point.threat else "")) for c in comparisons]
    agree = 0
    width = max((len(name) for name in names), default=6)
    if comparisons:
        print(f"{'system':{width}}  {'SNR dB':>6}  {'stored':>8}  {'replayed':>8}  {'z':>6}  same batches")
    for name, c in zip(names, comparisons, strict=True):
        same = {True: "equal", False: "DIFFER", None: "-"}[c.exact]
        agrees = c.agree and not _of_other_batches(c)
        agree += agrees
        verdict = "" if agrees else "  DISAGREES"
        stored, replayed = (f"{value:8.4f}" for value in (c.point.value, c.other.value))
        print(f"{name:{width}}  {c.point.snr_db:6g}  {stored}  {replayed}  {c.z:6.2f}  {same}{verdict}")
    # points left out, renamed, or with another cost on the air would not be compared, and so agree in silence
    whole = {(p.key, settings_hash(p.budget or {})) for p in record.points} == {
        (p.key, settings_hash(p.budget or {})) for p in again.points
    }
    if not whole:
        print("the record's points or budgets differ from those of its settings")
    if record.points:
        exact, why = exactness(record, again)
        print(f"compared {'count by count' if exact else 'by |z| <= 4 alone'}: {one_line(why)}")
        print(f"{agree} of {len(comparisons)} points agree")
    values_agree = _print_values(record, again, job.tolerance)
    compared = bool(comparisons or record.values)
    return 0 if whole and compared and agree == len(comparisons) and values_agree else 1


def _print_values(record: Record, again: Record, tolerance: float) -> bool:
    """Say which results that are no counts differ; True if none does."""
    if not record.values and not again.values:
        return True
    found = list(value_differences(record.values, again.values, tolerance))
    for difference in found:
        print(f"{one_line(difference.place)}: stored {difference.stored}, replayed {difference.replayed}  DISAGREES")
    total = count_leaves(record.values)
    print(f"{total - len(found)} of {total} values agree, numbers within {tolerance:g} of max(1, |stored|)")
    return not found


def _of_other_batches(c: Comparison) -> bool:
    """Whether the stored first batch cannot be that of the record's own settings: of another size, or of other data."""
    return c.exact is None and c.point.first_batch is not None
