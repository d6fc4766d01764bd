"""Accuracy of masked-vqvae+fim+at against the reserving ratio for several ε (Fig. 7 of the paper).

Claim: at small ε accuracy rises with the reserving ratio (1 − masking ratio); at large ε it first rises, then falls,
since more patches carry more semantic noise too, and a ratio of 0.5 is best.
Run:   python sims/fig7_accuracy_vs_reserving_ratio.py            (digits, about six minutes on two cores)
       python sims/fig7_accuracy_vs_reserving_ratio.py --quick    (a look)
Expect (digits, 18 dB): clean accuracy rises with the ratio up to about 0.5 and is then nearly flat. Whether it falls at
large ε is in results/README.md.

One model, trained at a masking ratio of 0.5, is tested at every ratio: the paper does not say whether it trained one
model for each. The attack knows the ratio, not the masks. The ratio changes the payload; the record has the budget of
each. ``--systems`` names other schemes. Writes results/records/NAME.json and results/figures/NAME.png, NAME =
fig7_accuracy_vs_reserving_ratio_DATASET.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sc_sionna.cli.main import run_script
from sc_sionna.cli.parsing import parse_snr_range
from sc_sionna.cli.simulation import Draws, Options, Steps, parse_numbers, print_summary, script, source_threats

if TYPE_CHECKING:
    from sc_sionna.sweep import PointRecord, Record

RATIOS = "0.25,0.5,0.75,1"
EPSILONS = "0,0.03,0.05,0.1"


def figure(record: Record, path: Path) -> None:
    """From the record alone: a line per ε."""
    from sc_sionna.figures.curves import plot_accuracy_vs
    from sc_sionna.schemes import SchemeSpec

    threats = {threat["label"]: threat["attack"] for threat in record.settings["threats"]}
    specs = {spec["label"]: SchemeSpec(**spec) for spec in record.settings["schemes"]}
    schemes = {spec.stored_as for spec in specs.values()}

    def label(_: Record, point: PointRecord) -> str:
        epsilon = 0.0 if point.threat is None else threats[point.threat]["epsilon"]
        return (f"{specs[point.system].stored_as}, " if len(schemes) > 1 else "") + f"ε = {epsilon:.3g}"

    title = f"{record.settings['dataset']}: accuracy at {record.points[0].snr_db:g} dB"
    plot_accuracy_vs(
        record,
        path,
        "Reserving ratio (1 − masking ratio)",
        lambda _, point: 1.0 - specs[point.system].overrides["masking"]["ratio"],
        label,
        title=title + (f", {next(iter(schemes))}" if len(schemes) == 1 else ""),
    )


def sweep(
    options: Options,
    snr_db: Annotated[str, typer.Option(help="the SNR in dB")] = "18",
    ratios: Annotated[str | None, typer.Option(help=f"reserving ratios above 0, a,b,c; default {RATIOS}")] = None,
    epsilons: Annotated[str | None, typer.Option(help=f"values of ε, a,b,c; default {EPSILONS}")] = None,
    steps: Steps = 10,
    draws: Draws = 4,
) -> None:
    """Accuracy against the reserving ratio for several ε."""
    kept = parse_numbers(ratios or options.pick(RATIOS, "0.25,0.5,1"), "ratios")
    values = parse_numbers(epsilons or options.pick(EPSILONS, "0,0.05"), "epsilons")
    schemes = options.schemes(("masked-vqvae+fim+at",))
    settings = options.settings(
        schemes=tuple(
            scheme.overridden(masking={"ratio": round(1 - ratio, 6)}) for scheme in schemes for ratio in kept
        ),
        snr_db=tuple(parse_snr_range(snr_db)[:1]),
        clean=0 in values,
        threats=source_threats(values, steps, options.pick(draws, 1)),
    )
    print_summary(options.run("fig7_accuracy_vs_reserving_ratio", settings, figure))


main = script(sweep)

if __name__ == "__main__":
    run_script(main)
