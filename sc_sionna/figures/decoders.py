"""Block error rates of two LDPC decoders against Eb/N0, and the gap between their curves, from a record alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from sc_sionna.figures import style
from sc_sionna.sweep.metrics import BLOCK_ERROR_RATE
from sc_sionna.sweep.point_record import PointRecord
from sc_sionna.sweep.record import Record

DECODERS = ("layered", "sionna")
TARGETS = (0.1, 0.01)


class Gap(NamedTuple):
    """Eb/N0 in dB at which each decoder reaches a block error rate; ``gap_db`` below 0: the layered one wins."""

    k: int
    n: int
    rate: float
    layered_db: float | None
    sionna_db: float | None
    gap_db: float | None


def curve(record: Record, decoder: str, code: dict[str, Any]) -> list[PointRecord]:
    """The points of one decoder on one code that were run, by Eb/N0."""
    name = f"{decoder} ({code['k']}, {code['n']})"
    return sorted((p for p in record.points if p.system == name and p.counts), key=lambda p: p.snr_db)


def ebno_at(points: Sequence[PointRecord], target: float) -> float | None:
    """Eb/N0 in dB where the block error rate crosses ``target``, log-linear between points; None if it does not."""
    rates = [(p.snr_db, float(p.value)) for p in points if p.value]
    for (x0, y0), (x1, y1) in pairwise(rates):
        if y0 >= target >= y1:
            return x0 + (x1 - x0) * math.log(y0 / target) / math.log(y0 / y1) if y0 > y1 else x0
    return None


def gaps(record: Record) -> list[Gap]:
    """By code and target, in the order of the record's settings."""
    rows = []
    for code in _curves(record):
        for target in TARGETS:
            layered, sionna = (ebno_at(curve(record, decoder, code), target) for decoder in DECODERS)
            gap = None if layered is None or sionna is None else round(layered - sionna, 4)
            rows.append(Gap(code["k"], code["n"], target, layered, sionna, gap))
    return rows


def public_rates(record: Record) -> dict[str, PointRecord]:
    """By decoder, the point at which others have published a rate; empty where that was not run."""
    public = record.settings["public"]
    if public is None:
        return {}
    found = {decoder: curve(record, decoder, public) for decoder in DECODERS}
    at = {decoder: [p for p in points if p.snr_db == public["ebno_db"]] for decoder, points in found.items()}
    return {decoder: points[0] for decoder, points in at.items() if points}


def _curves(record: Record) -> list[dict[str, Any]]:
    """The codes, less the one that is run at the published point."""
    public = record.settings["public"] or {"k": None, "n": None}
    return [c for c in record.settings["curves"] if (c["k"], c["n"]) != (public["k"], public["n"])]


def plot_decoders(record: Record, path: Path) -> None:
    """All curves in one figure with Wilson 95 % intervals, and the published rate as a star."""
    with style.context():
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        for number, code in enumerate(_curves(record)):
            for decoder, look in (("layered", "-o"), ("sionna", "--s")):
                points = curve(record, decoder, code)
                if points:
                    rate = np.array([p.value for p in points])
                    ends = np.array([p.ci95 for p in points])
                    label = f"({code['k']}, {code['n']})" if decoder == "layered" else None
                    axes.errorbar(
                        [p.snr_db for p in points], rate, np.abs(ends.T - rate), fmt=look, markersize=4, linewidth=1.2,
                        capsize=2, color=style.COLOURS[number % len(style.COLOURS)], label=label,
                        fillstyle="full" if label else "none",
                    )  # fmt: skip
        public = public_rates(record)
        if public:
            stated = record.settings["public"]
            axes.plot(
                stated["ebno_db"], stated["fer"], "k*", markersize=10, label=f"({stated['k']}, {stated['n']}), public"
            )
            for decoder, point in public.items():
                assert point.value is not None  # public_rates has none that was not run
                axes.plot(point.snr_db, point.value, "ko" if decoder == "layered" else "ks", fillstyle="none")
        axes.set(yscale="log", xlabel="Eb/N0 (dB)", ylabel=BLOCK_ERROR_RATE.name.replace("_", " ").capitalize())
        axes.set_title(f"solid: {record.notes['layered']}; dashed: Sionna, {record.notes['sionna']}", fontsize="medium")
        axes.legend(fontsize="small")
        style.save(figure, path)
