"""Points of a sweep, and when a point has enough batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line
from sc_sionna.settings import LARGEST, Settings
from sc_sionna.sweep.metrics import Metric

Stop = Literal["half_width", "errors", "maximum"]


@dataclass(frozen=True)
class Point:
    """One point of a sweep: a system at an SNR in dB under a threat (None: no semantic noise)."""

    system: str
    snr_db: float
    threat: str | None = None

    def __post_init__(self) -> None:
        # one name per SNR: 3, 3.0, NumPy's 3.0 and -0.0 against 0.0 are the same point
        object.__setattr__(self, "snr_db", float(self.snr_db) + 0.0)
        if not isfinite(self.snr_db):
            raise UserError(f"snr_db = {self.snr_db}: not a finite number; give the SNR in dB, for example 3")

    @property
    def key(self) -> str:
        """Name in the store; the separator cannot occur in any part."""
        parts = (self.system, repr(self.snr_db), *(() if self.threat is None else (self.threat,)))
        return "\x1f".join(part.replace("\x1f", " ") for part in parts)

    @property
    def group(self) -> tuple[str, str | None]:
        """The system and the threat: what an attack is crafted for, whatever the SNR."""
        return self.system, self.threat

    def __str__(self) -> str:
        text = f"{self.system} at {self.snr_db:g} dB" + (f", {self.threat}" if self.threat is not None else "")
        return one_line(text)  # names of a record from elsewhere go to the terminal through this


class StopRule(Settings):
    """When a point has enough batches; a function of its counts in batch order, so restarts and order cannot change it.

    The point stops after the first batch, not before ``min_batches``, at which the 95 % interval of the metric is narrow
    enough ("half_width") or enough errors were seen ("errors"), and in any case at ``max_batches`` or ``max_trials``
    ("maximum"). Where several hold at once the first of this order is named.
    """

    half_width: float | None = Field(
        None, gt=0, le=1000, description="the target half-width of the 95 % interval, in units of the metric"
    )
    errors: int | None = Field(None, ge=1, le=LARGEST, description="the number of errors that is enough")
    max_batches: int | None = Field(
        None, ge=1, le=LARGEST, description="the most batches per point; null for one pass of the data"
    )
    max_trials: int | None = Field(
        None, ge=1, le=LARGEST, description="the number of trials (images, blocks) that is enough"
    )
    min_batches: int = Field(1, ge=1, le=LARGEST, description="the fewest batches per point before an early stop")

    def verdict(self, batches: int, counts: Mapping[str, Any], metric: Metric) -> Stop | None:
        """Why a point stops after these batches, or None if it goes on; ``counts`` with the summaries of its scores."""
        if batches >= self.min_batches:
            interval = metric.interval(counts)
            if self.half_width is not None and interval and (interval[1] - interval[0]) / 2 <= self.half_width:
                return "half_width"
            if self.errors is not None and metric.errors(counts) >= self.errors:
                return "errors"
        if self.max_batches is not None and batches >= self.max_batches:
            return "maximum"
        if self.max_trials is not None and counts.get(metric.denominator, 0) >= self.max_trials:
            return "maximum"
        return None

    def check(self, metric: Metric) -> None:
        """UserError where the rule can mean nothing for a metric: an interval as wide as a rate can be, errors of a mean."""
        if self.half_width is not None and self.half_width >= metric.width:
            raise UserError(
                f"stop.half_width = {self.half_width:g}: {metric.name} lies in an interval of width {metric.width:g}; set "
                "a smaller one, for example 0.03"
            )
        if self.errors is not None and not metric.counts_errors:
            raise UserError(
                f"stop.errors = {self.errors}: {metric.name} is a mean over images and counts no errors; set "
                "stop.half_width instead"
            )

    def at_most(self, max_batches: int | None) -> StopRule:
        """The rule with another upper limit of batches; the smaller one holds."""
        limits = [limit for limit in (self.max_batches, max_batches) if limit is not None]
        if not limits and self.max_trials is None:
            raise UserError(
                "max_batches = None: a point without errors would never end; set max_batches or max_trials of the stop rule"
            )
        rule: StopRule = self.with_(max_batches=min(limits) if limits else None)
        return rule
