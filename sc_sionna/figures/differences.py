"""What each part of a scheme adds: differences of accuracy with intervals, from a record alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from sc_sionna.core.errors import UserError
from sc_sionna.figures import style
from sc_sionna.sweep import paired
from sc_sionna.sweep.paired import Basis, Spread, difference_of, over_seeds
from sc_sionna.sweep.point_record import PointRecord
from sc_sionna.sweep.record import Record

SEED = re.compile(r"@seed[0-9]+$")  # ends the name of a scheme whose training was repeated with another seed
# What the intervals of a table or figure are, by what the record keeps
INTERVALS: dict[Basis, str] = {
    "paired": "paired intervals: the same images, at equal SNR the same fading and noise",
    "independent": "intervals for independent samples, as a rule too wide: the record keeps no outcome of each image",
}


class Difference(NamedTuple):
    """One part at one SNR: accuracy with it minus accuracy without it, as a share, with the ends of its interval.

    basis : whether the images were paired
    spread : of the same difference over training seeds; None where the record has one training of each scheme
    """

    part: str
    snr_db: float
    threat: str | None
    value: float
    low: float
    high: float
    basis: Basis
    spread: Spread | None = None


def differences(record: Record) -> Iterator[Difference]:
    """In the order of ``notes["pairs"]``: part to [system with it, system without it]; those that ran are compared.

    Where the record also has both systems as ``NAME@seedN``, trained anew with other seeds, their differences spread.
    """
    pairs = record.notes.get("pairs")
    if not pairs:
        raise UserError(f"record {record.name!r}: no 'pairs' in its notes; name a record of sims/ablation.py")
    points = {(p.system, p.snr_db, p.threat): p for p in record.points if p.counts is not None}
    seeds = sorted({match[0] for system, *_ in points if (match := SEED.search(system))})
    places = dict.fromkeys((snr_db, threat) for _, snr_db, threat in points)

    def found_with(seed: str, pair: tuple[str, str], place: tuple[float, str | None]) -> paired.Difference | None:
        first, second = (points.get((system + seed, *place)) for system in pair)
        return None if first is None or second is None else difference_of(first, second)

    for part, pair in pairs.items():
        for place in places:
            found = found_with("", pair, place)
            if found is None:
                continue
            others = [other.value for seed in seeds if (other := found_with(seed, pair, place)) is not None]
            spread = over_seeds([found.value, *others]) if others else None
            yield Difference(part, *place, *found[:3], found.basis, spread)


def basis_note(bases: Iterable[Basis]) -> str:
    """What intervals are meant, for a caption; both kinds where a record has both."""
    return "; ".join(INTERVALS[basis] for basis in sorted(set(bases), reverse=True))


def from_reference(record: Record, threat: str | None = None) -> tuple[str, dict[float, dict[str, paired.Difference]]]:
    """Of every SNR each system minus a reference: the class sent alone (``label-ldpc``), else the best system there.

    The reference's words, and by SNR and system the differences; the reference itself has none.
    """
    by_snr: dict[float, dict[str, PointRecord]] = {}
    for point in record.points:
        if point.threat == threat and point.value is not None:
            by_snr.setdefault(point.snr_db, {})[point.system] = point
    label = next((p.system for p in record.points if p.system.partition("[")[0] == "label-ldpc"), None)
    found: dict[float, dict[str, paired.Difference]] = {}
    for snr_db, points in by_snr.items():
        name = label or max(points, key=lambda system: points[system].value or 0.0)
        if name in points:
            others = {s: difference_of(p, points[name]) for s, p in points.items() if s != name}
            found[snr_db] = {system: d for system, d in others.items() if d is not None}
    return label or "the best at that SNR", found


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
        note = f"Bars: 95 % {basis_note(d.basis for d in found)}"
        figure.legend(
            handles, labels, loc="outside lower center", ncols=len(threats), title=note, title_fontsize="small"
        )
        if title:
            figure.suptitle(title, fontsize="large")
        style.save(figure, path)


def plot_contest(records: Sequence[Record], path: Path, title: str) -> None:
    """A panel for each number of channel uses: every scheme minus the class sent alone, in points, against the SNR.

    records : of one data set, told apart by ``link.channel_uses``; the reference is that of :func:`from_reference`
    """
    found = [from_reference(record) for record in records]
    references = dict.fromkeys(reference for reference, _ in found)
    names = list(dict.fromkeys(name for _, by_snr in found for at in by_snr.values() for name in at))
    bases = {d.basis for _, by_snr in found for at in by_snr.values() for d in at.values()}
    with style.context():
        figure = Figure(figsize=(1.2 + 3.6 * len(records), 5.0), layout="constrained")
        panels = figure.subplots(1, len(records), sharey=True, squeeze=False)[0]
        for axes, record, (_, by_snr) in zip(panels, records, found, strict=True):
            axes.axhline(0, color="0.4", linewidth=0.8)
            for number, name in enumerate(names):
                rows = [(snr_db, *at[name][:3]) for snr_db, at in sorted(by_snr.items()) if name in at]
                x, value, low, high = style.columns_of(rows, scale=100.0)
                axes.errorbar(x, value, style.bars(value, low, high), label=name, **style.look(number))
            axes.set_title(f"{record.settings['link']['channel_uses']} channel uses", fontsize="medium")
            axes.set_xlabel("SNR (dB)")
        panels[0].set_ylabel(f"Points above {' or '.join(references)}")
        style.finish_figure(figure, list(panels), title, f"Bars: 95 % {basis_note(bases)}")
        style.save(figure, path)
