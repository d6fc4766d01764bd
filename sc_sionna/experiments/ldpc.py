"""Block error rate over Eb/N0 of the layered LDPC decoder and of Sionna's, on the same codewords and the same noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.figures.decoders import plot_decoders
from sc_sionna.phy.ldpc.comparison import DecoderPair, blocks_per_batch
from sc_sionna.settings import LARGEST, Decibel, Settings
from sc_sionna.sweep import Point, PointRecord, Record, StopRule
from sc_sionna.sweep.metrics import BLOCK_ERROR_RATE, Counts, Metric

DECODERS = ("layered", "sionna")


class Curve(Settings):
    """The Eb/N0 at which a code is run.

    layered, sionna : further values for one decoder alone, where the curves lie far apart
    """

    k: int = Field(ge=12, le=8448, description="the information bits of a block")
    n: int = Field(ge=12, le=10**6, description="the coded bits of a block")
    ebno_db: tuple[Decibel, ...] = Field(min_length=1, description="Eb/N0 in dB of both decoders")
    layered: tuple[Decibel, ...] = Field((), description="Eb/N0 in dB of the layered decoder alone")
    sionna: tuple[Decibel, ...] = Field((), description="Eb/N0 in dB of Sionna's decoder alone")

    @property
    def name(self) -> str:
        """The code by its numbers of information and coded bits."""
        return f"({self.k}, {self.n})"


class PublicRate(Settings):
    """A frame error rate that others have published for a code."""

    k: int = Field(ge=12, le=8448, description="its information bits")
    n: int = Field(ge=12, le=10**6, description="its coded bits")
    ebno_db: Decibel = Field(description="where it was measured")
    fer: float = Field(gt=0, lt=1, description="the published frame error rate")
    source: str


class LdpcSettings(SweepSettings):
    """Codes, the Eb/N0 of each, and when a point has enough blocks: after ``stop.errors`` errors of both decoders."""

    kind: Literal["ldpc-decoders"] = "ldpc-decoders"
    curves: tuple[Curve, ...] = Field(min_length=1, description="the codes and their Eb/N0")
    public: PublicRate | None = Field(None, description="a published rate that the figure shows")
    num_iter: int = Field(20, ge=1, le=200, description="the most iterations of either decoder")
    stop: StopRule = Field(default_factory=lambda: StopRule(errors=200, max_batches=100_000))
    seed: int = Field(20, ge=0, le=LARGEST, description="the run seed")

    @model_validator(mode="after")
    def _check(self) -> LdpcSettings:
        names = [curve.name for curve in self.curves]
        if len(set(names)) < len(names):
            raise ValueError(f"curves = {', '.join(names)}: a code occurs twice; give all its Eb/N0 in one")
        return self


@dataclass(frozen=True)
class _RarerErrors(Metric):
    """The block error rate of the decoder that makes fewer errors, so that a point lasts until both have made enough."""

    def _fewest(self, counts: Mapping[str, int]) -> Counts:
        errors = [counts[f"wrong_{name}"] for name in DECODERS if f"wrong_{name}" in counts]
        return {"blocks": counts.get("blocks", 0), "block_errors": min(errors, default=0)}

    def value(self, counts: Mapping[str, int]) -> float | None:
        return BLOCK_ERROR_RATE.value(self._fewest(counts))

    def interval(self, counts: Mapping[str, int]) -> tuple[float, float] | None:
        return BLOCK_ERROR_RATE.interval(self._fewest(counts))

    def errors(self, counts: Mapping[str, int]) -> int:
        return self._fewest(counts)["block_errors"]


class LdpcExperiment(Experiment):
    """Points (code, Eb/N0), both decoders on the same blocks; the record has one point per decoder.

    Batch b of a point holds the same codewords and noise whichever decoders run.
    """

    metric = _RarerErrors("block_error_rate", "block_errors", "blocks")
    data_set = "random codewords, BPSK over AWGN"

    def __init__(self, settings: LdpcSettings, data_dir: Path | None = None, weights: Path | None = None) -> None:
        self.settings = settings
        self._pairs: dict[str, DecoderPair] = {}
        self._curves = {curve.name: curve for curve in settings.curves}

    def points(self) -> list[Point]:
        """Every code at each Eb/N0 in dB, with the values for one decoder alone."""
        points = []
        for curve in self.settings.curves:
            points += [Point(curve.name, ebno_db) for ebno_db in curve.ebno_db]
            points += [Point(curve.name, ebno_db, "sionna") for ebno_db in curve.sionna]
            points += [Point(curve.name, ebno_db, "layered") for ebno_db in curve.layered]
        return points

    def pair(self, name: str) -> DecoderPair:
        """Both decoders of a code; those of the code before are dropped."""
        if name not in self._pairs:
            curve = self._curves[name]
            self._pairs = {name: DecoderPair(curve.k, curve.n, self.settings.num_iter)}  # one at a time: they are large
        return self._pairs[name]

    def prepare(self) -> None:
        """Build the decoders of every code."""
        for curve in self.settings.curves:
            self.pair(curve.name)

    def evaluate(self, point: Point, batch: int) -> Mapping[str, int]:
        """Blocks that each decoder gets wrong, and those that both do."""
        pair = self.pair(point.system)
        bits, llr = pair.draw(self.settings.seed, point.snr_db, batch)
        ways = {"layered": pair.layered, "sionna": pair.sionna}
        wrong = {name: ways[name](bits, llr) for name in self._decoders(point)}
        counts = {"blocks": len(bits)} | {f"wrong_{name}": int(flags.sum()) for name, flags in wrong.items()}
        if len(wrong) == len(DECODERS):
            counts["wrong_both"] = int((wrong["layered"] & wrong["sionna"]).sum())
        return counts

    def _decoders(self, point: Point) -> tuple[str, ...]:
        return DECODERS if point.threat is None else (point.threat,)

    def point_records(self) -> list[PointRecord]:
        """A point per decoder, named ``DECODER (k, n)``, at its Eb/N0; its stop is what the rule says of its own counts."""
        records, rule = [], self.settings.stop
        for point, result in self.results.items():
            for name in self._decoders(point):
                counts, first = (_of_decoder(c, name) for c in (result.counts, result.first_batch))
                records.append(
                    PointRecord(
                        system=f"{name} {point.system}",
                        snr_db=point.snr_db,
                        metric=BLOCK_ERROR_RATE.name,
                        value=BLOCK_ERROR_RATE.value(counts or {}),
                        ci95=BLOCK_ERROR_RATE.interval(counts or {}),
                        counts=counts,
                        batches=result.batches,
                        first_batch=first,
                        stop=(rule.verdict(result.batches, counts, BLOCK_ERROR_RATE) if counts else None)
                        or result.stop,
                    )
                )
        return records

    def notes(self) -> dict[str, Any]:
        """What the axis is, how large a batch is, and how each decoder runs."""
        return {
            "snr": "Eb/N0 per information bit, in dB",
            "batch": {curve.name: blocks_per_batch(curve.n) for curve in self.settings.curves},
            "sionna": f"boxplus-phi, {self.settings.num_iter} flooding iterations, XLA",
            "layered": f"at most {self.settings.num_iter} layered iterations",
        }

    def draw(self, record: Record, path: Path) -> None:
        """Block error rates of both decoders against Eb/N0."""
        plot_decoders(record, path)


def _of_decoder(counts: Mapping[str, int] | None, name: str) -> dict[str, int] | None:
    if counts is None:
        return None
    found = {"blocks": counts["blocks"], "block_errors": counts[f"wrong_{name}"]}
    return found | ({"errors_of_both": counts["wrong_both"]} if "wrong_both" in counts else {})
