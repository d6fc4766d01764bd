"""What each part of the robust masked VQ-VAE adds, with intervals: training, FIM, masking, codebook, thresholds.

Claim (Sec. III and IV): adversarial training, the feature importance module, noise-related masking and the discrete
codebook each add robustness against semantic noise; the thresholds of IV-A2 and IV-B1 save overhead at little cost.
Run:   python sims/ablation.py            (digits, about five minutes on two cores)
       python sims/ablation.py --quick    (a look)
Expect (digits, 18 dB): adversarial training adds some 58 points under semantic noise, the orthogonality term some 5 clean
where codes may stay unused; no other part adds more than its interval is wide, and several cost. The numbers are in
results/README.md.

A row compares two schemes that differ in that part and in the training run that goes with it. ``@VARIANT``: weights of their
own, whose description has the command; ``@joint`` and the variants compared with it descend once a batch on the sum of
all losses, where the schemes themselves follow Algorithm 3. ``[...]``: changed at test time. Schemes trained against
noise had 30 epochs of it (JSCC 20) after their plain training, those with a FIM 50 more before. An interval is over the
test images, for one training run each: it does not hold what another training seed would change. Writes
results/records/NAME.json and results/figures/NAME.png, NAME = ablation_DATASET.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sc_sionna.cli.main import run_script
from sc_sionna.cli.parsing import parse_snr_range
from sc_sionna.cli.simulation import Draws, Epsilon, Options, Steps, print_summary, script, source_threats
from sc_sionna.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

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


def figure(record: Record, path: Path) -> None:
    from sc_sionna.figures.differences import plot_differences

    plot_differences(record, path, f"{record.settings['dataset']}: what each part adds")


def sweep(
    options: Options,
    snr_db: Annotated[str, typer.Option(help="SNRs in dB, a,b,c")] = "3,18",
    epsilon: Epsilon = None,
    steps: Steps = 10,
    draws: Draws = 4,
) -> None:
    """Pairs of schemes that differ in one part."""
    from sc_sionna.figures.differences import differences

    settings = options.settings(
        schemes=options.schemes(list(dict.fromkeys(name for pair in PAIRS.values() for name in pair))),
        snr_db=tuple(parse_snr_range(snr_db)),
        threats=source_threats([options.epsilon(epsilon)], steps, options.pick(draws, 1)),
    )

    pairs = {part: pair for part, pair in PAIRS.items() if set(pair) <= set(settings.labels)}
    if not pairs:
        raise UserError(
            f"systems = {', '.join(settings.labels)}: no two of them differ in one part; name a pair such as "
            f"{','.join(PAIRS['adversarial training'])}"
        )
    record = options.run("ablation", settings, figure, lambda _: {"pairs": pairs})
    print_summary(record)
    for d in differences(record):
        where = f"{d.snr_db:g} dB, {d.threat or 'clean'}"
        print(f"{d.part:40} {where:32} {100 * d.value:+5.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}] points")


main = script(sweep)

if __name__ == "__main__":
    run_script(main)
