"""The toy sweep on a Ray cluster of this machine, run as a process: ``python -m tests.sweep.toy_on_ray FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sc_sionna.core.errors import UserError
from sc_sionna.sweep.ray_cluster import RayExecutor
from tests.sweep import toy, worker_jobs


def main(folder: Path) -> None:
    order = {"marks": str(folder), "kill": 0.1, "fail": 0.1}
    results = toy.sweep(folder / "s.sqlite", executor=RayExecutor(worker_jobs.prepare, order, 2, "auto", num_cpus=1))
    (folder / "counts.json").write_text(json.dumps(toy.as_json(results)))
    try:
        toy.sweep(folder / "o.sqlite", executor=RayExecutor(worker_jobs.prepare, {}, 1, "127.0.0.1:1", num_cpus=1))
    except UserError as error:
        (folder / "refused").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
