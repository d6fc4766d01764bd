"""Fig. 7: accuracy of one scheme, tested at several reserving ratios (1 − masking ratio), for several ε."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sc_sionna.experiments.catalogue.accuracy import Attack, accuracy_settings, drawn_by, print_summary, source_threats
from sc_sionna.experiments.catalogue.entry import Entry, Numbers, Options, Run
from sc_sionna.figures.curves import plot_task_vs
from sc_sionna.schemes import SchemeSpec
from sc_sionna.settings import Decibel
from sc_sionna.sweep import PointRecord, Record


class Own(Attack):
    """One SNR, ratios, and strengths of the attack."""

    snr_db: Decibel = Field(18.0, description="the SNR in dB")
    ratios: Numbers = Field((), description="reserving ratios above 0, a,b,c; default 0.25,0.5,0.75,1")
    epsilons: Numbers = Field((), description="values of ε, a,b,c; default 0,0.03,0.05,0.1")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep; a scheme at a ratio is a scheme of its own."""
    kept = own.ratios or options.pick((0.25, 0.5, 0.75, 1.0), (0.25, 0.5, 1.0))
    values = own.epsilons or options.pick((0, 0.03, 0.05, 0.1), (0, 0.05))
    schemes = options.schemes(("masked-vqvae+fim+at",))
    settings = accuracy_settings(
        options,
        schemes=tuple(
            scheme.overridden(masking={"ratio": round(1 - ratio, 6)}) for scheme in schemes for ratio in kept
        ),
        snr_db=(own.snr_db,),
        clean=0 in values,
        threats=source_threats(values, own.steps, options.pick(own.draws, 1)),
    )
    return [Run(options.record_name("fig7_accuracy_vs_reserving_ratio"), settings)]


def figure(record: Record, path: Path) -> None:
    """From the record alone: a line per ε."""
    threats = {threat["label"]: threat["attack"] for threat in record.settings["threats"]}
    specs = {spec["label"]: SchemeSpec(**spec) for spec in record.settings["schemes"]}
    schemes = {spec.stored_as for spec in specs.values()}

    def label(_: Record, point: PointRecord) -> str:
        epsilon = 0.0 if point.threat is None else threats[point.threat]["epsilon"]
        return (f"{specs[point.system].stored_as}, " if len(schemes) > 1 else "") + f"ε = {epsilon:.3g}"

    title = f"{record.settings['dataset']}: accuracy at {record.points[0].snr_db:g} dB"
    plot_task_vs(
        record,
        path,
        "Reserving ratio (1 − masking ratio)",
        lambda _, point: 1.0 - specs[point.system].overrides["masking"]["ratio"],
        label,
        title=title + (f", {next(iter(schemes))}" if len(schemes) == 1 else ""),
    )


ENTRY = Entry(
    "Fig. 7: accuracy against the reserving ratio", "accuracy", runs, Own, build=drawn_by(figure), summary=print_summary
)
