"""How many hands a sweep has: this process, workers on this machine or on a cluster, or a share of the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sc_sionna.core.errors import UserError
from sc_sionna.core.threads import thread_limit
from sc_sionna.experiments import worker
from sc_sionna.sweep import Point
from sc_sionna.sweep.executor import Executor
from sc_sionna.sweep.local import LocalExecutor

if TYPE_CHECKING:
    from sc_sionna.experiments.base import Experiment


@dataclass(frozen=True)
class Hands:
    """Who evaluates a sweep.

    workers : processes; 1 without ``cluster`` is this process itself
    cluster : "auto" or the address of a Ray cluster, on which the workers are actors; None for this machine
    num_gpus : GPUs of an actor, a share too
    shard : (i, N) for the i-th of N parts of the points; each part has a store of its own, to be merged
    """

    workers: int = 1
    cluster: str | None = None
    num_gpus: float = 0.0
    shard: tuple[int, int] | None = None

    def executor(self, job: Experiment, data_dir: Path | None, weights: Path | None) -> Executor | None:
        """Workers for a job that has been prepared; None where this process does it itself.

        Raises
        ------
        UserError for a cluster whose actors' number of threads is not said.
        """
        if self.cluster is None and self.workers == 1:
            return None
        order = worker.order_for(job, data_dir, weights)
        if self.cluster is None:
            return LocalExecutor(worker.prepare, order, self.workers)
        threads = thread_limit()
        if threads is None:
            raise UserError(
                "--cluster: its machines may differ in their cores, and sums of floats depend on the threads; say how "
                "many an actor has, for example --threads 1"
            )
        from sc_sionna.sweep.ray_cluster import RayExecutor  # which needs Ray

        return RayExecutor(worker.prepare, order, self.workers, self.cluster, threads, self.num_gpus)

    def share(self, points: Sequence[Point]) -> list[Point]:
        """The points of the shard; those of one system and threat stay together, since they share their attacked images.

        Raises
        ------
        UserError where there are more shards than systems and threats.
        """
        if self.shard is None:
            return list(points)
        number, of = self.shard
        groups = list(dict.fromkeys(point.group for point in points))
        if of > len(groups):
            raise UserError(
                f"--shard {number}/{of}: the sweep has {len(groups)} systems and threats to share out; make at most as many "
                "shards"
            )
        mine = set(groups[number - 1 :: of])
        return [point for point in points if point.group in mine]


def parse_shard(text: str) -> tuple[int, int]:
    """``2/8`` as (2, 8); UserError for anything else than i/N with 1 <= i <= N."""
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UserError(f"--shard {text!r}: write i/N with 1 <= i <= N, for example 2/8")
    return int(number), int(of)
