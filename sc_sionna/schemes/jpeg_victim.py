"""The classifier behind JPEG as a semantic attacker at the source sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from sc_sionna.attacks.differentiable_jpeg import DifferentiableJpeg, with_slope
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.source_codecs.jpeg import JpegSettings

Backward = Literal["cubic", "identity"]


@dataclass(frozen=True, eq=False)
class JpegVictim(CodecVictim):
    """A codec that classifies what JPEG leaves of an image; forward it is Pillow's image to the last bit.

    image ─ DifferentiableJpeg ─▶ decoded image ─ codec(keep) ─▶ logits

    jpeg : the source coding
    backward : how JPEG is differentiated. ``cubic`` is :class:`~sc_sionna.attacks.differentiable_jpeg.DifferentiableJpeg`.
        ``identity`` (BPDA, Athalye et al. 2018, arXiv:1802.00420) ignores which frequencies JPEG removes; it masks the
        gradient and is kept for the check that says so
    """

    jpeg: JpegSettings | None = None
    backward: Backward = "cubic"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backward not in get_args(Backward):
            raise UserError(f"backward = {self.backward!r}: unknown; choose {', '.join(get_args(Backward))}")

    @cached_property
    def source_coding(self) -> DifferentiableJpeg:
        """JPEG with the settings of the scheme, built once."""
        assert self.jpeg is not None
        return DifferentiableJpeg(self.jpeg.quality, self.jpeg.subsampling, self.jpeg.halved)

    def outputs(self, images: Tensor, keep: Tensor, bit_errors: Tensor | None = None) -> dict[str, Any]:
        """What the codec says of the images ``[B, H, W, 3]`` that JPEG leaves."""
        decoded = self.source_coding(images)
        if self.backward == "identity":
            decoded = with_slope(decoded, images)
        return super().outputs(decoded, keep, bit_errors)
