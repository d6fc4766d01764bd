"""What the experiments on accuracy share: options of the attack, settings, threats, the summary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pydantic import Field

from sc_sionna.attacks.threats import SourceThreat, source_threat
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.catalogue.entry import COMPARED, Options
from sc_sionna.settings import Settings
from sc_sionna.sweep import Record


class Attack(Settings):
    """Own options of an experiment with semantic noise at the source."""

    steps: int = Field(10, ge=1, le=100_000, description="steps of the attack")
    draws: int = Field(
        4, ge=1, le=4096, description="draws of the mask per gradient of the attack; one where a scheme draws none"
    )


class AttackOfOneStrength(Attack):
    """The same with one ε."""

    epsilon: float | None = Field(
        None,
        ge=0,
        le=1,
        description="ℓ∞ budget of the semantic noise, pixels in [0, 1]; 0 for none; default by data set",
    )


def accuracy_settings(options: Options, **values: Any) -> AccuracySettings:
    """Settings of a sweep; ``schemes`` default to those compared everywhere that have weights."""
    common = {"preset": options.dataset, "dataset": options.dataset, "max_images": options.images()}
    schemes = values.pop("schemes", None) or options.schemes(COMPARED)
    return AccuracySettings(**{**common, "schemes": schemes, **values, **options.changes})


def source_threats(epsilons: Sequence[float], steps: int = 10, draws: int = 4) -> tuple[SourceThreat, ...]:
    """Noise at the transmitter, Eq. (7); ε = 0 is no threat."""
    return tuple(source_threat(epsilon, steps=steps, draws=draws) for epsilon in epsilons if epsilon != 0)


def drawn_by(figure: Any = None, more_notes: Any = None) -> Any:
    """How an accuracy experiment with a figure, and further notes, of its own is built."""
    return partial(AccuracyExperiment, figure=figure, more_notes=more_notes)


def print_summary(record: Record) -> None:
    """Accuracy in percent by threat, SNR and scheme, and what an image costs."""
    for threat in dict.fromkeys(point.threat for point in record.points):
        points = [point for point in record.points if point.threat == threat]
        systems = list(dict.fromkeys(point.system for point in points))
        widths = [max(14, len(name)) for name in systems]
        rows: dict[float, dict[str, str]] = {}
        for point in points:
            shown = "not run" if point.value is None else f"{100 * point.value:.1f}"
            rows.setdefault(point.snr_db, {})[point.system] = shown
        print(f"accuracy in %, {threat or 'without semantic noise'}")
        print("  ".join(["SNR dB", *(f"{name:>{w}}" for name, w in zip(systems, widths, strict=True))]))
        for snr_db, row in rows.items():
            print("  ".join([f"{snr_db:6g}", *(f"{row[n]:>{w}}" for n, w in zip(systems, widths, strict=True))]))
    for point in {point.system: point for point in record.points}.values():
        if point.budget is not None:
            error_free = 100 * record.notes["error_free_accuracy"][point.system]
            print(
                f"{point.system}: {point.budget['symbols']:.0f} symbols and {point.budget['channel_uses']:.0f} channel "
                f"uses per image; {error_free:.1f} % where nothing goes wrong on the air"
            )
