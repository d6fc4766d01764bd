"""Block errors of the code words of an adaptive link over AWGN, from which the errors on a realisation are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import ceil, floor
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.experiments.block_errors import MOST_BITS
from sc_sionna.phy.effective_snr import snr_of_information
from sc_sionna.phy.framing import fill
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.modes import CODE_RATES
from sc_sionna.settings import BITS_PER_SYMBOL, LARGEST, LinkSettings
from sc_sionna.sweep import Point, Record, StopRule
from sc_sionna.sweep.metrics import BLOCK_ERROR_RATE, clustered

STEP_DB = 0.5  # between the SNRs of a code word


class Word(NamedTuple):
    """A code word: k information bits in ``symbols`` symbols of a modulation, over one antenna without fading."""

    modulation: str
    coderate: str
    symbols: int
    k: int
    n: int
    link: LinkSettings

    def __str__(self) -> str:
        return f"{self.modulation}, {self.coderate}, {self.symbols} symbols"


class CodeWordSettings(SweepSettings):
    """Numbers of symbols, each in all modulations and code rates; of the link the decoder and the demapper count."""

    kind: Literal["awgn-table"] = "awgn-table"
    link: LinkSettings = Field(default_factory=LinkSettings, description="the link whose code words these are")
    symbols: tuple[Annotated[int, Field(ge=8, le=16384)], ...] = Field(
        (32, 64, 128, 256, 512),
        min_length=1,
        description="symbols of a code word; S streams send S times the channel uses",
    )
    below_db: float = Field(
        3.0, ge=0, le=20, description="how far below the SNR of capacity a code word's first SNR is, in dB"
    )
    above_db: float = Field(
        7.0, ge=1, le=40, description="how far above the SNR of capacity its last SNR is at most, in dB"
    )
    batch_size: int = Field(512, ge=1, le=65536, description="code words per Monte-Carlo batch")
    stop: StopRule = Field(default_factory=lambda: StopRule(errors=100, max_batches=4))
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")

    @model_validator(mode="after")
    def _check(self) -> CodeWordSettings:
        if len(set(self.symbols)) < len(self.symbols):
            raise ValueError(f"symbols = {self.symbols}: one occurs twice; name each once")
        bits = 8 * max(self.symbols)
        if bits * self.batch_size > MOST_BITS:
            raise ValueError(
                f"batch_size = {self.batch_size}: with {max(self.symbols)} symbols more than {MOST_BITS:,} bits at once; "
                f"set batch_size <= {max(1, MOST_BITS // bits)}"
            )
        if not self.link.coded:
            raise ValueError("link.coded = False: code words are counted; set link.coded = true")
        return self


class CodeWordExperiment(Experiment):
    """Points (code word, SNR per symbol), from below the SNR at which an ideal code would carry its bits to well above."""

    metric = BLOCK_ERROR_RATE

    def __init__(self, settings: CodeWordSettings, data_dir: Path | None = None, weights: Path | None = None) -> None:
        self.settings = settings
        self.data_set = f"random code words of {', '.join(map(str, settings.symbols))} symbols over AWGN"
        self.words = {str(word): word for word in self._grid()}
        self.link = cache(self._link)

    def _grid(self) -> list[Word]:
        """All code words of the standard in these numbers of symbols."""
        found = []
        for symbols in self.settings.symbols:
            for modulation in BITS_PER_SYMBOL:
                for name, rate in CODE_RATES.items():
                    link = self.settings.link.with_(
                        num_tx_ant=1, num_rx_ant=1, num_streams=1, beyond_rank=False, precoder="dft", channel="awgn",
                        channel_args={}, coherence="image", modulation=modulation, coderate=rate, crc="none",
                        adaptation="none", channel_uses=None,
                    )  # fmt: skip
                    try:
                        num_blocks, k, n = fill(link, symbols)
                    except UserError:  # shorter than the standard's blocks
                        continue
                    if num_blocks == 1:  # more than the longest block is several shorter ones
                        found.append(Word(modulation, name, symbols, k, n, link))
        return found

    def snrs_db(self, word: Word) -> list[float]:
        """The SNRs of a code word, whole multiples of half a dB."""
        limit, s = (
            snr_of_information(word.modulation, word.k * BITS_PER_SYMBOL[word.modulation] / word.n),
            self.settings,
        )
        first, last = floor((limit - s.below_db) / STEP_DB), ceil((limit + s.above_db) / STEP_DB)
        return [STEP_DB * number for number in range(first, last + 1)]

    def points(self) -> list[Point]:
        """Every code word at its SNRs."""
        return [Point(name, snr_db) for name, word in self.words.items() for snr_db in self.snrs_db(word)]

    def _link(self, name: str) -> DigitalLink:
        """The link of a code word; built once."""
        word = self.words[name]
        return DigitalLink(word.link.with_(channel_uses=word.symbols), word.k)

    def prepare(self) -> None:
        """Build the link of every code word."""
        for name in self.words:
            self.link(name)

    def evaluate(self, point: Point, batch: int) -> Mapping[str, int]:
        """Wrong blocks of a batch of random code words."""
        s, link = self.settings, self.link(point.system)
        generator = rng.generator(s.seed, "payload", point.snr_db, batch)
        bits = generator.integers(0, 2, (s.batch_size, link.framing.payload_bits), dtype=np.int8)
        received = link(bits, point.snr_db, rng.seed_words(s.seed, "link", point.snr_db, batch))
        wrong = (received.bits != bits).any(axis=1) | received.erased[:, 0]
        return {"images": s.batch_size, "blocks": wrong.size, **clustered("block_errors", wrong)}

    def notes(self) -> dict[str, Any]:
        """Every code word, and the SNR in dB at which an ideal code would carry as much."""
        return {
            "words": {
                name: {
                    "modulation": word.modulation,
                    "coderate": word.coderate,
                    "symbols": word.symbols,
                    "k": word.k,
                    "n": word.n,
                    "limit_db": snr_of_information(word.modulation, word.k * BITS_PER_SYMBOL[word.modulation] / word.n),
                }
                for name, word in self.words.items()
            }
        }

    def draw(self, record: Record, path: Path) -> None:
        """Block error rates against the distance from capacity."""
        from sc_sionna.figures.modes import plot_code_words

        plot_code_words(record, path, "Code words of the adaptive link over AWGN")
