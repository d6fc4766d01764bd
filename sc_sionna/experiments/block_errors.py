"""Block errors of every mode of a link that adapts its rate, all in the same number of channel uses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from sc_sionna.core import rng
from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.modes import block_bits, link_modes, mode_link
from sc_sionna.settings import LARGEST, Decibel, LinkSettings
from sc_sionna.sweep import Point, Record, StopRule
from sc_sionna.sweep.metrics import BLOCK_ERROR_RATE, clustered

MOST_BITS = 2**26  # coded bits of a batch in the largest mode: some 4 GiB of LLRs and what they are made of
MOST_BITS_PER_USE = 32  # 4 streams of 256-QAM


class BlockErrorSettings(SweepSettings):
    """A link, of which a mode replaces streams, modulation and code rate, and the channel uses that every mode fills."""

    kind: Literal["block-error-table"] = "block-error-table"
    link: LinkSettings = Field(default_factory=LinkSettings, description="the link that the modes share")
    channel_uses: int = Field(32, ge=1, le=4096, description="the channel uses that every transmission fills")
    snr_db: tuple[Decibel, ...] = Field(
        tuple(float(snr_db) for snr_db in range(-12, 22)), min_length=1, description="the SNRs in dB"
    )
    batch_size: int = Field(512, ge=1, le=65536, description="transmissions per Monte-Carlo batch")
    stop: StopRule = Field(default_factory=lambda: StopRule(errors=100, max_batches=4))
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")

    @model_validator(mode="after")
    def _check(self) -> BlockErrorSettings:
        bits = self.channel_uses * MOST_BITS_PER_USE
        if bits * self.batch_size > MOST_BITS:
            raise ValueError(
                f"batch_size = {self.batch_size}: with channel_uses = {self.channel_uses} more than {MOST_BITS:,} bits at "
                f"once; set batch_size <= {max(1, MOST_BITS // bits)}"
            )
        return self


class BlockErrorExperiment(Experiment):
    """Points (mode, SNR). At an SNR all modes see the same fading and, stream by stream, the same noise."""

    metric = BLOCK_ERROR_RATE

    def __init__(self, settings: BlockErrorSettings, data_dir: Path | None = None, weights: Path | None = None) -> None:
        self.settings = settings
        self.data_set = f"random payloads that fill {settings.channel_uses} channel uses"
        self.modes = {str(mode): mode for mode in link_modes(settings.link, settings.channel_uses)}
        self.link = cache(self._link)

    def points(self) -> list[Point]:
        """Every mode at every SNR."""
        return [Point(name, snr_db) for name in self.modes for snr_db in self.settings.snr_db]

    def _link(self, name: str) -> DigitalLink:
        """The link in a mode, for as many bits as it carries; built once."""
        s, mode = self.settings, self.modes[name]
        payload = block_bits(s.link, mode, s.channel_uses)
        return DigitalLink(mode_link(s.link, mode).with_(channel_uses=s.channel_uses), payload)

    def prepare(self) -> None:
        """Build the link of every mode."""
        for name in self.modes:
            self.link(name)

    def evaluate(self, point: Point, batch: int) -> Mapping[str, int]:
        """Wrong blocks of a batch of random payloads."""
        s, link = self.settings, self.link(point.system)
        framing = link.framing
        generator = rng.generator(s.seed, "payload", point.snr_db, batch)
        bits = generator.integers(0, 2, (s.batch_size, framing.payload_bits), dtype=np.int8)
        received = link(bits, point.snr_db, rng.seed_words(s.seed, "link", point.snr_db, batch))
        wrong = framing.to_blocks((received.bits != bits).astype(np.int8)).any(axis=-1) | received.erased
        return {"images": s.batch_size, "blocks": wrong.size, **clustered("block_errors", wrong.sum(axis=1))}

    def notes(self) -> dict[str, Any]:
        """Every mode and how its blocks divide the uses; the E|h|² of the channel, measured when it was built."""
        modes = {}
        for name, mode in self.modes.items():
            framing = self.link(name).framing
            modes[name] = {
                "num_streams": mode.num_streams,
                "modulation": mode.modulation,
                "coderate": mode.coderate,
                "num_blocks": framing.num_blocks,
                "k": framing.k,
                "n": framing.n,
                "bits": framing.payload_bits,
            }
        return {"modes": modes, "channel_mean_energy": self.link(name).mimo.mean_energy}

    def draw(self, record: Record, path: Path) -> None:
        """Block error rates against the SNR, and the most bits per use that meet a target."""
        from sc_sionna.figures.modes import plot_modes

        plot_modes(record, path, f"Modes of the link in {self.settings.channel_uses} channel uses")
