"""What a run would do, and about how long: from the record of an earlier run, or from a batch that is measured now."""

from __future__ import annotations

import time
from pathlib import Path

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.base import Experiment
from sc_sionna.sweep import read_record


def describe_run(experiment: Experiment, name: str, out: Path) -> str:
    """One paragraph for ``--dry-run``; nothing is written, and at most two batches are run."""
    points, rule = experiment.points(), experiment.settings.stop
    if not points:
        return f"{name}: no points, values in closed form or of one pass; {_duration(experiment, name, out, 0)}"
    limits = [limit for limit in (rule.max_batches, experiment.max_batches) if limit is not None]
    batches = min(limits) if limits else None
    each = "1 batch each" if batches == 1 else f"at most {batches or 'any number of'} batches each"
    metric = experiment.metric
    early = [f"{rule.errors} errors"] if rule.errors is not None else []
    early += [f"an interval of ±{rule.half_width:g}"] if rule.half_width is not None else []
    stops = f", fewer once {metric.name} has {' or '.join(early)}" if early else ""
    total = len(points) * (batches or 1)
    return (
        f"{name}: {len(points)} points, {each}{stops}; {experiment.data_set}; {_duration(experiment, name, out, total)}"
    )


def _duration(experiment: Experiment, name: str, out: Path, batches: int) -> str:
    path = out / "records" / f"{name}.json"
    if path.is_file():
        try:
            record = read_record(path)
        except UserError as error:
            return f"duration unknown: {error}"
        same = record.settings == experiment.record_settings()
        cores = record.device.get("cores")
        words = "with these settings" if same else "with other settings"
        return f"{path} took {record.duration_s:.0f} s {words} on {cores} cores"
    if not batches:
        return "seconds to a minute"
    experiment.prepare()
    first = experiment.points()[0]
    took = []
    for number in range(2 if (experiment.max_batches or 2) > 1 else 1):  # the first one compiles
        began = time.monotonic()
        experiment.evaluate(first, number)
        took.append(time.monotonic() - began)
    words = "the second batch" if len(took) > 1 else "the only batch, compilation included,"
    return (
        f"some {took[-1] * batches:.0f} s, as {words} of {first} took {took[-1]:.2f} s here; other points may be cheaper "
        "or dearer"
    )
