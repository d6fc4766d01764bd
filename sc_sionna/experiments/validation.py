"""The link against theory, as a record: closed forms, measured means, and their distance in standard errors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sc_sionna.experiments.closed_form import ClosedForm, ClosedFormSettings
from sc_sionna.figures.bars import plot_checks
from sc_sionna.phy.validate import MAX_Z, run_validation
from sc_sionna.settings import LARGEST
from sc_sionna.sweep import Record


class ValidationSettings(ClosedFormSettings):
    """How large the samples are."""

    kind: Literal["validation"] = "validation"
    scale: float = Field(1.0, ge=0.01, le=100, description="the sample size relative to the default")
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")


class ValidationExperiment(ClosedForm):
    """Every check of :mod:`sc_sionna.phy.validate`; on another processor a decision may fall otherwise and move a z."""

    tolerance = 0.02
    data_set = "random payloads"

    def values(self) -> dict[str, Any]:
        """``checks``: name, measured and expected value, and z; null where one error is infinitely far from none."""
        checks = run_validation(scale=self.settings.scale, seed=self.settings.seed)
        rows = [
            {"name": c.name, "value": c.value, "expected": c.expected, "z": c.z if math.isfinite(c.z) else None}
            for c in checks
        ]
        return {"checks": rows}

    def notes(self) -> dict[str, Any]:
        """The limit on |z| beyond which a check has failed."""
        return {"max_z": MAX_Z}

    def draw(self, record: Record, path: Path) -> None:
        """The z of every check, with the limits."""
        plot_checks(record, path, "The link against theory")


def failed_checks(record: Record) -> list[str]:
    """Names of the checks of a record that disagree with theory."""
    return [c["name"] for c in record.values["checks"] if c["z"] is None or abs(c["z"]) > record.notes["max_z"]]
