"""Hard indices against posterior-mean codebook vectors at the receiver of the masked VQ-VAE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from sc_sionna.experiments.catalogue.accuracy import accuracy_settings, print_summary
from sc_sionna.experiments.catalogue.entry import Decibels, Entry, Options, Run
from sc_sionna.figures.curves import plot_task_vs_snr
from sc_sionna.settings import Settings
from sc_sionna.sweep import Record


class Own(Settings):
    """SNRs."""

    snr_db: Decibels = Field(
        (-3.0, -1.5, 0.0, 1.5, 3.0, 4.5, 6.0), description="SNRs in dB, START:STOP:STEP or a,b,c; default -3:6:1.5"
    )


def runs(options: Options, own: Own) -> list[Run]:
    """Two sweeps, one for each way of decoding."""
    return [
        Run(
            options.record_name(f"decoding_{way}"),
            accuracy_settings(options, schemes=options.schemes(("masked-vqvae",)), snr_db=own.snr_db, decoding=way),
        )
        for way in ("hard", "soft")
    ]


def figure(options: Options, records: Sequence[Record], folder: Path) -> Path:
    """Both ways in one figure."""
    path = folder / "figures" / f"decoding_hard_vs_soft_{options.dataset}.png"
    plot_task_vs_snr(records, path, f"{options.dataset}: hard indices or posterior-mean codebook vectors")
    return path


ENTRY = Entry(
    "hard or soft decoding of indices at the receiver", "accuracy", runs, Own, summary=print_summary, together=figure
)
