"""Effort of the adaptive attacks."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.settings import Settings


class AdaptiveSettings(Settings):
    """Effort of the adaptive suite; the budget is ℓ∞ and given per call."""

    steps: int = Field(30, ge=2, le=100_000, description="the gradient steps of a run of APGD")
    restarts: int = Field(2, ge=1, le=1000, description="the runs of APGD, each from a random point of the ball")
    draws: int = Field(
        20, ge=1, le=4096, description="the draws of mask and channel that each loss and gradient is averaged over"
    )
    queries: int = Field(
        200, ge=1, le=1_000_000, description="the candidates that Square tries per image, `draws` passes each"
    )
    batch_size: int = Field(16, ge=1, le=65536, description="images per pass, each repeated `draws` times")
