"""Fig. 4: accuracy of all schemes against SNR, under semantic noise at the source and clean, with two bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.catalogue import accuracy
from sc_sionna.experiments.catalogue.accuracy import AttackOfOneStrength, accuracy_settings, source_threats
from sc_sionna.experiments.catalogue.entry import COARSE_RANGE, FULL_RANGE, Decibels, Entry, Options, Run
from sc_sionna.sweep import Record

FACTOR = 3  # the lower bound's ε, times that of the figure


class Own(AttackOfOneStrength):
    """SNRs and the attack."""

    snr_db: Decibels = Field((), description="SNRs in dB, START:STOP:STEP or a,b,c; default -9:18:3")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep."""
    settings = accuracy_settings(
        options,
        snr_db=own.snr_db or options.pick(FULL_RANGE, COARSE_RANGE),
        threats=source_threats([options.epsilon(own.epsilon)], own.steps, options.pick(own.draws, 1)),
    )
    return [Run(options.record_name("fig4_schemes_vs_snr"), settings)]


def bounds(experiment: AccuracyExperiment) -> dict[str, Any]:
    """Upper bound: JSCC without any noise. Lower: JSCC under noise of three times the ε, without channel noise."""
    settings = experiment.settings
    if "jscc" not in settings.labels:
        return {}
    found = {"upper bound: jscc, no noise of any kind": experiment.error_free("jscc")}
    for attack in [threat.attack for threat in settings.threats if threat.kind == "source"]:
        largest = FACTOR * attack.epsilon
        for threat in source_threats([largest], attack.steps, attack.draws):
            name = f"lower bound: jscc, ε = {largest:.3g}, no channel noise"
            found[name] = experiment.error_free("jscc", threat)
    return {"bounds": found}


def build(settings: AccuracySettings, data_dir: Path | None, weights: Path | None) -> AccuracyExperiment:
    """The sweep with its bounds among the notes."""
    return AccuracyExperiment(settings, data_dir, weights, more_notes=bounds)


def print_summary(record: Record) -> None:
    """The tables and the bounds."""
    accuracy.print_summary(record)
    for name, value in record.notes.get("bounds", {}).items():
        print(f"{name}: {100 * value:.1f} %")


ENTRY = Entry(
    "Fig. 4: accuracy of all schemes against SNR, with bounds",
    "accuracy",
    runs,
    Own,
    build=build,
    summary=print_summary,
)
