"""What the learned code carries beyond the class: its indices, images lost on the link, a decoder of frozen indices."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.experiments.catalogue.entry import Decibels, Entry, Options, Run
from sc_sionna.experiments.content import ContentSettings, as_markdown
from sc_sionna.settings import LARGEST, Settings
from sc_sionna.sweep import Record


class Own(Settings):
    """SNRs, and the effort of the decoder of frozen indices."""

    snr_db: Decibels = Field((3.0, 18.0), description="SNRs in dB, a,b,c")
    train_images: int = Field(10_000, ge=1, le=LARGEST, description="training images of the decoder of frozen indices")
    epochs: int = Field(4, ge=1, le=1000, description="its epochs")


def runs(options: Options, own: Own) -> list[Run]:
    """A record for each scheme, of which the plain one is the default."""
    found = []
    for label in options.labels(("masked-vqvae",)):
        settings = ContentSettings(
            preset=options.dataset,
            dataset=options.dataset,
            system=label,
            snr_db=own.snr_db,
            max_images=options.images(),
            train_images=options.pick(own.train_images, min(own.train_images, 256)),
            epochs=options.pick(own.epochs, 1),
        )
        name = "codec_content" if label == "masked-vqvae" else f"codec_content_{label}"
        found.append(Run(options.record_name(name), settings))
    return found


def print_summary(record: Record) -> None:
    """The table."""
    print(as_markdown(record), end="")


ENTRY = Entry(
    "what the learned code carries beyond the class",
    "codec-content",
    runs,
    Own,
    groups=(),
    summary=print_summary,
)
