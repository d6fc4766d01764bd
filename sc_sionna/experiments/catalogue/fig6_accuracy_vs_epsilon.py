"""Fig. 6: accuracy of all schemes against the power ε of the semantic noise at the source."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sc_sionna.experiments.catalogue.accuracy import Attack, accuracy_settings, drawn_by, print_summary, source_threats
from sc_sionna.experiments.catalogue.entry import Entry, Numbers, Options, Run
from sc_sionna.figures.curves import plot_task_vs
from sc_sionna.settings import Decibel
from sc_sionna.sweep import Record


class Own(Attack):
    """One SNR and several strengths of the attack."""

    snr_db: Decibel = Field(18.0, description="the SNR in dB")
    epsilons: Numbers = Field((), description="values of ε, a,b,c; default 0,0.02,0.05,0.1")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep."""
    values = own.epsilons or options.pick((0, 0.02, 0.05, 0.1), (0, 0.05, 0.15))
    settings = accuracy_settings(
        options,
        snr_db=(own.snr_db,),
        clean=0 in values,
        threats=source_threats(values, own.steps, options.pick(own.draws, 1)),
    )
    return [Run(options.record_name("fig6_accuracy_vs_epsilon"), settings)]


def figure(record: Record, path: Path) -> None:
    """From the record alone: a line per scheme."""
    threats = {threat["label"]: threat["attack"] for threat in record.settings["threats"]}
    plot_task_vs(
        record,
        path,
        "Semantic noise at the source, ε (ℓ∞, pixels in [0, 1])",
        lambda _, point: 0.0 if point.threat is None else threats[point.threat]["epsilon"],
        title=f"{record.settings['dataset']}: accuracy at {record.points[0].snr_db:g} dB",
    )


ENTRY = Entry(
    "Fig. 6: accuracy against the power of the semantic noise",
    "accuracy",
    runs,
    Own,
    build=drawn_by(figure),
    summary=print_summary,
)
