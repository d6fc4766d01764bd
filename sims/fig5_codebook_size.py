"""Accuracy against SNR for codebooks of J = 4, 16, 64 and 256 vectors, clean and under semantic noise (Fig. 5 of the paper).

Claim: accuracy rises with J, clean and under semantic noise, and J >= 16 is enough.
Run:   python sims/fig5_codebook_size.py            (digits, about three minutes on two cores)
       python sims/fig5_codebook_size.py --quick    (a look)
Expect (digits): clean at 18 dB, J = 16, 64 and 256 within a few points of each other and J = 4 below; at low SNR a
small J gains, since fewer bits go over the air. What J does against semantic noise is in results/README.md.

Sizes without weights are named with the command that trains them and left out; J = 64 is the preset's. Writes
results/records/NAME.json and results/figures/NAME.png, NAME = fig5_codebook_size_DATASET.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sc_sionna.cli.main import run_script
from sc_sionna.cli.parsing import parse_snr_range
from sc_sionna.cli.simulation import Draws, Epsilon, Options, Steps, print_summary, script, source_threats

if TYPE_CHECKING:
    from sc_sionna.experiments.accuracy import AccuracyExperiment
    from sc_sionna.sweep import Record

SCHEMES = ("masked-vqvae@J4", "masked-vqvae@J16", "masked-vqvae", "masked-vqvae@J256")


def codebook_sizes(job: AccuracyExperiment) -> dict[str, Any]:
    return {"codebook_size": {name: preset.codec.codebook.size for name, preset in job.described.items()}}


def figure(record: Record, path: Path) -> None:
    """From the record alone: a line per codebook size, a panel per threat."""
    from sc_sionna.figures.curves import plot_accuracy_vs_snr
    from sc_sionna.schemes import SchemeSpec

    sizes = record.notes["codebook_size"]
    schemes = {spec["label"]: SchemeSpec(**spec).stored_as for spec in record.settings["schemes"]}
    plot_accuracy_vs_snr(
        record,
        path,
        f"{record.settings['dataset']}: accuracy by codebook size J",
        label_of=lambda _, point: f"{schemes[point.system]}, J = {sizes[point.system]}",
    )


def sweep(
    options: Options,
    snr_db: Annotated[str | None, typer.Option(help="START:STOP:STEP or a,b,c in dB; default -9:18:3")] = None,
    epsilon: Epsilon = None,
    steps: Steps = 10,
    draws: Draws = 4,
) -> None:
    """Accuracy against SNR by codebook size."""
    settings = options.settings(
        schemes=options.schemes(SCHEMES),
        snr_db=tuple(parse_snr_range(snr_db or options.pick("-9:18:3", "-9:18:9"))),
        threats=source_threats([options.epsilon(epsilon)], steps, options.pick(draws, 1)),
    )
    print_summary(options.run("fig5_codebook_size", settings, figure, codebook_sizes))


main = script(sweep)

if __name__ == "__main__":
    run_script(main)
