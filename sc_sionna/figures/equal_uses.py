"""Accuracy at equal channel uses, on adaptive links, in fixed modes and as a bound; and the uses that an accuracy needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from sc_sionna.figures import style
from sc_sionna.figures.curves import AXES, metric_of, series_of
from sc_sionna.sweep.record import Record

SAME = "Bars: 95 % intervals; all schemes saw the same images, and at an SNR the same fading and noise"
ADAPTIVE, COMPARED = "every scheme, adaptive link", "adaptive (solid), fixed modes (dotted), bound (dashed)"


def mode_name(record: Record) -> str:
    """The fixed mode of a record's link, as ``4 × 16qam, 1/2``."""
    link = record.settings["link"]
    rate = {0.5: "1/2", 0.75: "3/4"}.get(link["coderate"], f"{link['coderate']:.2g}")
    return f"{link['num_streams']} × {link['modulation']}, {rate}"


def plot_equal_uses(records: Sequence[Record], path: Path, title: str) -> None:
    """Two panels against the SNR: all schemes on the adaptive link, and those that have fixed modes or a bound beside it.

    records : of one data set at equal ``link.channel_uses``, told apart by ``link.adaptation``; those that adapt to the
        realisation are beside the fixed modes, dash-dotted
    """
    metric = metric_of(records)
    label, scale = AXES.get(metric.name, (metric.name, 1.0))
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        by_kind.setdefault(record.settings["link"]["adaptation"], []).append(record)
    adaptive = [line for kind in ("mcs", "rank") for line in series_of(by_kind.get(kind, []), metric.name)]
    fixed = [
        (line, ":", mode_name(r)) for r in by_kind.get("none", []) for line in series_of([r], metric.name)
    ]  # fmt: skip
    realised = [
        (line, "-.", "realisation")
        for kind in ("mcs-realisation", "rank-realisation")
        for line in series_of(by_kind.get(kind, []), metric.name)
    ]
    bounds = [(line, "--", "bound") for line in series_of(by_kind.get("ideal", []), metric.name)]
    beside = fixed + realised + bounds
    names = list(dict.fromkeys(line.label for line in [*adaptive, *(line for line, *_ in beside)]))
    compared = {line.label for line, *_ in beside}
    markers = {name: style.MARKERS[-1 - place] for place, name in enumerate(dict.fromkeys(m for _, _, m in fixed))}
    with style.context():
        figure = Figure(figsize=(10.6, 5.0), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for line in adaptive:
            _draw(left, line, metric, scale, line.label, style.look(names.index(line.label)))
            if line.label in compared:
                _draw(right, line, metric, scale, line.label, style.look(names.index(line.label)))
        for line, dashes, what in beside:
            look = style.look(names.index(line.label)) | {"linestyle": dashes, "linewidth": 1.2, "markersize": 4}
            look["marker"] = markers.get(what, "None")
            _draw(right, line, metric, scale, None, look)
        for what, marker in markers.items():
            right.plot([], [], linestyle=":", color="0.4", marker=marker, markersize=4, label=what)
        if realised:
            right.plot([], [], linestyle="-.", color="0.4", label="adapts to the realisation")
        if bounds:
            right.plot([], [], linestyle="--", color="0.4", label="ideal code, same source codec")
        for axes, panel in ((left, ADAPTIVE), (right, COMPARED)):
            axes.set_title(panel, fontsize="medium")
            axes.set_xlabel("SNR (dB)")
            axes.set_ylim(-2, 102)
        left.set_ylabel(label)
        style.finish_figure(figure, [left, right], title, SAME)
        style.save(figure, path)


def _draw(axes: Any, line: Any, metric: Any, scale: float, label: str | None, look: dict[str, Any]) -> None:
    x, value, low, high = style.columns_of(line.estimates(metric), scale=scale)
    axes.errorbar(x, value, style.bars(value, low, high), label=label, **look)


def uses_needed(places: Sequence[tuple[int, float]], target: float) -> float | None:
    """The channel uses at which a rising accuracy reaches ``target``: linear in log2 of the uses between two that were run.

    places : channel uses, rising, with the accuracy at each; None where it is not reached, the fewest where it is from there
    """
    for (before, low), (uses, high) in pairwise(places):
        if low < target <= high:
            return float(before * (uses / before) ** ((target - low) / (high - low)))
    return float(places[0][0]) if places[0][1] >= target else None


def plot_uses_for_accuracy(records: Sequence[Record], path: Path, target: float, title: str) -> None:
    """Channel uses for an accuracy against the SNR, a line per scheme, on a logarithmic axis.

    A bar reaches from where the upper ends of the accuracies' 95 % intervals reach the target to where their lower ends do;
    it is open where they do not within what was run. A scheme that misses the target everywhere is named in the legend.

    records : of one data set, told apart by ``link.channel_uses``
    """
    metric = metric_of(records)
    found: dict[str, dict[float, list[tuple[int, tuple[float, ...]]]]] = {}
    for record in sorted(records, key=lambda r: r.settings["link"]["channel_uses"]):
        for line in series_of([record], metric.name):
            for snr_db, *estimate in line.estimates(metric):
                place = record.settings["link"]["channel_uses"], tuple(estimate)
                found.setdefault(line.label, {}).setdefault(snr_db, []).append(place)
    most = max(r.settings["link"]["channel_uses"] for r in records)
    with style.context():
        figure = Figure(figsize=(6.8, 4.6), layout="constrained")
        axes = figure.subplots()
        for number, (name, places) in enumerate(found.items()):
            rows = []
            for snr_db, at in sorted(places.items()):
                needed, first, last = (uses_needed([(u, e[part]) for u, e in at], target) for part in (0, 2, 1))
                if needed is not None:
                    rows.append((snr_db, needed, first or needed, last or 1.25 * most))
            columns = style.columns_of(rows)
            shown = name if rows else f"{name} (not within {most} uses)"
            axes.errorbar(columns[0], columns[1], style.bars(*columns[1:]), label=shown, **style.look(number))
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_xlabel("SNR (dB)")
        axes.set_ylabel("Channel uses an image")
        style.finish_figure(figure, axes, title, "Bars: from the ends of the accuracies' 95 % intervals")
        style.save(figure, path)
