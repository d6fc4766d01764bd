"""A toy sweep with random counts, also run as a process that tests kill: ``python toy.py STORE OUT SECONDS``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sc_sionna.core import rng
from sc_sionna.sweep import Point, PointResult, StopRule, run_sweep
from sc_sionna.sweep.metrics import ACCURACY

SETTINGS = {"kind": "toy", "seed": 5}
POINTS = [Point(name, snr_db) for snr_db in (-3.0, 2.0, 3.5) for name in ("learned", "classical")]
STOP = StopRule(half_width=0.03, errors=120, max_batches=12, min_batches=2)
IMAGES = 40


def evaluate(point: Point, batch: int) -> dict[str, int]:
    """Images that are right with a probability of the point; the draws have the path (SNR, batch)."""
    random = rng.generator(int(SETTINGS["seed"]), "toy", point.snr_db, batch)
    chance = 0.6 + point.snr_db / 10 + (0.08 if point.system == "learned" else 0.0)
    return {"images": IMAGES, "correct": int((random.random(IMAGES) < chance).sum())}


def sweep(store: Path, points: list[Point] = POINTS, evaluate: Callable = evaluate, **changes) -> list[PointResult]:
    settings = {"store_path": store, "run_settings": SETTINGS, "stop": STOP, "metric": ACCURACY, **changes}
    return run_sweep(points, evaluate, **settings)


def as_json(results: list[PointResult]) -> list:
    return [[r.point.key, r.counts, r.batches, r.first_batch, r.stop] for r in results]


def main(store: Path, out: Path, seconds: float) -> None:
    def slow(point: Point, batch: int) -> dict[str, int]:
        time.sleep(seconds)
        return evaluate(point, batch)

    out.write_text(json.dumps(as_json(sweep(store, evaluate=slow))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
