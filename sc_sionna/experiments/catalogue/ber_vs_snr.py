"""Bit, block and index error rates of the link against SNR: coded and uncoded, both precoders, 1 to 8 streams."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.experiments.catalogue.entry import FULL_RANGE, Decibels, Entry, Options, Run
from sc_sionna.experiments.error_rates import ErrorRateSettings
from sc_sionna.settings import LinkSettings, Settings


class Own(Settings):
    """SNRs."""

    snr_db: Decibels = Field(FULL_RANGE, description="SNRs in dB, START:STOP:STEP or a,b,c; default -9:18:3")


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


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep; a quick one has 512 transmissions per point."""
    stop = {"errors": 400, "max_batches": options.pick(8, 1), **options.changes.get("stop", {})}
    settings = ErrorRateSettings(links=links(), snr_db=own.snr_db, stop=stop)
    return [Run("ber_vs_snr" + options.pick("", "_quick"), settings)]


ENTRY = Entry("error rates of the link against SNR", "error-rates", runs, Own, takes=frozenset(), groups=("stop",))
