"""Experiments without Monte-Carlo points: their results are values, computed anew in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.settings import LARGEST
from sc_sionna.sweep import Point, StopRule
from sc_sionna.sweep.metrics import ACCURACY


class ClosedFormSettings(SweepSettings):
    """Settings of an experiment that has no batches."""

    stop: StopRule = StopRule(max_batches=1)
    seed: int = Field(0, ge=0, le=LARGEST, description="of no draw; every sweep has one")


class ClosedForm(Experiment):
    """No points and no batches. Subclasses compute :meth:`values`, which a replay compares within ``tolerance``."""

    metric = ACCURACY  # of no point

    def __init__(self, settings: ClosedFormSettings, data_dir: Path | None = None, weights: Path | None = None) -> None:
        self.settings, self.weights = settings, weights

    def points(self) -> list[Point]:
        """None: there is nothing to sample."""
        return []

    def evaluate(self, point: Point, batch: int) -> Mapping[str, int]:
        """Never called, since there is no point."""
        raise AssertionError(f"{point}: an experiment in closed form has no points")

    def prepare(self) -> None:
        """Nothing is built before the values are asked for."""
