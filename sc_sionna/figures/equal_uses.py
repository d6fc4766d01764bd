"""Accuracy at equal channel uses: adaptive links, fixed modes, and the bound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sc_sionna.figures import style
from sc_sionna.figures.curves import AXES, metric_of, series_of
from sc_sionna.sweep.record import Record

ADAPTIVE, COMPARED = "every scheme, adaptive link", "adaptive (solid), fixed modes (dotted), bound (dashed)"


def mode_name(record: Record) -> str:
    """The fixed mode of a record's link, as ``4 × 16qam, 1/2``."""
    link = record.settings["link"]
    rate = {0.5: "1/2", 0.75: "3/4"}.get(link["coderate"], f"{link['coderate']:.2g}")
    return f"{link['num_streams']} × {link['modulation']}, {rate}"


def plot_equal_uses(records: Sequence[Record], path: Path, title: str) -> None:
    """Two panels against the SNR: all schemes on the adaptive link, and those that have fixed modes or a bound beside it.

    records : of one data set at equal ``link.channel_uses``, told apart by ``link.adaptation``
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
    bounds = [(line, "--", "bound") for line in series_of(by_kind.get("ideal", []), metric.name)]
    names = list(dict.fromkeys(line.label for line in [*adaptive, *(line for line, *_ in fixed + bounds)]))
    compared = {line.label for line, *_ in fixed + bounds}
    markers = {name: style.MARKERS[-1 - place] for place, name in enumerate(dict.fromkeys(m for _, _, m in fixed))}
    with style.context():
        figure = Figure(figsize=(10.6, 5.0), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for line in adaptive:
            _draw(left, line, metric, scale, line.label, style.look(names.index(line.label)))
            if line.label in compared:
                _draw(right, line, metric, scale, line.label, style.look(names.index(line.label)))
        for line, dashes, what in fixed + bounds:
            look = style.look(names.index(line.label)) | {"linestyle": dashes, "linewidth": 1.2, "markersize": 4}
            look["marker"] = markers.get(what, "None")
            _draw(right, line, metric, scale, None, look)
        for what, marker in markers.items():
            right.plot([], [], linestyle=":", color="0.4", marker=marker, markersize=4, label=what)
        if bounds:
            right.plot([], [], linestyle="--", color="0.4", label="ideal code, same source codec")
        for axes, panel in ((left, ADAPTIVE), (right, COMPARED)):
            axes.set_title(panel, fontsize="medium")
            axes.set_xlabel("SNR (dB)")
            axes.set_ylim(-2, 102)
        left.set_ylabel(label)
        style.finish_figure(figure, [left, right], title, "Bars: 95 % intervals")
        style.save(figure, path)


def _draw(axes: Any, line: Any, metric: Any, scale: float, label: str | None, look: dict[str, Any]) -> None:
    x, value, low, high = style.columns_of(line.estimates(metric), scale=scale)
    axes.errorbar(x, value, style.bars(value, low, high), label=label, **look)
