"""Block errors of every mode of the link (streams, modulation, code rate) in one number of channel uses, against SNR."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.experiments.block_errors import BlockErrorSettings
from sc_sionna.experiments.catalogue.entry import Decibels, Entry, Options, Run
from sc_sionna.settings import LinkSettings, Settings

FULL = tuple(float(snr_db) for snr_db in range(-12, 22))
QUICK = (-9.0, 0.0, 9.0, 18.0)


class Own(Settings):
    """What every mode fills, and SNRs."""

    channel_uses: int = Field(32, ge=1, le=4096, description="the channel uses that every transmission fills")
    snr_db: Decibels = Field((), description="SNRs in dB, START:STOP:STEP or a,b,c; default -12:21:1")


def runs(options: Options, own: Own) -> list[Run]:
    """One record for a number of channel uses; a quick one has few SNRs and 512 transmissions per point."""
    settings = BlockErrorSettings(
        link=LinkSettings(**options.changes.get("link", {})),
        channel_uses=own.channel_uses,
        snr_db=own.snr_db or options.pick(FULL, QUICK),
        stop={"errors": 100, "max_batches": options.pick(4, 1), **options.changes.get("stop", {})},
    )
    return [Run(f"mcs_table_uses{own.channel_uses}" + options.pick("", "_quick"), settings)]


ENTRY = Entry(
    "block errors of every rank, modulation and code rate, from which an adaptive link chooses",
    "block-error-table",
    runs,
    Own,
    takes=frozenset(),
    groups=("link", "stop"),
)
