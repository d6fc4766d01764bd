"""Figures of features, codebooks and audits, from records only, in the style of :mod:`sc_sionna.figures.curves`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sc_sionna.core.errors import UserError
from sc_sionna.figures import curves as plotting
from sc_sionna.sweep.record import PointRecord, Record

BARS = ("clean", "Eq. (7)", "survives all attacks")


def _notes(record: Record, name: str) -> dict[str, Any]:
    found = record.notes.get(name)
    if not found:
        raise UserError(f"record {record.name!r}: no {name!r} in its notes; name a record of the figure's own script")
    return dict(found)


# ---------------------------------------------------------------- Fig. 9


def frequencies(scheme: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Share of images that activate each feature, clean and noisy, each ``[P]``, by falling clean frequency."""
    clean, noisy = (np.asarray(scheme[which], np.float64) / scheme["images"] for which in ("clean", "noisy"))
    order = np.argsort(-clean, kind="stable")
    return clean[order], noisy[order]


def uniformity(counts: np.ndarray) -> dict[str, float]:
    """How evenly activations spread over features: entropy over its largest value ln P, and the Gini coefficient.

    1 and 0 for the same count everywhere; 0 and 1 − 1/P for one feature that has them all, and without any.
    """
    counts = np.sort(np.asarray(counts, np.float64))
    size, total = len(counts), counts.sum()
    if total == 0:
        return {"entropy": 0.0, "gini": 1.0 - 1.0 / size}
    p = counts[counts > 0] / total
    rank = np.arange(1, size + 1)
    return {
        "entropy": float(-(p * np.log(p)).sum() / np.log(size)),
        "gini": float((2 * rank - size - 1) @ counts / (size * total)),
    }


def plot_activation(record: Record, path: Path, title: str | None = None) -> None:
    """Activation frequency of every feature, clean against noisy, a panel per scheme, by falling clean frequency.

    ``notes["schemes"]``: name to ``images`` and the integer counts ``clean`` and ``noisy``, one per feature.
    """
    schemes = _notes(record, "schemes")
    with plotting._style():
        figure = Figure(figsize=(7.2, 0.8 + 2.1 * len(schemes)), layout="constrained")
        panels = figure.subplots(len(schemes), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (name, scheme) in zip(panels, schemes.items(), strict=True):
            clean, noisy = frequencies(scheme)
            place = np.arange(1, len(clean) + 1)
            gini = {which: uniformity(scheme[which])["gini"] for which in ("clean", "noisy")}
            axes.bar(place, 100 * clean, width=1.0, color="0.8", label=f"clean (Gini {gini['clean']:.2f})")
            look = {"where": "mid", "color": plotting.COLOURS[1], "linewidth": 1.4}
            axes.step(place, 100 * noisy, label=f"noisy (Gini {gini['noisy']:.2f})", **look)
            axes.legend(loc="upper right", fontsize="small", ncols=2)
            axes.set_title(name, loc="left", fontsize="medium")
            axes.set_ylim(0, 118)
            axes.set_yticks([0, 25, 50, 75, 100])
            axes.set_xlim(0.5, len(clean) + 0.5)
            axes.set_ylabel("Activated (%)")
        panels[-1].set_xlabel("Feature, sorted by how often clean images activate it in the scheme")
        if title:
            figure.suptitle(title, fontsize="large")
        plotting._save(figure, path)


# ---------------------------------------------------------------- Fig. 10


def similarity_of(vectors: Any) -> np.ndarray:
    """|cos| of every pair of basis vectors ``[J, D]``: ``[J, J]``, in [0, 1]."""
    vectors = np.asarray(vectors, np.float64)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.minimum(np.abs(unit @ unit.T), 1.0)


def similarity_numbers(vectors: Any) -> dict[str, float]:
    """Mean, root mean square and largest |cos| of two different basis vectors ``[J, D]``, and the Welch bound.

    Welch (1974, doi:10.1109/TIT.1974.1055219): of J unit vectors in D < J dimensions both the root mean square and the
    largest |cos| are at least sqrt((J − D) / (D (J − 1))), 0 for J <= D. The mean may lie below it.
    """
    size, dim = np.asarray(vectors).shape
    off = similarity_of(vectors)[~np.eye(size, dtype=bool)]
    return {
        "mean": float(off.mean()),
        "rms": float(np.sqrt(np.square(off).mean())),
        "max": float(off.max()),
        "welch": float(np.sqrt(max(0, size - dim) / (dim * (size - 1)))),
    }


def plot_similarity(record: Record, path: Path, title: str | None = None) -> None:
    """Heat maps of |EᵀE|, the similarities of the basis vectors, a panel per scheme.

    ``notes["codebooks"]``: name to basis vectors ``[J, D]``.
    """
    codebooks = _notes(record, "codebooks")
    with plotting._style():
        figure = Figure(figsize=(0.9 + 3.7 * len(codebooks), 4.3), layout="constrained")
        panels = figure.subplots(1, len(codebooks), squeeze=False)[0]
        for axes, (name, vectors) in zip(panels, codebooks.items(), strict=True):
            numbers = similarity_numbers(vectors)
            image = axes.imshow(similarity_of(vectors), vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
            axes.grid(False)
            axes.set_title(name, fontsize="medium")
            axes.set_xlabel(
                "Basis vector\n"
                f"different vectors: mean {numbers['mean']:.3f}, rms {numbers['rms']:.3f}, max {numbers['max']:.3f}\n"
                f"rms and max are at least {numbers['welch']:.3f} (Welch)",
                fontsize="small",
            )
        panels[0].set_ylabel("Basis vector")
        figure.colorbar(image, ax=panels, label="|cosine similarity|", shrink=0.75)
        if title:
            figure.suptitle(title, fontsize="large")
        plotting._save(figure, path)


# ---------------------------------------------------------------- the audit


def plot_audit(record: Record, path: Path, title: str | None = None) -> None:
    """Robust images in percent with Wilson 95 % intervals by scheme: clean, under Eq. (7), and under every attack.

    A star at a scheme's name: a check for masked gradients failed, see ``notes["checks"]``.
    """
    checks = _notes(record, "checks")
    systems = list(dict.fromkeys(point.system for point in record.points))
    with plotting._style():
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
                places, value, width=0.25, color=plotting.COLOURS[number], yerr=error, label=label,
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
        plotting._save(figure, path)


def _bar(record: Record, system: str, number: int) -> PointRecord | None:
    """The point of a scheme that a bar shows: clean, its first attack by Eq. (7), its worst case."""
    wanted = (lambda t: t is None, lambda t: t is not None and t.startswith("eq7"), lambda t: t == "worst case")[number]
    return next((p for p in record.points if p.system == system and wanted(p.threat)), None)
