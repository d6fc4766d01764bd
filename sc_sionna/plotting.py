"""Figures from records only. The same record gives the same bytes with the same matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sc_sionna.atomic import write_bytes
from sc_sionna.errors import UserError
from sc_sionna.metrics import ACCURACY, BIT_ERROR_RATE, BLOCK_ERROR_RATE, INDEX_ERROR_RATE, Counts, Metric
from sc_sionna.sweep.record import Record

# Okabe and Ito's palette without its yellow, which is faint on white; markers and dashes tell lines apart without colour
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
DASHES = ("-", "--", ":", "-.")
ERROR_RATES = (
    (BIT_ERROR_RATE, "Bit error rate"),
    (BLOCK_ERROR_RATE, "Block error rate"),
    (INDEX_ERROR_RATE, "Index error rate"),
)
STYLE = {
    "font.size": 10,
    "axes.grid": True,
    "grid.color": "0.88",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Series:
    """One line: its label, and per point the SNR in dB and the counts, in the order of the SNR."""

    label: str
    points: tuple[tuple[float, Counts], ...]

    def estimates(self, metric: Metric) -> list[tuple[float, float, float, float]]:
        """SNR, value, lower and upper end of the interval of the points that have trials of this metric."""
        rows = []
        for snr_db, counts in self.points:
            value, interval = metric.value(counts), metric.interval(counts)
            if value is not None and interval is not None:
                rows.append((snr_db, value, *interval))
        return rows


def series_of(records: Sequence[Record], metric_name: str | None = None) -> list[Series]:
    """Lines by (system, threat) of the points that were run, in the order of the records.

    metric_name : take the points of this metric; None takes all, since counts are the same for every metric of a point.
    Where several records are drawn together, a system that occurs in more than one carries the record's name.
    """
    lines: dict[tuple[int, str, str | None], dict[float, Counts]] = {}
    for number, record in enumerate(records):
        for point in record.points:
            if point.counts is not None and metric_name in (None, point.metric):
                lines.setdefault((number, point.system, point.threat), {})[point.snr_db] = point.counts
    names = [(system, threat) for _, system, threat in lines]
    series = []
    for (number, system, threat), points in lines.items():
        label = system + (f", {threat}" if threat is not None else "")
        if names.count((system, threat)) > 1:
            label += f" ({records[number].name})"
        series.append(Series(label, tuple(sorted(points.items()))))
    return series


def plot_accuracy_vs_snr(
    records: Record | Sequence[Record], path: Path, title: str | None = None, chance: float | None = None
) -> None:
    """Accuracy in percent against the SNR in dB with Wilson 95 % intervals, a line per (system, threat).

    chance : accuracy of guessing, drawn as a line; default ``notes["chance"]`` of the first record, if there

    Points that were not run are left out; UserError if none was run.
    """
    records = [records] if isinstance(records, Record) else list(records)
    lines = _not_empty(series_of(records, ACCURACY.name), records, "accuracy")
    chance = records[0].notes.get("chance") if chance is None else chance
    with _style():
        figure = Figure(figsize=(6.8, 4.4), layout="constrained")
        axes = figure.add_subplot()
        for number, line in enumerate(lines):
            snr_db, value, low, high = _columns(line.estimates(ACCURACY), scale=100.0)
            axes.errorbar(snr_db, value, _bars(value, low, high), label=line.label, **_look(number))
        if chance is not None:
            axes.axhline(100 * chance, color="0.45", linestyle=(0, (6, 3)), linewidth=1, zorder=1)
            axes.annotate(
                f"chance {100 * chance:.3g} %", (0.995, 100 * chance), xycoords=("axes fraction", "data"),
                xytext=(0, -3), textcoords="offset points", ha="right", va="top", color="0.35", fontsize="small",
            )  # fmt: skip
        axes.set_ylim(-2, 102)
        axes.set_ylabel("Accuracy (%)")
        _finish_axes(axes, lines)
        _finish_figure(figure, axes, title, f"Bars: 95 % intervals, {_trials(lines, ACCURACY)} per point")
        _save(figure, path)


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
    with _style():
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
        _finish_figure(figure, all_axes[0], title, note)
        _save(figure, path)


def _draw_error_rate(axes: Any, line: Series, metric: Metric, number: int, shift: float) -> bool:
    """One line of a panel; True if it has points without errors. ``shift``: of those in dB, or they hide each other."""
    rows = line.estimates(metric)
    seen, unseen = [r for r in rows if r[1] > 0], [r for r in rows if r[1] == 0]
    look = _look(number)
    snr_db, value, low, high = _columns(seen)
    # an empty line still gives the legend its entry
    axes.errorbar(snr_db, value, _bars(value, low, high), label=line.label, **look)
    if unseen:
        snr_db, _, _, high = _columns(unseen)
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


def _columns(rows: list[tuple[float, float, float, float]], scale: float = 1.0) -> list[list[float]]:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    return [columns[0], *([scale * x for x in column] for column in columns[1:])]


def _bars(value: list[float], low: list[float], high: list[float]) -> list[list[float]]:
    # max: an end that equals the estimate may differ from it by rounding, and matplotlib refuses a negative bar
    below = [max(0.0, v - x) for v, x in zip(value, low, strict=True)]
    above = [max(0.0, x - v) for v, x in zip(value, high, strict=True)]
    return [below, above]


def _look(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[(number // len(COLOURS)) % len(DASHES)],
        "markersize": 5,
        "linewidth": 1.5,
        "elinewidth": 1.0,
        "capsize": 2.5,
        "zorder": 3,
    }


def _trials(lines: list[Series], metric: Metric) -> str:
    counts = {c.get(metric.denominator, 0) for line in lines for _, c in line.points}
    least, most = min(counts), max(counts)
    return f"{most:,} {metric.denominator}" if least == most else f"{least:,} to {most:,} {metric.denominator}"


def _finish_axes(axes: Any, lines: list[Series]) -> None:
    axes.set_xlabel("SNR (dB)")
    ticks = _ticks(lines)
    if len(ticks) <= 14:
        axes.set_xticks(ticks, [f"{t:g}".replace("-", "\N{MINUS SIGN}") for t in ticks])


def _ticks(lines: list[Series]) -> list[float]:
    return sorted({snr_db for line in lines for snr_db, _ in line.points})


def _finish_figure(figure: Figure, axes: Any, title: str | None, note: str) -> None:
    """Title above, legend in columns and the note below; the figure grows with the legend, not the axes smaller."""
    if title:
        figure.suptitle(title, fontsize="large")
    handles, labels = axes.get_legend_handles_labels()
    width = max(len(label) for label in labels)
    columns = max(1, min(len(labels), 4, int(figure.get_figwidth() * 13 / (width + 8))))
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(labels) // columns))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, title=note, title_fontsize="small", fontsize="small"
    )


def _style() -> Any:
    # the defaults first: a user's own matplotlibrc must not change a figure
    return matplotlib.style.context(["default", STYLE])


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())
