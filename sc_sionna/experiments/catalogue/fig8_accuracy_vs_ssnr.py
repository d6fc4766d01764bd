"""Fig. 8: accuracy against the signal-to-semantic-noise ratio of noise added over the air, and its controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from sc_sionna.attacks.threats import air_threat, jamming_threat
from sc_sionna.experiments.catalogue.accuracy import accuracy_settings, drawn_by, print_summary
from sc_sionna.experiments.catalogue.entry import COMPARED, Decibels, Entry, Options, Run
from sc_sionna.figures.curves import plot_task_vs
from sc_sionna.figures.half_power import half_powers, panels, print_half_powers
from sc_sionna.settings import Decibel, Settings
from sc_sionna.sweep import Record


class Own(Settings):
    """One SNR, ratios, and what the attackers have."""

    snr_db: Decibel = Field(18.0, description="the SNR in dB")
    ssnr_db: Decibels = Field((), description="ratios in dB, START:STOP:STEP or a,b,c; default -15:25:5")
    samples: int = Field(256, ge=1, le=1_000_000, description="training images whose signals an attacker has collected")
    channel: str = Field("rayleigh", description="the attacker's channel: rayleigh or identity")
    patterns: str = Field(
        "burst,header",
        description="patterns of jammed uses, a,b,c of best, burst, strided, code-graph, header; or none. The search of "
        "code-graph, and of best, takes seconds for every length of a stream",
    )


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep: at every ratio Algorithm 1 and Gaussian noise, jamming of some uses and of as many random ones."""
    ratios = own.ssnr_db or options.pick(tuple(float(ratio) for ratio in range(-15, 30, 5)), (-5.0, 5.0, 20.0))
    values: dict[str, Any] = {"samples": options.pick(own.samples, min(own.samples, 64)), "channel": own.channel}
    patterns = [] if own.patterns == "none" else own.patterns.split(",")
    threats: list[Any] = [air_threat(ratio, gaussian, **values) for gaussian in (False, True) for ratio in ratios]
    threats += [
        jamming_threat(ratio, shuffled, pattern=pattern, snr_db=own.snr_db, **values)
        for pattern in patterns
        for shuffled in (False, True)
        for ratio in ratios
    ]
    settings = accuracy_settings(
        options,
        schemes=options.schemes(COMPARED),
        snr_db=(own.snr_db,),
        threats=tuple(threats),
    )
    return [Run(options.record_name("fig8_accuracy_vs_ssnr"), settings)]


def figure(record: Record, path: Path) -> None:
    """From the record alone: a line per scheme, a panel for each attacker and one for its control."""
    threats, panel_of = {threat["label"]: threat for threat in record.settings["threats"]}, panels(record)
    plot_task_vs(
        record,
        path,
        "Signal-to-semantic-noise ratio (dB)",
        lambda _, point: None if point.threat is None else threats[point.threat]["attack"]["ssnr_db"],
        panel_of=lambda _, point: panel_of.get(str(point.threat)),
        title=f"{record.settings['dataset']}: accuracy at {record.points[0].snr_db:g} dB",
    )


def summary(record: Record) -> None:
    """Accuracies, the uses that jamming has settled on, and the ratio at which half of the accuracy is lost."""
    print_summary(record)
    for threat, by_scheme in record.notes.get("jammed_uses", {}).items():
        for scheme, plan in by_scheme.items():
            share = "" if plan["share"] is None else f", {100 * plan['share']:.3g} % of the uses"
            print(f"{threat}: {scheme}: {plan['pattern']}{share}")
    if record.settings["clean"]:
        print_half_powers(half_powers(record, panels(record)))


ENTRY = Entry(
    "Fig. 8: accuracy against semantic noise over the air",
    "accuracy",
    runs,
    Own,
    build=drawn_by(figure),
    summary=summary,
)
