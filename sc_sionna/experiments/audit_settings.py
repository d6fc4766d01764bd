"""Settings of the robustness audit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sc_sionna.attacks.adaptive_settings import AdaptiveSettings
from sc_sionna.experiments.base import SweepSettings
from sc_sionna.schemes import PAPER_SCHEMES
from sc_sionna.settings import LARGEST, LinkSettings
from sc_sionna.sweep import StopRule

EFFORT = {"steps": 20, "restarts": 1, "queries": 100}  # of the adaptive suite: some 3 minutes a scheme on two cores


class AuditSettings(SweepSettings):
    """Everything that the counts of an audit depend on, besides weights, images and code."""

    kind: Literal["robustness-audit"] = "robustness-audit"
    preset: str = Field("digits", description="the preset whose trained systems are audited")
    dataset: str = Field("digits", description="the data set of the test images")
    systems: tuple[str, ...] = Field(PAPER_SCHEMES, min_length=1, description="the systems that are audited")
    epsilon: float = Field(0.05, gt=0, le=1, description="the ℓ∞ budget on the [0, 1] scale")
    snr_db: float = Field(18.0, ge=-60, le=100, description="the SNR in dB at which images are attacked and scored")
    max_images: int = Field(64, ge=2, le=LARGEST, description="the number of test images")
    paper_steps: int = Field(10, ge=2, le=100_000, description="the steps K of Eq. (7)")
    paper_draws: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (1, 4), min_length=1, description="Eq. (7) runs once with each of these draws"
    )
    adaptive: AdaptiveSettings = Field(default_factory=lambda: AdaptiveSettings(**EFFORT))
    scoring_draws: int = Field(5, ge=1, le=99, description="the fresh draws that an image is scored over; odd")
    link: LinkSettings = Field(default_factory=LinkSettings)
    batch_size: int | None = Field(
        None, ge=2, le=65536, description="the images that are attacked together, with draws of their own; null for all"
    )
    stop: StopRule = Field(default_factory=StopRule)
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")

    @model_validator(mode="after")
    def _check(self) -> AuditSettings:
        if self.scoring_draws % 2 == 0:
            raise ValueError(
                f"scoring_draws = {self.scoring_draws}: half of an even number is no majority; set an odd one"
            )
        return self
