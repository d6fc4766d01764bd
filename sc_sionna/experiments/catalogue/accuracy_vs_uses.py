"""The contest: accuracy against the channel uses an image takes, each scheme at several settings, one panel an SNR."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sc_sionna.experiments.catalogue.accuracy import accuracy_settings, drawn_by, print_summary
from sc_sionna.experiments.catalogue.entry import Decibels, Entry, Options, Run
from sc_sionna.figures.curves import plot_task_vs
from sc_sionna.schemes import SchemeSpec, parse_schemes
from sc_sionna.settings import Settings
from sc_sionna.sweep import PointRecord, Record

# Settings that span what each scheme can cost; a user's own are named by --systems
LEARNED = (
    "masked-vqvae[masking.ratio=0.75],masked-vqvae,masked-vqvae[masking.ratio=0.25],masked-vqvae[masking.ratio=0],jscc"
)
LABEL = "label-ldpc,label-ldpc[source.repetitions=2],label-ldpc[source.repetitions=4]"
SOURCES = {
    "digits": "pixels-ldpc[source.side=4],pixels-ldpc[source.side=6],pixels-ldpc,pixels-ldpc[source.side=8,source.depth=4],"
    "jpeg-ldpc[source.halved=true,source.quality=5],jpeg-ldpc[source.halved=true,source.quality=25],"
    "jpeg-ldpc[source.quality=3],jpeg-ldpc[source.quality=10],jpeg-ldpc,"
    "webp-ldpc,webp-ldpc[source.quality=50],avif-ldpc[source.quality=1],avif-ldpc,jpeg-ldpc[source.tables=sent,source.optimize=true]",
}
COLOUR = (
    "pixels-ldpc[source.colour=rgb,source.side=4],pixels-ldpc[source.colour=rgb],"
    "pixels-ldpc[source.colour=rgb,source.depth=4],pixels-ldpc[source.colour=rgb,source.depth=4,source.side=16],"
    "jpeg-ldpc[source.halved=true,source.quality=5],jpeg-ldpc[source.halved=true,source.quality=25],"
    "jpeg-ldpc[source.quality=3],jpeg-ldpc[source.quality=10],jpeg-ldpc[source.quality=25],jpeg-ldpc,"
    "webp-ldpc,webp-ldpc[source.quality=50],avif-ldpc[source.quality=1],avif-ldpc,avif-ldpc[source.quality=60],jpeg-ldpc[source.tables=sent,source.optimize=true]"
)


class Own(Settings):
    """The SNRs of the panels."""

    snr_db: Decibels = Field((), description="SNRs in dB, start:stop:step or a,b,c; default 0,6,12,18")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep; a scheme at a setting is a scheme of its own."""
    named = parse_schemes(",".join((LEARNED, LABEL, SOURCES.get(options.dataset, COLOUR))))
    settings = accuracy_settings(
        options,
        schemes=options.schemes(tuple(spec.label for spec in named)),
        snr_db=own.snr_db or options.pick((0, 6, 12, 18), (0, 18)),
    )
    return [Run(options.record_name("accuracy_vs_uses"), settings)]


def line_of(spec: SchemeSpec) -> str:
    """The line of a figure that a scheme's point is on: all settings of one source; JPEG at half size, and whole, apart."""
    source = spec.overrides.get("source", {})
    whole = ", tables sent" if source.get("tables") == "sent" else ""
    return spec.name + (", halved" if source.get("halved") else whole)


def figure(record: Record, path: Path) -> None:
    """From the record alone: a panel an SNR, a line a scheme."""
    specs = {spec["label"]: SchemeSpec(**spec) for spec in record.settings["schemes"]}

    def uses(_: Record, point: PointRecord) -> float | None:
        return None if point.budget is None else point.budget["channel_uses"]

    plot_task_vs(
        record,
        path,
        f"Channel uses an image ({record.settings['link']['num_streams']} streams; label-ldpc: one)",
        uses,
        lambda _, point: line_of(specs[point.system]),
        lambda _, point: f"{point.snr_db:g} dB",
        f"{record.settings['dataset']}: what an image costs and what it gives",
        log_x=True,
    )


ENTRY = Entry(
    "The contest: accuracy against channel uses, conventional sources at their best",
    "accuracy",
    runs,
    Own,
    build=drawn_by(figure),
    summary=print_summary,
)
