"""Jobs for workers of their own, without TensorFlow: counts of the toy sweep, and ways to fail."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.sweep.executor import SerialExecutor
from sc_sionna.sweep.points import Point
from tests.sweep import toy


def prepare(order: Mapping[str, Any]) -> SerialExecutor:
    """The toy sweep.

    order : ``seconds`` a batch takes at most; ``refuse`` at once; ``kill`` and ``fail`` are shares of batches at which the
        worker ends by SIGKILL or raises, each once, for which ``marks`` is a folder; ``always`` fails for ever
    """
    if order.get("refuse"):
        raise UserError("worker: its code is other than that of the head; install the same")

    def evaluate(point: Point, batch: int) -> dict[str, int]:
        random = rng.generator(7, "trouble", point.system, point.snr_db, batch)
        time.sleep(random.random() * order.get("seconds", 0.0))
        if point.system == order.get("always") and batch == 1:
            raise FloatingPointError("a number that is not finite")
        for what, share in (("kill", order.get("kill", 0.0)), ("fail", order.get("fail", 0.0))):
            if random.random() < share and _first(
                Path(order["marks"]) / f"{what}-{point.system}-{point.snr_db}-{batch}"
            ):
                if what == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError("a disk that is full for a moment")
        return toy.evaluate(point, batch)

    return SerialExecutor(evaluate, lambda point, batch: None, lambda: None)  # as the toy sweep: no attack


def _first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
