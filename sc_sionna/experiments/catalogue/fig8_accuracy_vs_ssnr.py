"""Fig. 8: accuracy against the signal-to-semantic-noise ratio of noise added over the air, and its control."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from sc_sionna.attacks.threats import air_threat
from sc_sionna.experiments.catalogue.accuracy import accuracy_settings, drawn_by, print_summary
from sc_sionna.experiments.catalogue.entry import Decibels, Entry, Options, Run
from sc_sionna.figures.curves import plot_task_vs
from sc_sionna.settings import Decibel, Settings
from sc_sionna.sweep import Record

PANELS = {"over-the-air": "semantic noise over the air", "gaussian": "Gaussian noise of the same power"}


class Own(Settings):
    """One SNR, ratios, and what the attacker has."""

    snr_db: Decibel = Field(18.0, description="the SNR in dB")
    ssnr_db: Decibels = Field((), description="ratios in dB, START:STOP:STEP or a,b,c; default -5:20:5")
    samples: int = Field(256, ge=1, le=1_000_000, description="received signals that the attacker has collected")
    channel: str = Field("rayleigh", description="the attacker's channel: rayleigh or identity")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep: Algorithm 1 and its control at every ratio."""
    ratios = own.ssnr_db or options.pick((-5.0, 0.0, 5.0, 10.0, 15.0, 20.0), (-5.0, 5.0, 20.0))
    values: dict[str, Any] = {"samples": options.pick(own.samples, min(own.samples, 64)), "channel": own.channel}
    threats = tuple(air_threat(ratio, gaussian, **values) for gaussian in (False, True) for ratio in ratios)
    settings = accuracy_settings(
        options,
        snr_db=(own.snr_db,),
        clean=False,
        threats=threats,
    )
    return [Run(options.record_name("fig8_accuracy_vs_ssnr"), settings)]


def figure(record: Record, path: Path) -> None:
    """From the record alone: a line per scheme, a panel for Algorithm 1 and one for the control."""
    threats = {threat["label"]: threat for threat in record.settings["threats"]}
    plot_task_vs(
        record,
        path,
        "Signal-to-semantic-noise ratio (dB)",
        lambda _, point: threats[point.threat]["attack"]["ssnr_db"],
        panel_of=lambda _, point: PANELS[threats[point.threat]["kind"]],
        title=f"{record.settings['dataset']}: accuracy at {record.points[0].snr_db:g} dB",
    )


ENTRY = Entry(
    "Fig. 8: accuracy against semantic noise over the air",
    "accuracy",
    runs,
    Own,
    build=drawn_by(figure),
    summary=print_summary,
)
