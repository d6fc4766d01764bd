"""Fig. 5: accuracy against SNR for codebooks of 4, 16, 64 and 256 vectors, clean and under semantic noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from sc_sionna.experiments.accuracy import AccuracyExperiment
from sc_sionna.experiments.catalogue.accuracy import (
    AttackOfOneStrength,
    accuracy_settings,
    drawn_by,
    print_summary,
    source_threats,
)
from sc_sionna.experiments.catalogue.entry import COARSE_RANGE, FULL_RANGE, Decibels, Entry, Options, Run
from sc_sionna.figures.curves import plot_task_vs_snr
from sc_sionna.schemes import SchemeSpec
from sc_sionna.sweep import Record

SCHEMES = ("masked-vqvae@J4", "masked-vqvae@J16", "masked-vqvae", "masked-vqvae@J256")


class Own(AttackOfOneStrength):
    """SNRs and the attack."""

    snr_db: Decibels = Field((), description="SNRs in dB, START:STOP:STEP or a,b,c; default -9:18:3")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep over the sizes that have weights."""
    settings = accuracy_settings(
        options,
        schemes=options.schemes(SCHEMES),
        snr_db=own.snr_db or options.pick(FULL_RANGE, COARSE_RANGE),
        threats=source_threats([options.epsilon(own.epsilon)], own.steps, options.pick(own.draws, 1)),
    )
    return [Run(options.record_name("fig5_codebook_size"), settings)]


def codebook_sizes(experiment: AccuracyExperiment) -> dict[str, Any]:
    """J of every scheme, for the names of the lines."""
    return {"codebook_size": {name: preset.codec.codebook.size for name, preset in experiment.described.items()}}


def figure(record: Record, path: Path) -> None:
    """From the record alone: a line per codebook size, a panel per threat."""
    sizes = record.notes["codebook_size"]
    schemes = {spec["label"]: SchemeSpec(**spec).stored_as for spec in record.settings["schemes"]}
    plot_task_vs_snr(
        record,
        path,
        f"{record.settings['dataset']}: accuracy by codebook size J",
        label_of=lambda _, point: f"{schemes[point.system]}, J = {sizes[point.system]}",
    )


ENTRY = Entry(
    "Fig. 5: accuracy against SNR by codebook size",
    "accuracy",
    runs,
    Own,
    build=drawn_by(figure, codebook_sizes),
    summary=print_summary,
)
