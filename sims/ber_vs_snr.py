"""Bit, block and index error rates of the link against SNR: coded and uncoded, both precoders, 1 to 8 streams.

Claim: with 16-QAM at rate 1/2 over 4 SVD streams the link has a cliff near 3 dB; open loop it lies 9 dB higher; fewer
streams move it left; eight streams on four receive antennas never work.
Run:   python sims/ber_vs_snr.py            (about a minute on two cores)
       python sims/ber_vs_snr.py --quick    (a look, seconds)
Expect the table in results/README.md: at 3 dB a block error rate near 0.9 for `svd`, 0.05 at 6 dB; 1.00 at every SNR for
eight streams. Writes results/records/ber_vs_snr.json and results/figures/ber_vs_snr.png.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sc_sionna.cli.main import Quiet, run_command, run_script
from sc_sionna.cli.parsing import parse_snr_range
from sc_sionna.core.startup import start_backend
from sc_sionna.settings import LinkSettings


def links() -> dict[str, LinkSettings]:
    """The configurations by the names in the figure; one H per transmission."""
    table = {
        "svd, 4 streams": {},
        "svd, 2 streams": {"num_streams": 2},
        "svd, 1 stream": {"num_streams": 1},
        "dft, 4 streams": {"precoder": "dft"},
        "dft, 2 streams": {"precoder": "dft", "num_streams": 2},
        "dft, 1 stream": {"precoder": "dft", "num_streams": 1},
        "svd, 8 streams (floor)": {"num_streams": 8, "beyond_rank": True},
        "svd, 4 streams, uncoded": {"coded": False},
        "dft, 4 streams, uncoded": {"precoder": "dft", "coded": False},
    }
    return {name: LinkSettings(**values) for name, values in table.items()}  # type: ignore[arg-type]


def sweep(snr_db: str, quick: bool, out: Path, fresh: bool, quiet: bool) -> None:
    from sc_sionna.experiments.base import run_and_save
    from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
    from sc_sionna.sweep import StopRule

    stop = StopRule(errors=400, max_batches=1 if quick else 8)
    settings = ErrorRateSettings(links=links(), snr_db=tuple(parse_snr_range(snr_db)), stop=stop)
    run_and_save(ErrorRateExperiment(settings), "ber_vs_snr" + ("_quick" if quick else ""), out, fresh, quiet)


def main(
    snr_db: Annotated[str, typer.Option(help="START:STOP:STEP or a,b,c in dB")] = "-9:18:3",
    quick: Annotated[bool, typer.Option(help="512 transmissions per point")] = False,
    out: Annotated[Path, typer.Option(help="folder of records and figures")] = Path("results"),
    fresh: Annotated[bool, typer.Option(help="forget what an earlier run left")] = False,
    quiet: Quiet = False,
) -> None:
    """Error rates of the link against SNR."""
    start_backend()
    run_command(lambda: sweep(snr_db, quick, out, fresh, quiet))


if __name__ == "__main__":
    run_script(main)
