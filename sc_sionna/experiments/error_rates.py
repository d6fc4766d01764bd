"""Bit, block and index error rates of link configurations against SNR, with random payloads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from sc_sionna.core import rng
from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.phy.budget import digital_budget
from sc_sionna.phy.link import DigitalLink
from sc_sionna.settings import LARGEST, Decibel, LinkSettings
from sc_sionna.sweep import Point, Record, StopRule
from sc_sionna.sweep.metrics import BLOCK_ERROR_RATE, link_counts

MOST_BITS = 2**26  # of a batch: some 4 GiB of LLRs and what they are made of


class ErrorRateSettings(SweepSettings):
    """Link configurations by the name that a figure gives them, and the payload that they carry."""

    kind: Literal["error-rates"] = "error-rates"
    links: dict[str, LinkSettings] = Field(min_length=1, description="link settings by name")
    snr_db: tuple[Decibel, ...] = Field(
        (-9, -6, -3, 0, 3, 6, 9, 12, 15, 18), min_length=1, description="the SNRs in dB"
    )
    payload_bits: int = Field(256, ge=1, le=1_000_000, description="information bits per transmission")
    bits_per_index: int = Field(8, ge=1, le=16, description="bits of one codebook index; it divides payload_bits")
    batch_size: int = Field(512, ge=1, le=65536, description="transmissions per Monte-Carlo batch")
    stop: StopRule = Field(default_factory=lambda: StopRule(errors=400, max_batches=8))
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")

    @model_validator(mode="after")
    def _check(self) -> ErrorRateSettings:
        if self.payload_bits % self.bits_per_index:
            raise ValueError(
                f"bits_per_index = {self.bits_per_index}: does not divide payload_bits = {self.payload_bits}; "
                "choose a divisor"
            )
        if self.payload_bits * self.batch_size > MOST_BITS:
            raise ValueError(
                f"batch_size = {self.batch_size}: with payload_bits = {self.payload_bits} more than {MOST_BITS:,} bits at "
                f"once; set batch_size <= {max(1, MOST_BITS // self.payload_bits)}"
            )
        return self


class ErrorRateExperiment(Experiment):
    """Points (link, SNR); all links see the same payloads and, where the antennas agree, the same fading and noise."""

    metric = BLOCK_ERROR_RATE

    def __init__(self, settings: ErrorRateSettings, data_dir: Path | None = None, weights: Path | None = None) -> None:
        self.settings = settings
        self.data_set = f"random payloads of {settings.payload_bits} bits"
        self._links: dict[str, DigitalLink] = {}

    def points(self) -> list[Point]:
        """Every link at every SNR."""
        return [Point(name, snr_db) for snr_db in self.settings.snr_db for name in self.settings.links]

    def link(self, name: str) -> DigitalLink:
        """A link for payloads of the settings' length, built once."""
        if name not in self._links:
            self._links[name] = DigitalLink(self.settings.links[name], self.settings.payload_bits)
        return self._links[name]

    def prepare(self) -> None:
        """Build every link."""
        for name in self.settings.links:
            self.link(name)

    def evaluate(self, point: Point, batch: int) -> Mapping[str, int]:
        """Wrong bits, blocks and indices of a batch of random payloads."""
        s, link = self.settings, self.link(point.system)
        generator = rng.generator(s.seed, "payload", point.snr_db, batch)
        bits = generator.integers(0, 2, (s.batch_size, s.payload_bits), dtype=np.int8)
        received = link(bits, point.snr_db, rng.seed_words(s.seed, "link", point.snr_db, batch))
        wrong = received.bits != bits
        blocks = link.framing.to_blocks(wrong.astype(np.int8)).any(axis=-1) | received.erased
        indices = wrong.reshape(s.batch_size, -1, s.bits_per_index).any(axis=-1)
        return {"images": s.batch_size, **link_counts(wrong, blocks, indices)}

    def budgets(self) -> dict[str, dict[str, Any]]:
        """Cost of a payload by link."""
        return {
            name: digital_budget(self.link(name).framing, self.settings.payload_bits).model_dump()
            for name in self.settings.links
        }

    def notes(self) -> dict[str, Any]:
        """By link the E|h|² that was measured when its channel model was built, before any normalisation."""
        return {"channel_mean_energy": {name: self.link(name).mimo.mean_energy for name in self.settings.links}}

    def draw(self, record: Record, path: Path) -> None:
        """Bit, block and index error rates against the SNR."""
        from sc_sionna.figures.curves import plot_error_rates

        plot_error_rates(record, path, f"Error rates of the link, {self.settings.payload_bits} information bits")
