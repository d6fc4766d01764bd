"""A threat as a sweep names it: where semantic noise enters, how strong it is, and what the attacker knows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from sc_sionna.attacks.over_the_air import OverTheAirSettings
from sc_sionna.attacks.source import SourceAttackSettings
from sc_sionna.settings import Settings

KNOWLEDGE = {
    "source": "weights and code; of masks and channel the statistics only",
    "random-sign": "nothing",
    "over-the-air": "weights and code, received signals with labels, channel statistics",
    "gaussian": "nothing",
}


class Threat(Settings):
    """Noise of one kind.

    ``source``: at the transmitter, Eq. (7), crafted for each image; ``random-sign``: the control of the same ε.
    ``over-the-air``: one Δx at the receiver, Algorithm 1; ``gaussian``: the control of the same power.
    """

    kind: Literal["source", "random-sign", "over-the-air", "gaussian"] = Field(
        "source", description="where the noise enters, or its control"
    )
    source: SourceAttackSettings | None = Field(None, description="settings of noise at the transmitter")
    air: OverTheAirSettings | None = Field(None, description="settings of noise at the receiver")

    @property
    def at_source(self) -> bool:
        return self.kind in ("source", "random-sign")

    @model_validator(mode="after")
    def _check(self) -> Threat:
        if (self.source is None) == self.at_source or (self.air is None) != self.at_source:
            wanted = "source" if self.at_source else "air"
            raise ValueError(f"threat {self.kind!r}: needs the settings {wanted!r} and no others; set {wanted}")
        if self.air is not None and (self.air.kind == "gaussian") != (self.kind == "gaussian"):
            raise ValueError(f"threat {self.kind!r}: air.kind is {self.air.kind!r}; make the two agree")
        return self


def source_threat(epsilon: float, **values: Any) -> Threat:
    """Eq. (7) with a budget ε on the [0, 1] scale."""
    return Threat(kind="source", source=SourceAttackSettings(epsilon=epsilon, **values))


def random_sign_threat(epsilon: float) -> Threat:
    """The control of :func:`source_threat`."""
    return Threat(kind="random-sign", source=SourceAttackSettings(epsilon=epsilon))


def air_threat(ssnr_db: float, gaussian: bool = False, **values: Any) -> Threat:
    """Algorithm 1 at a signal-to-semantic-noise ratio in dB, or Gaussian noise of the same power."""
    kind: Literal["gaussian", "semantic"] = "gaussian" if gaussian else "semantic"
    air = OverTheAirSettings(ssnr_db=ssnr_db, kind=kind, **values)
    return Threat(kind="gaussian" if gaussian else "over-the-air", air=air)
