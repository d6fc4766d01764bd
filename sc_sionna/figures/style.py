"""What all figures share: colours, markers, the frame of a figure, and files whose bytes depend on the record alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sc_sionna.core.atomic import write_bytes
from sc_sionna.core.errors import UserError
from sc_sionna.sweep.record import Record

# Okabe and Ito's palette without its yellow, which is faint on white; markers and dashes tell lines apart without colour
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
DASHES = ("-", "--", ":", "-.")
BOUNDS = (":", "-.")  # of lines across the figure
NO_NOISE = "without semantic noise"
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


def columns_of(rows: list[tuple[float, float, float, float]], scale: float = 1.0) -> list[list[float]]:
    """Places, values, and lower and upper ends of rows of estimates, the last three times ``scale``."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    return [columns[0], *([scale * x for x in column] for column in columns[1:])]


def bars(value: list[float], low: list[float], high: list[float]) -> list[list[float]]:
    """Lengths of error bars below and above values."""
    # max: an end that equals the estimate may differ from it by rounding, and matplotlib refuses a negative bar
    below = [max(0.0, v - x) for v, x in zip(value, low, strict=True)]
    above = [max(0.0, x - v) for v, x in zip(value, high, strict=True)]
    return [below, above]


def look(number: int) -> dict[str, Any]:
    """Colour, marker and dashes of line ``number``: no two of the first 28 look alike."""
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


def finish_figure(figure: Figure, axes: Any, title: str | None, note: str) -> None:
    """Title above, legend in columns and the note below; the figure grows with the legend, not the axes smaller.

    axes : those whose lines the legend names; a list of them where they differ, the same label once
    """
    if title:
        figure.suptitle(title, fontsize="large")
    entries: dict[str, Any] = {}
    for one in axes if isinstance(axes, list) else [axes]:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    ordered = sorted(entries.items(), key=lambda entry: isinstance(entry[1], Line2D))  # lines across the figure last
    labels, handles = [label for label, _ in ordered], [handle for _, handle in ordered]
    width = max(len(label) for label in labels)
    columns = max(1, min(len(labels), 4, int(figure.get_figwidth() * 13 / (width + 8))))
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(labels) // columns))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, title=note, title_fontsize="small", fontsize="small"
    )


def context() -> Any:
    """The look that all figures share, as a context."""
    # the defaults first: a user's own matplotlibrc must not change a figure
    return matplotlib.style.context(["default", STYLE])


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically and without a date or the name of a program in it."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def part_of(record: Record, where: Literal["notes", "values"], name: str) -> Any:
    """A part of a record's notes or values that a figure is drawn from; UserError where the record has none."""
    found = getattr(record, where).get(name)
    if not found:
        raise UserError(
            f"record {record.name!r}: no {name!r} in its {where}; name a record of the figure's own experiment"
        )
    return found
