"""Block errors of the code words of an adaptive link over AWGN, against the SNR per symbol."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.experiments.catalogue.entry import Entry, Options, Run
from sc_sionna.experiments.code_words import CodeWordSettings
from sc_sionna.phy.modes import RANKS
from sc_sionna.settings import LinkSettings, Settings

SHIPPED_USES = (32, 64, 128)


class Own(Settings):
    """Whose code words."""

    channel_uses: int | None = Field(
        None,
        ge=8,
        le=4096,
        description="the channel uses of a transmission of 1, 2 and 4 streams; default 32, 64 and 128",
    )


def runs(options: Options, own: Own) -> list[Run]:
    """One record; a quick one has the shortest code words alone and 512 of each per point."""
    uses = SHIPPED_USES if own.channel_uses is None else (own.channel_uses,)
    symbols = tuple(sorted({rank * number for rank in RANKS for number in uses}))
    settings = CodeWordSettings(
        link=LinkSettings(**options.changes.get("link", {})),
        symbols=options.pick(symbols, symbols[:1]),
        stop={"errors": 100, "max_batches": options.pick(4, 1), **options.changes.get("stop", {})},
    )
    name = "awgn_table" + ("" if own.channel_uses is None else f"_uses{own.channel_uses}") + options.pick("", "_quick")
    return [Run(name, settings)]


ENTRY = Entry(
    "block errors of every code word over AWGN, from which those on a realisation are predicted",
    "awgn-table",
    runs,
    Own,
    takes=frozenset(),
    groups=("link", "stop"),
)
