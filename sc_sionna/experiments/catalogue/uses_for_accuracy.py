"""How many channel uses a scheme needs for an accuracy, against the SNR, on a link that adapts its rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sc_sionna.core.terminal import one_line
from sc_sionna.experiments.catalogue.accuracy import accuracy_settings, print_summary
from sc_sionna.experiments.catalogue.entry import FULL_RANGE, Decibels, Entry, Options, Run
from sc_sionna.experiments.catalogue.equal_uses_vs_snr import SCHEMES
from sc_sionna.figures.differences import plot_contest
from sc_sionna.figures.equal_uses import plot_uses_for_accuracy
from sc_sionna.schemes import parse_schemes
from sc_sionna.settings import Settings
from sc_sionna.sweep import Record

TARGET = {"digits": 0.95}  # other data sets take that of CIFAR-10, which the classifier of whole pictures just reaches
CIFAR10_TARGET = 0.6


class Own(Settings):
    """SNRs and channel uses."""

    snr_db: Decibels = Field((), description="SNRs in dB, START:STOP:STEP or a,b,c; default -9:18:3")
    channel_uses: Annotated[tuple[Annotated[float, Field(ge=8, le=4096)], ...], "numbers"] = Field(
        (32, 64, 128), min_length=2, description="the channel uses that are tried; each with a table of modes"
    )
    accuracy: float | None = Field(None, gt=0, lt=1, description="the accuracy that is asked for; default by data set")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep for each number of channel uses."""
    schemes = options.schemes(tuple(spec.label for spec in parse_schemes(SCHEMES)))
    target = own.accuracy or TARGET.get(options.dataset, CIFAR10_TARGET)
    found = []
    for uses in options.pick(tuple(map(int, own.channel_uses)), (32, 64)):
        link = {"channel_uses": uses, "adaptation": "mcs", **options.changes.get("link", {})}
        settings = accuracy_settings(
            replace(options, changes={**options.changes, "link": link}),
            schemes=schemes,
            snr_db=own.snr_db or options.pick(FULL_RANGE, (-9.0, 6.0)),
        )
        found.append(Run(options.record_name(f"uses_for_{100 * target:g}_percent_{uses}"), settings))
    return found


def figure(options: Options, records: Sequence[Record], folder: Path) -> Path:
    """The uses that are needed, and what every scheme gains or loses against the class sent alone, from all records.

    The accuracy asked for is in their names.
    """
    stem = records[0].name.split("_percent_")[0]
    target = float(stem.rsplit("_", 1)[1]) / 100
    path = folder / "figures" / f"{options.record_name(f'{stem}_percent')}.png"
    plot_uses_for_accuracy(records, path, target, f"{options.dataset}: channel uses an image for {100 * target:g} %")
    contest = path.with_name(f"{path.stem}_contest.png")
    plot_contest(records, contest, f"{options.dataset}: accuracy at equal channel uses, on a link that adapts its rate")
    print(one_line(f"figure: {contest}"))
    return path


ENTRY = Entry(
    "Channel uses that each scheme needs for an accuracy, against the SNR",
    "accuracy",
    runs,
    Own,
    summary=print_summary,
    together=figure,
)
