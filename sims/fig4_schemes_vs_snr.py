"""Accuracy of all schemes against SNR, under semantic noise at the source and clean (Fig. 4(a) and 4(b) of the paper).

Claim: under semantic noise masked-vqvae+fim+at is best, then masked-vqvae+at, then the rest; clean, masked-vqvae+fim
comes close to the upper bound and is above JSCC and JPEG+LDPC; JPEG+LDPC fails at low SNR; adversarial training costs
little clean.
Run:   python sims/fig4_schemes_vs_snr.py            (digits, about five minutes on two cores)
       python sims/fig4_schemes_vs_snr.py --quick    (a look)
Expect (digits, ε = 0.05): of the schemes trained without semantic noise jscc below 15 % and masked-vqvae below 40 % at
every SNR, those trained against it far above at 18 dB; JPEG+LDPC at chance up to 0 dB. Schemes without weights are left
out.

Upper bound: JSCC without channel noise and semantic noise. Lower bound: JSCC under semantic noise of
``--largest-epsilon``, without channel noise. Both are in the record's notes. Writes results/records/NAME.json and
results/figures/NAME.png, NAME = fig4_schemes_vs_snr_DATASET.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sc_sionna.cli.main import run_script
from sc_sionna.cli.parsing import parse_snr_range
from sc_sionna.cli.simulation import Draws, Epsilon, Options, Steps, print_summary, script, source_threats

if TYPE_CHECKING:
    from sc_sionna.experiments.accuracy import AccuracyExperiment


def sweep(
    options: Options,
    snr_db: Annotated[str | None, typer.Option(help="START:STOP:STEP or a,b,c in dB; default -9:18:3")] = None,
    epsilon: Epsilon = None,
    largest_epsilon: Annotated[float | None, typer.Option(help="ε of the lower bound; default three times ε")] = None,
    steps: Steps = 10,
    draws: Draws = 4,
) -> None:
    """Accuracy of all schemes against SNR, with and without semantic noise."""
    strength = options.epsilon(epsilon)
    largest = 3 * strength if largest_epsilon is None else largest_epsilon
    settings = options.settings(
        snr_db=tuple(parse_snr_range(snr_db or options.pick("-9:18:3", "-9:18:9"))),
        threats=source_threats([strength], steps, options.pick(draws, 1)),
    )

    def bounds(job: AccuracyExperiment) -> dict[str, Any]:
        if "jscc" not in settings.labels:
            return {}
        found = {"upper bound: jscc, no noise of any kind": job.error_free("jscc")}
        for threat in source_threats([largest], steps, options.pick(draws, 1)):
            found[f"lower bound: jscc, ε = {largest:.3g}, no channel noise"] = job.error_free("jscc", threat)
        return {"bounds": found}

    record = options.run("fig4_schemes_vs_snr", settings, more_notes=bounds)
    print_summary(record)
    for name, value in record.notes.get("bounds", {}).items():
        print(f"{name}: {100 * value:.1f} %")


main = script(sweep)

if __name__ == "__main__":
    run_script(main)
