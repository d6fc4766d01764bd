"""What each part of a scheme adds: differences of accuracy with intervals, from a record alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from sc_sionna.core.errors import UserError
from sc_sionna.figures import style
from sc_sionna.sweep.metrics import ACCURACY, difference_interval
from sc_sionna.sweep.record import Record


class Difference(NamedTuple):
    """One part at one SNR: accuracy with it minus accuracy without it, as a share, with the ends of its interval."""

    part: str
    snr_db: float
    threat: str | None
    value: float
    low: float
    high: float


def differences(record: Record) -> Iterator[Difference]:
    """In the order of ``notes["pairs"]``: part to [system with it, system without it]; those that ran are compared."""
    pairs = record.notes.get("pairs")
    if not pairs:
        raise UserError(f"record {record.name!r}: no 'pairs' in its notes; name a record of sims/ablation.py")
    counts = {(p.system, p.snr_db, p.threat): p.counts for p in record.points if p.counts is not None}
    places = dict.fromkeys((snr_db, threat) for _, snr_db, threat in counts)
    for part, (with_it, without) in pairs.items():
        for snr_db, threat in places:
            both = [counts.get((system, snr_db, threat)) for system in (with_it, without)]
            if both[0] is None or both[1] is None:
                continue
            found = difference_interval(ACCURACY, both[0], both[1])
            if found is not None:
                yield Difference(part, snr_db, threat, *found)


def plot_differences(record: Record, path: Path, title: str | None = None) -> None:
    """A row per part, a panel per SNR, a mark with its interval per threat."""
    found = list(differences(record))
    parts = list(dict.fromkeys(d.part for d in found))
    snrs = sorted({d.snr_db for d in found}, reverse=True)
    threats = list(dict.fromkeys(d.threat for d in found))
    with style.context():
        figure = Figure(figsize=(3.4 + 3.0 * len(snrs), 1.3 + 0.42 * len(parts)), layout="constrained")
        panels = figure.subplots(1, len(snrs), sharey=True, squeeze=False)[0]
        for axes, snr_db in zip(panels, snrs, strict=True):
            axes.axvline(0, color="0.4", linewidth=0.8)
            for i, threat in enumerate(threats):
                chosen = [d for d in found if (d.snr_db, d.threat) == (snr_db, threat)]
                rows = [parts.index(d.part) + 0.22 * (i - (len(threats) - 1) / 2) for d in chosen]
                sides = [[100 * (d.value - d.low) for d in chosen], [100 * (d.high - d.value) for d in chosen]]
                axes.errorbar(
                    [100 * d.value for d in chosen], rows, xerr=sides, linestyle="none", markersize=5, capsize=2,
                    marker=style.MARKERS[i], color=style.COLOURS[i], label=threat or style.NO_NOISE,
                )  # fmt: skip
            axes.set_title(f"{snr_db:g} dB", fontsize="medium")
            axes.set_xlabel("Change of accuracy in points")
        panels[0].set_yticks(range(len(parts)), parts)
        panels[0].invert_yaxis()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(threats))
        if title:
            figure.suptitle(title, fontsize="large")
        style.save(figure, path)
