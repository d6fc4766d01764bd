"""What each part of the robust masked VQ-VAE adds: pairs of schemes that differ in one part, with intervals.

``@VARIANT``: weights of their own, whose description has the command; ``@joint`` and the variants compared with it descend
once a batch on the sum of all losses, where the schemes themselves follow Algorithm 3. ``[...]``: changed at test time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment
from sc_sionna.experiments.catalogue import accuracy
from sc_sionna.experiments.catalogue.accuracy import AttackOfOneStrength, accuracy_settings, drawn_by, source_threats
from sc_sionna.experiments.catalogue.entry import Decibels, Entry, Options, Run
from sc_sionna.figures.differences import basis_note, differences, plot_differences
from sc_sionna.sweep import Record

AT, FIM_AT = "masked-vqvae+at@joint", "masked-vqvae+fim+at@joint"
CLASS = "masked-vqvae+fim+at@class"
PAIRS = {  # part → the scheme with it, the scheme without it
    "adversarial training": ("masked-vqvae+at", "masked-vqvae"),
    "adversarial training, one descent a batch": (AT, "masked-vqvae"),
    "stages of Algorithm 3, without FIM": ("masked-vqvae+at", AT),
    "stages of Algorithm 3, with FIM": ("masked-vqvae+fim+at", FIM_AT),
    "FIM, Eq. (14)": ("masked-vqvae+fim+at", "masked-vqvae+at"),
    "FIM, Eq. (14), one descent a batch": (FIM_AT, AT),
    "FIM, not trained against noise": ("masked-vqvae+fim", "masked-vqvae"),
    "class-conditional FIM, not Eq. (14)": (CLASS, FIM_AT),
    "half of the patches masked": (AT, "masked-vqvae+at@unmasked"),
    "noise-related masking, not uniform": ("masked-vqvae+at@noise-related", AT),
    "codebook, not analog symbols": (AT, "jscc+at@masked"),
    "orthogonality term, no code revived": ("masked-vqvae@eq12-orthogonal", "masked-vqvae@eq12"),
    "Eq. (12) alone, no code revived": ("masked-vqvae@eq12", "masked-vqvae"),
    "importance below 0.8 not sent": (f"{CLASS}[importance.threshold=0.8]", CLASS),
    "importance below 1 not sent": (f"{CLASS}[importance.threshold=1]", CLASS),
    "features alike (δ = 0.99) sent once": (
        "masked-vqvae+at[similarity.threshold=0.99]",
        "masked-vqvae+at",
    ),
    "features alike (δ = 0.9) sent once": (
        "masked-vqvae+at[similarity.threshold=0.9]",
        "masked-vqvae+at",
    ),
}


class Own(AttackOfOneStrength):
    """SNRs and the attack."""

    snr_db: Decibels = Field((3.0, 18.0), description="SNRs in dB, a,b,c")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep over every scheme of a pair; UserError where no pair is complete."""
    settings = accuracy_settings(
        options,
        schemes=options.schemes(list(dict.fromkeys(name for pair in PAIRS.values() for name in pair))),
        snr_db=own.snr_db,
        threats=source_threats([options.epsilon(own.epsilon)], own.steps, options.pick(own.draws, 1)),
    )
    if not complete_pairs(settings.labels):
        raise UserError(
            f"systems = {', '.join(settings.labels)}: no two of them differ in one part; name a pair such as "
            f"{','.join(PAIRS['adversarial training'])}"
        )
    return [Run(options.record_name("ablation"), settings)]


def complete_pairs(systems: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """The pairs of which both schemes are there."""
    return {part: pair for part, pair in PAIRS.items() if set(pair) <= set(systems)}


def notes(experiment: AccuracyExperiment) -> dict[str, Any]:
    """Which schemes are compared."""
    return {"pairs": complete_pairs(experiment.settings.labels)}


def figure(record: Record, path: Path) -> None:
    """From the record alone: a row per part."""
    plot_differences(record, path, f"{record.settings['dataset']}: what each part adds")


def print_summary(record: Record) -> None:
    """The tables, and every difference with its interval."""
    accuracy.print_summary(record)
    found = list(differences(record))
    for d in found:
        where = f"{d.snr_db:g} dB, {d.threat or 'clean'}"
        print(f"{d.part:40} {where:32} {100 * d.value:+5.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}] points")
    print(basis_note(d.basis for d in found))


ENTRY = Entry(
    "what each part of the scheme adds, with intervals",
    "accuracy",
    runs,
    Own,
    build=drawn_by(figure, notes),
    summary=print_summary,
)
