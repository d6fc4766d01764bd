"""Bars from records only: what survives the attacks of an audit, and how far the link is from theory."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from sc_sionna.attacks.threats import paper_attack
from sc_sionna.figures import style
from sc_sionna.sweep.point_record import PointRecord
from sc_sionna.sweep.record import Record

BARS = ("clean", "Eq. (7)", "survives all attacks")


def plot_audit(record: Record, path: Path, title: str | None = None) -> None:
    """Robust images in percent with Wilson 95 % intervals by scheme: clean, under Eq. (7), and under every attack.

    A star at a scheme's name: a check for masked gradients failed, see ``notes["checks"]``.
    """
    checks = style.part_of(record, "notes", "checks")
    systems = list(dict.fromkeys(point.system for point in record.points))
    with style.context():
        figure = Figure(figsize=(2.2 + 1.15 * max(3, len(systems)), 4.4), layout="constrained")
        axes = figure.add_subplot()
        axes.xaxis.grid(False)
        for number, label in enumerate(BARS):
            places, rows = [], []
            for place, system in enumerate(systems):
                point = _bar(record, system, number)
                if point is not None and point.value is not None and point.ci95 is not None:
                    places.append(place + 0.27 * (number - 1))
                    rows.append((100 * point.value, *(100 * end for end in point.ci95)))
            value, low, high = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
            error = [[max(0.0, v - x) for v, x in zip(value, low, strict=True)]]
            error.append([max(0.0, x - v) for v, x in zip(value, high, strict=True)])
            axes.bar(
                places, value, width=0.25, color=style.COLOURS[number], yerr=error, label=label,
                error_kw={"elinewidth": 1.0, "capsize": 2.5},
            )  # fmt: skip
        failed = [any(not check["passed"] for check in checks[system]) for system in systems]
        names = [
            system.replace("+", "\n+") + (" *" if bad else "") for system, bad in zip(systems, failed, strict=True)
        ]
        axes.set_xticks(range(len(systems)), names, fontsize="small")
        axes.set_ylim(0, 102)
        axes.set_ylabel("Robust images (%)")
        images = {point.counts["images"] for point in record.points if point.counts}
        note = f"Bars: 95 % intervals, {max(images, default=0)} images"
        note += "; *: a check for masked gradients failed" if any(failed) else ""
        if title:
            figure.suptitle(title, fontsize="large")
        figure.legend(loc="outside lower center", ncols=len(BARS), title=note, title_fontsize="small", fontsize="small")
        style.save(figure, path)


def _bar(record: Record, system: str, number: int) -> PointRecord | None:
    """The point of a scheme that a bar shows: clean, its first attack by Eq. (7), its worst case."""
    draws = (*record.settings.get("paper_draws", ()), 1)  # 1 where a scheme draws nothing
    wanted: tuple[str | None, ...] = ((None,), tuple(map(paper_attack, draws)), ("worst case",))[number]
    return next((p for p in record.points if p.system == system and p.threat in wanted), None)


def plot_checks(record: Record, path: Path, title: str | None = None) -> None:
    """The z of every check in ``values["checks"]``, with the limits of ``notes["max_z"]``; a failed one is marked in red."""
    checks, limit = style.part_of(record, "values", "checks"), record.notes["max_z"]
    with style.context():
        figure = Figure(figsize=(7.5, 1.2 + 0.24 * len(checks)), layout="constrained")
        axes = figure.add_subplot()
        shown = [1.25 * limit if c["z"] is None else max(-1.25 * limit, min(1.25 * limit, c["z"])) for c in checks]
        colours = [style.COLOURS[1] if abs(z) > limit else style.COLOURS[0] for z in shown]
        axes.barh(range(len(checks)), shown, height=0.6, color=colours)
        for end in (-limit, limit):
            axes.axvline(end, color="0.4", linestyle="--", linewidth=1)
        axes.set_yticks(range(len(checks)), [c["name"] for c in checks], fontsize="small")
        axes.invert_yaxis()
        axes.set_xlim(-1.3 * limit, 1.3 * limit)
        axes.set_xlabel("Measured minus expected, in standard errors")
        if title:
            figure.suptitle(title, fontsize="large")
        style.save(figure, path)
