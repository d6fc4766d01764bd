"""Accuracy of all schemes against the power ε of the semantic noise at the source (Fig. 6 of the paper).

Claim: every scheme falls with ε, masked-vqvae+fim+at least, most visibly where ε is large.
Run:   python sims/fig6_accuracy_vs_epsilon.py            (digits, about ten minutes on two cores)
       python sims/fig6_accuracy_vs_epsilon.py --quick    (a look)
Expect (digits, 18 dB): jscc below chance from ε = 0.05 on, masked-vqvae below 40 % there; the schemes trained against
semantic noise keep most of their clean accuracy at ε = 0.05. At ε = 0.05 the numbers are those of fig4_schemes_vs_snr
at 18 dB.

The attack is Eq. (7) with 10 steps against each scheme anew; robustness_audit.py says what stronger ones find. Writes
results/records/NAME.json and results/figures/NAME.png, NAME = fig6_accuracy_vs_epsilon_DATASET.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sc_sionna.cli.main import run_script
from sc_sionna.cli.parsing import parse_snr_range
from sc_sionna.cli.simulation import Draws, Options, Steps, parse_numbers, print_summary, script, source_threats

if TYPE_CHECKING:
    from sc_sionna.sweep import Record

EPSILONS = "0,0.02,0.05,0.1"


def figure(record: Record, path: Path) -> None:
    """From the record alone: a line per scheme."""
    from sc_sionna.figures.curves import plot_accuracy_vs

    threats = {threat["label"]: threat["attack"] for threat in record.settings["threats"]}
    plot_accuracy_vs(
        record,
        path,
        "Semantic noise at the source, ε (ℓ∞, pixels in [0, 1])",
        lambda _, point: 0.0 if point.threat is None else threats[point.threat]["epsilon"],
        title=f"{record.settings['dataset']}: accuracy at {record.points[0].snr_db:g} dB",
    )


def sweep(
    options: Options,
    snr_db: Annotated[str, typer.Option(help="the SNR in dB")] = "18",
    epsilons: Annotated[str | None, typer.Option(help=f"values of ε, a,b,c; default {EPSILONS}")] = None,
    steps: Steps = 10,
    draws: Draws = 4,
) -> None:
    """Accuracy against the power of the semantic noise."""
    values = parse_numbers(epsilons or options.pick(EPSILONS, "0,0.05,0.15"), "epsilons")
    settings = options.settings(
        snr_db=tuple(parse_snr_range(snr_db)[:1]),
        clean=0 in values,
        threats=source_threats(values, steps, options.pick(draws, 1)),
    )
    print_summary(options.run("fig6_accuracy_vs_epsilon", settings, figure))


main = script(sweep)

if __name__ == "__main__":
    run_script(main)
