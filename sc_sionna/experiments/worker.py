"""A worker of a sweep: it builds the job from JSON, makes sure that it is the head's job, and evaluates its units."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sc_sionna.core import plugins
from sc_sionna.core.errors import UserError
from sc_sionna.core.startup import start_backend
from sc_sionna.core.threads import limit_threads, thread_limit
from sc_sionna.sweep.executor import SerialExecutor

if TYPE_CHECKING:
    from sc_sionna.experiments.base import Experiment


def order_for(job: Experiment, data_dir: Path | None, weights: Path | None) -> dict[str, Any]:
    """What a worker is told of a job that has been prepared, as JSON."""
    return {
        "settings": job.settings.model_dump(mode="json"),
        "data_dir": None if data_dir is None else str(data_dir.resolve()),
        "weights": None if weights is None else str(weights.resolve()),
        "plugins": plugins.allowed(),
        "threads": thread_limit(),
        "run_settings": job.run_settings(),
    }


def prepare(order: Mapping[str, Any]) -> SerialExecutor:
    """The job of an order, ready to evaluate.

    Raises
    ------
    UserError where code, weights, data, libraries or the resolved decoder are not those of the head; the line says which.
    """
    limit_threads(order["threads"])
    start_backend()
    # importing these needs the backend
    from sc_sionna.experiments.registry import KINDS, parse_settings
    from sc_sionna.sweep.store import first_difference

    for module in order["plugins"]:
        plugins.allow(module)
    folders = (None if order[name] is None else Path(order[name]) for name in ("data_dir", "weights"))
    settings = parse_settings(order["settings"], "the order of the head")
    job = KINDS[settings.kind].build(settings, *folders)
    job.prepare()
    mine = job.run_settings()
    if mine != order["run_settings"]:
        name, heads, ours = first_difference(order["run_settings"], mine)
        raise UserError(
            f"worker: {name} is {ours} here and {heads} at the head of the sweep; install the same code, libraries, weights "
            "and data in both places"
        )
    return SerialExecutor(job.evaluate, job.crafted, job.forget)
