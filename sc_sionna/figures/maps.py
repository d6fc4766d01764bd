"""Maps of features and of codebooks, from records only, in the style of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sc_sionna.figures import style
from sc_sionna.sweep.record import Record

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
    schemes = style.part_of(record, "notes", "schemes")
    with style.context():
        figure = Figure(figsize=(7.2, 0.8 + 2.1 * len(schemes)), layout="constrained")
        panels = figure.subplots(len(schemes), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (name, scheme) in zip(panels, schemes.items(), strict=True):
            clean, noisy = frequencies(scheme)
            place = np.arange(1, len(clean) + 1)
            gini = {which: uniformity(scheme[which])["gini"] for which in ("clean", "noisy")}
            axes.bar(place, 100 * clean, width=1.0, color="0.8", label=f"clean (Gini {gini['clean']:.2f})")
            look = {"where": "mid", "color": style.COLOURS[1], "linewidth": 1.4}
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
        style.save(figure, path)


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

    ``values["codebooks"]``: name to basis vectors ``[J, D]``.
    """
    codebooks = style.part_of(record, "values", "codebooks")
    with style.context():
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
        style.save(figure, path)
