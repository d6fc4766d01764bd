"""Task accuracy against SNR: the masked VQ-VAE and JPEG+LDPC over one physical layer (Fig. 4(b) of the paper, in part).

Claim: the learned scheme degrades gracefully with the SNR, JPEG+LDPC falls off a cliff, and needs many times the symbols.
Run:   python sims/accuracy_vs_snr.py                                          (digits, about a minute on two cores)
       python sims/accuracy_vs_snr.py --dataset cifar10 --data-dir data        (10,000 images, about 10 minutes)
       python sims/accuracy_vs_snr.py --quick                                  (a look, seconds)
Expect (digits): the learned scheme above 93 % from 9 dB on and above 85 % at 3 dB; JPEG+LDPC at chance up to 0 dB, a cliff
between 3 and 9 dB, and its error-free accuracy above. Writes results/records/NAME.json and results/figures/NAME.png with
NAME = accuracy_vs_snr_DATASET. Killed at any moment, the same command goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sc_sionna.cli import Dataset, Quiet, Weights, run_command, run_script
from sc_sionna.settings_text import parse_changes, parse_snr_range
from sc_sionna.startup import start_backend
from sc_sionna.sweep import Record


def sweep(
    dataset: str, systems: str, snr_db: str, max_images: int | None, changes: list[str], quick: bool, out: Path,
    data_dir: Path | None, weights: Path | None, fresh: bool, quiet: bool,
) -> None:  # fmt: skip
    """Settings from words, the job, its files, and a summary."""
    from sc_sionna.jobs.accuracy import AccuracyJob, AccuracySettings
    from sc_sionna.jobs.base import run_and_save

    values: dict[str, Any] = parse_changes(changes, ("link", "jpeg", "stop"))
    settings = AccuracySettings(
        preset=dataset,
        dataset=dataset,
        systems=tuple(systems.split(",")),
        snr_db=tuple(parse_snr_range(snr_db)),
        max_images=min(max_images or 128, 128) if quick else max_images,
        **values,
    )
    name = f"accuracy_vs_snr_{dataset}" + ("_quick" if quick else "")
    record = run_and_save(AccuracyJob(settings, data_dir, weights), name, out, fresh, quiet)
    print_summary(record)


def print_summary(record: Record) -> None:
    """Accuracy in percent by SNR and system, and what an image costs."""
    systems = list(dict.fromkeys(point.system for point in record.points))
    rows: dict[float, dict[str, str]] = {}
    for point in record.points:
        shown = "not run" if point.value is None else f"{100 * point.value:.1f}"
        rows.setdefault(point.snr_db, {})[point.system] = shown
    print("  ".join(["SNR dB", *(f"{name:>14}" for name in systems)]) + "   accuracy in %")
    for snr_db, row in rows.items():
        print("  ".join([f"{snr_db:6g}", *(f"{row[name]:>14}" for name in systems)]))
    for point in {point.system: point for point in record.points}.values():
        if point.budget is not None:
            error_free = 100 * record.notes["error_free_accuracy"][point.system]
            print(
                f"{point.system}: {point.budget['symbols']:.0f} symbols and {point.budget['channel_uses']:.0f} channel "
                f"uses per image; {error_free:.1f} % where nothing goes wrong on the air"
            )


def main(
    dataset: Annotated[str, typer.Option(help="digits, or a data set that weights were trained on")] = "digits",
    systems: Annotated[str, typer.Option(help="names, separated by commas")] = "masked-vqvae,jpeg-ldpc",
    snr_db: Annotated[str, typer.Option(help="START:STOP:STEP or a,b,c in dB")] = "-9:18:3",
    max_images: Annotated[int | None, typer.Option(min=1, help="the number of test images; default all")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="change a setting: link.num_streams=2")] = None,
    quick: Annotated[bool, typer.Option(help="128 images")] = False,
    out: Annotated[Path, typer.Option(help="folder of records and figures")] = Path("results"),
    data_dir: Dataset = None,
    weights: Weights = None,
    fresh: Annotated[bool, typer.Option(help="forget what an earlier run left")] = False,
    quiet: Quiet = False,
) -> None:
    """Task accuracy against SNR."""
    start_backend()
    run_command(
        lambda: sweep(
            dataset, systems, snr_db, max_images, set_ or [], quick, out, data_dir, weights, fresh, quiet
        )
    )  # fmt: skip


if __name__ == "__main__":
    run_script(main)
