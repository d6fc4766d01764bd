"""All schemes in the same number of channel uses, against the SNR: adaptive, in fixed modes, and the bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from sc_sionna.experiments.catalogue.accuracy import accuracy_settings, print_summary
from sc_sionna.experiments.catalogue.entry import FULL_RANGE, Decibels, Entry, Options, Run
from sc_sionna.figures.equal_uses import plot_equal_uses
from sc_sionna.schemes import SchemeSpec, parse_schemes
from sc_sionna.settings import Settings
from sc_sionna.sweep import Record

# Each conventional source with the CRC that suits short blocks, since of 24 bits in all 16 would be most, and with the
# classifier that was fine-tuned on decoded pictures
PIXELS, JPEG = "pixels-ldpc@decoded[source.crc=CRC6]", "jpeg-ldpc@decoded[source.crc=CRC11]"
PICTURES = f"{PIXELS},{JPEG},webp-ldpc@decoded[source.crc=CRC11],avif-ldpc@decoded[source.crc=CRC11]"
SCHEMES = f"masked-vqvae,masked-vqvae+at,jscc,label-ldpc,{PICTURES}"
# Streams, modulation and code rate of the links that do not adapt, from robust to fast; the last is the paper's
FIXED = {
    "1 x qpsk, 1/2": {"num_streams": 1, "modulation": "qpsk", "coderate": 0.5},
    "2 x qpsk, 1/2": {"num_streams": 2, "modulation": "qpsk", "coderate": 0.5},
    "4 x 16qam, 1/2": {"num_streams": 4, "modulation": "16qam", "coderate": 0.5},
}
FIXED_SCHEMES = ("masked-vqvae", PIXELS)
# Where the transmitter knows the channel of each image: a learned scheme, an analog one and two conventional ones
KNOWING_SCHEMES = ("masked-vqvae", "jscc", PIXELS, JPEG)


class Own(Settings):
    """SNRs and channel uses."""

    snr_db: Decibels = Field((), description="SNRs in dB, START:STOP:STEP or a,b,c; default -9:18:3")
    channel_uses: int = Field(64, ge=8, le=4096, description="the channel uses of every image; with a table of modes")
    realisation: bool = Field(
        False, description="true for one more sweep, in which each image has the mode that suits its own channel"
    )


def runs(options: Options, own: Own) -> list[Run]:
    """A sweep with adaptation, one of the bound, one in each fixed mode, and one that adapts to every realisation."""
    named = options.schemes(tuple(spec.label for spec in parse_schemes(SCHEMES)))
    snr_db = own.snr_db or options.pick(FULL_RANGE, (-9.0, 6.0))

    def run(what: str, schemes: tuple[SchemeSpec, ...], **link: object) -> list[Run]:
        if not schemes:
            return []
        changes = {
            **options.changes,
            "link": {"channel_uses": own.channel_uses, **link, **options.changes.get("link", {})},
        }
        changed = replace(options, changes=changes)
        name = options.record_name(f"equal_uses_{own.channel_uses}_{what}")
        return [Run(name, accuracy_settings(changed, schemes=schemes, snr_db=snr_db))]

    found = run("adaptive", named, adaptation="mcs")
    found += run("ideal", tuple(s for s in named if s.scheme_class.payload == "stream"), adaptation="ideal")
    in_modes = tuple(spec for spec in named if spec.label in FIXED_SCHEMES)
    for name, link in FIXED.items():
        found += run("fixed_" + name.replace(" x ", "x").replace(", ", "_").replace("/", "-"), in_modes, **link)
    if own.realisation:
        found += run("realisation", tuple(s for s in named if s.label in KNOWING_SCHEMES), adaptation="mcs-realisation")
    return found


def figure(options: Options, records: Sequence[Record], folder: Path) -> Path:
    """All in one figure."""
    uses = records[0].settings["link"]["channel_uses"]
    path = folder / "figures" / f"{options.record_name(f'equal_uses_{uses}')}.png"
    plot_equal_uses(records, path, f"{options.dataset}: {uses} channel uses an image, the same power in every mode")
    return path


ENTRY = Entry(
    "Equal channel uses: every scheme on a link that adapts its rate, with fixed modes and the bound",
    "accuracy",
    runs,
    Own,
    summary=print_summary,
    together=figure,
)
