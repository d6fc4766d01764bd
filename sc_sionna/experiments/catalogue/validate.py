"""Simulation against theory: bit error rates in closed form, LMMSE error variance, SNR at the antenna, power."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.experiments.catalogue.entry import Entry, Options, Run
from sc_sionna.experiments.validation import ValidationSettings, failed_checks
from sc_sionna.settings import LARGEST, Settings
from sc_sionna.sweep import Record


class Own(Settings):
    """The size of the samples."""

    scale: float = Field(1.0, ge=0.01, le=100, description="sample size relative to the default")
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")


def runs(options: Options, own: Own) -> list[Run]:
    """One record; a quick one has a tenth of the samples."""
    settings = ValidationSettings(scale=options.pick(own.scale, min(own.scale, 0.1)), seed=own.seed)
    return [Run("validate" + options.pick("", "_quick"), settings)]


def print_summary(record: Record) -> int:
    """Which checks disagree; exit code 0 only if none does."""
    checks, failed = record.values["checks"], failed_checks(record)
    for name in failed:
        print(f"{name}: FAILED")
    print(f"{len(checks) - len(failed)} of {len(checks)} checks agree with theory (|z| <= {record.notes['max_z']:g})")
    return 1 if failed else 0


ENTRY = Entry(
    "the link against theory, as a record", "validation", runs, Own, takes=frozenset(), groups=(), summary=print_summary
)
