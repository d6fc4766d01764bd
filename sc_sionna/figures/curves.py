"""Figures from records only. The same record gives the same bytes with the same matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from sc_sionna.core.errors import UserError
from sc_sionna.figures import style
from sc_sionna.sweep.metrics import ACCURACY, BIT_ERROR_RATE, BLOCK_ERROR_RATE, INDEX_ERROR_RATE, Metric
from sc_sionna.sweep.point_record import PointRecord
from sc_sionna.sweep.record import Record

XOf = Callable[[Record, PointRecord], float | None]
LabelOf = Callable[[Record, PointRecord], str]
PanelOf = Callable[[Record, PointRecord], str | None]
Found = dict[str, Any]  # counts and summaries of scores, see PointRecord.found

# Label and scale of a metric's axis; others have their name and no scale
AXES = {"accuracy": ("Accuracy (%)", 100.0), "psnr_db": ("PSNR (dB)", 1.0), "ssim": ("SSIM", 1.0)}

ERROR_RATES = (
    (BIT_ERROR_RATE, "Bit error rate"),
    (BLOCK_ERROR_RATE, "Block error rate"),
    (INDEX_ERROR_RATE, "Index error rate"),
)


@dataclass(frozen=True)
class Series:
    """One line: its label, and per point its place on the axis (mostly the SNR in dB) and what was found there, in order."""

    label: str
    points: tuple[tuple[float, Found], ...]

    def estimates(self, metric: Metric) -> list[tuple[float, float, float, float]]:
        """Place, value, lower and upper end of the interval of the points that have trials of this metric."""
        rows = []
        for x, counts in self.points:
            value, interval = metric.value(counts), metric.interval(counts)
            if value is not None and interval is not None:
                rows.append((x, value, *interval))
        return rows


def series_of(records: Sequence[Record], metric_name: str | None = None) -> list[Series]:
    """Lines by (system, threat) of the points that were run, in the order of the records.

    metric_name : take the points of this metric; None takes all, since counts are the same for every metric of a point.
    Where several records are drawn together, a system that occurs in more than one carries the record's name.
    """
    lines: dict[tuple[int, str, str | None], dict[float, Found]] = {}
    for number, record in enumerate(records):
        for point in record.points:
            if point.counts is not None and metric_name in (None, point.metric):
                lines.setdefault((number, point.system, point.threat), {})[point.snr_db] = point.found
    names = [(system, threat) for _, system, threat in lines]
    series = []
    for (number, system, threat), points in lines.items():
        label = system + (f", {threat}" if threat is not None else "")
        if names.count((system, threat)) > 1:
            label += f" ({records[number].name})"
        series.append(Series(label, tuple(sorted(points.items()))))
    return series


def plot_task_vs_snr(
    records: Record | Sequence[Record],
    path: Path,
    title: str | None = None,
    chance: float | None = None,
    label_of: LabelOf | None = None,
) -> None:
    """The task's metric against the SNR in dB with 95 % intervals, a line per system; accuracy is in percent.

    Where the first record's settings name threats there is a panel for each, after one without semantic noise, and a system
    looks the same in all of them. Otherwise all lines share a panel.

    chance : the metric's value of guessing, drawn as a line; default ``notes["chance"]`` of the first record, if there
    label_of : names a line; default the system

    ``notes["bounds"]`` of the first record, name to accuracy, are drawn as lines across. Points that were not run are left
    out; UserError if none was run.
    """
    records = [records] if isinstance(records, Record) else list(records)
    if label_of or (records and records[0].settings.get("threats")):

        def panel(record: Record, point: PointRecord) -> str | None:
            return point.threat or (style.NO_NOISE if record.settings.get("threats") else None)

        plot_task_vs(records, path, "SNR (dB)", lambda _, p: p.snr_db, label_of, panel, title, chance)
        return
    metric = metric_of(records)
    _draw_curves({None: series_of(records, metric.name)}, metric, records, path, "SNR (dB)", title, chance)


def plot_task_vs(
    records: Record | Sequence[Record],
    path: Path,
    x_label: str,
    x_of: XOf,
    label_of: LabelOf | None = None,
    panel_of: PanelOf | None = None,
    title: str | None = None,
    chance: float | None = None,
    log_x: bool = False,
) -> None:
    """The task's metric against anything that a record says of its points; otherwise as :func:`plot_task_vs_snr`.

    x_of : the place of a point on the axis, from the record and the point alone; None leaves the point out
    label_of : the line that a point is on; default its system
    panel_of : the title of the panel that it is in; default one panel without title
    log_x : whether the axis is logarithmic, for places above 0

    ValueError where two points fall on one place of a line.
    """
    records = [records] if isinstance(records, Record) else list(records)
    places: dict[str | None, dict[str, dict[float, Found]]] = {}
    metric = metric_of(records)
    for record in records:
        for point in record.points:
            x = x_of(record, point)
            if point.counts is None or point.metric != metric.name or x is None:
                continue
            panel = panel_of(record, point) if panel_of else None
            label = label_of(record, point) if label_of else point.system
            line = places.setdefault(panel, {}).setdefault(label, {})
            if float(x) in line:
                raise ValueError(f"{point.key}: another point of the line {label!r} is at {x} too")
            line[float(x)] = point.found
    panels = {
        panel: [Series(label, tuple(sorted(line.items()))) for label, line in lines.items()]
        for panel, lines in places.items()
    }
    _draw_curves(panels, metric, records, path, x_label, title, chance, log_x)


def metric_of(records: Sequence[Record]) -> Metric:
    """The task's metric, which all lines of a figure share: accuracy, or the mean of the first point's score."""
    points = [point for record in records for point in record.points]
    return next((point.measure for point in points if point.metric in point.scores), ACCURACY)


def _draw_curves(
    panels: dict[str | None, list[Series]],
    metric: Metric,
    records: Sequence[Record],
    path: Path,
    x_label: str,
    title: str | None,
    chance: float | None,
    log_x: bool = False,
) -> None:
    every = _not_empty([line for lines in panels.values() for line in lines], records, metric.name)
    label, scale = AXES.get(metric.name, (metric.name, 1.0))
    labels = list(dict.fromkeys(line.label for line in every))
    chance = records[0].notes.get("chance") if chance is None else chance
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    with style.context():
        width = 6.8 if columns == 1 else 1.0 + 4.0 * columns
        figure = Figure(figsize=(width, 4.4 * rows), layout="constrained")
        all_axes = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
        for number, (axes, (panel, lines)) in enumerate(zip(all_axes, panels.items(), strict=False)):
            for line in lines:
                x, value, low, high = style.columns_of(line.estimates(metric), scale=scale)
                look = style.look(labels.index(line.label))
                axes.errorbar(x, value, style.bars(value, low, high), label=line.label, **look)
            for place, (name, bound) in enumerate(records[0].notes.get("bounds", {}).items()):
                axes.axhline(
                    scale * bound,
                    color="0.2",
                    linestyle=style.BOUNDS[place % len(style.BOUNDS)],
                    linewidth=1.2,
                    label=name,
                )
            if chance is not None:
                axes.axhline(scale * chance, color="0.45", linestyle=(0, (6, 3)), linewidth=1, zorder=1)
            if chance is not None and number == 0:
                # at the end where the lines leave it more room
                rooms = [
                    min(abs((line.estimates(metric) or [(0.0, 0.0, 0.0, 0.0)])[end][1] - chance) for line in lines)
                    for end in (0, -1)
                ]
                at, side = (0.005, "left") if rooms[0] > rooms[1] else (0.995, "right")
                guessed = f"chance {scale * chance:.3g}" + (" %" if scale == 100 else "")
                axes.annotate(
                    guessed, (at, scale * chance), xycoords=("axes fraction", "data"),
                    xytext=(0, -3), textcoords="offset points", ha=side, va="top", color="0.35", fontsize="small",
                )  # fmt: skip
            if metric is ACCURACY:
                axes.set_ylim(-2, 102)
            if panel is not None:
                axes.set_title(textwrap.fill(panel, 48), fontsize="medium")
            if number % columns == 0:
                axes.set_ylabel(label)
            if log_x:
                axes.set_xscale("log")
                axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axes.xaxis.set_minor_formatter(NullFormatter())
                axes.set_xlabel(x_label)
            else:
                _finish_axes(axes, lines, x_label)
        for axes in all_axes[len(panels) :]:
            axes.set_axis_off()
        style.finish_figure(figure, figure.axes, title, f"Bars: 95 % intervals, {_trials(every, metric)} per point")
        style.save(figure, path)


def plot_error_rates(records: Record | Sequence[Record], path: Path, title: str | None = None) -> None:
    """Bit, block and index error rate against the SNR in dB, on a logarithmic axis, a panel for each that was counted.

    A point without errors is drawn at the upper end of its 95 % interval with an arrow down: the rate is below it. Points
    that were not run are left out; UserError if none was run.
    """
    records = [records] if isinstance(records, Record) else list(records)
    lines = _not_empty(series_of(records), records, "error rate")
    panels = [(metric, name) for metric, name in ERROR_RATES if any(line.estimates(metric) for line in lines)]
    if not panels:
        raise UserError(f"record {records[0].name!r}: counts no bits, blocks or indices; name a record of error rates")
    with style.context():
        figure = Figure(figsize=(1.0 + 3.9 * max(len(panels), 1.4), 4.6), layout="constrained")
        all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
        limits = False
        ticks = _ticks(lines)
        step = min((b - a for a, b in pairwise(ticks)), default=1.0)
        for axes, (metric, name) in zip(all_axes, panels, strict=True):
            axes.set_yscale("log")
            for number, line in enumerate(lines):
                shift = 0.5 * step * (number / max(1, len(lines) - 1) - 0.5) if len(lines) > 1 else 0.0
                limits |= _draw_error_rate(axes, line, metric, number, shift)
            axes.set_ylim(top=1.5)
            axes.set_ylabel(name)
            _finish_axes(axes, lines)
        note = "Bars: 95 % intervals" + ("; arrows: no errors seen, upper end of the interval" if limits else "")
        style.finish_figure(figure, all_axes[0], title, note)
        style.save(figure, path)


def _draw_error_rate(axes: Any, line: Series, metric: Metric, number: int, shift: float) -> bool:
    """One line of a panel; True if it has points without errors. ``shift``: of those in dB, or they hide each other."""
    rows = line.estimates(metric)
    seen, unseen = [r for r in rows if r[1] > 0], [r for r in rows if r[1] == 0]
    look = style.look(number)
    snr_db, value, low, high = style.columns_of(seen)
    # an empty line still gives the legend its entry
    axes.errorbar(snr_db, value, style.bars(value, low, high), label=line.label, **look)
    if unseen:
        snr_db, _, _, high = style.columns_of(unseen)
        snr_db = [x + shift for x in snr_db]
        arrow = [0.45 * h for h in high]  # the same length for all on a logarithmic axis
        open_look = {**look, "linestyle": "none", "markerfacecolor": "white", "capsize": 2.5}
        axes.errorbar(snr_db, high, yerr=arrow, uplims=True, **open_look)
    return bool(unseen)


def _not_empty(lines: list[Series], records: Sequence[Record], what: str) -> list[Series]:
    if not lines:
        names = ", ".join(repr(r.name) for r in records) or "none given"
        raise UserError(f"records {names}: no {what} point was run; run the sweep before drawing it")
    return lines


def _trials(lines: list[Series], metric: Metric) -> str:
    counts = {c.get(metric.denominator, 0) for line in lines for _, c in line.points}
    least, most = min(counts), max(counts)
    return f"{most:,} {metric.denominator}" if least == most else f"{least:,} to {most:,} {metric.denominator}"


def _finish_axes(axes: Any, lines: list[Series], x_label: str = "SNR (dB)") -> None:
    axes.set_xlabel(x_label)
    ticks = _ticks(lines)
    if len(ticks) <= 14:
        axes.set_xticks(ticks, [f"{t:g}".replace("-", "\N{MINUS SIGN}") for t in ticks])


def _ticks(lines: list[Series]) -> list[float]:
    return sorted({x for line in lines for x, _ in line.points})
