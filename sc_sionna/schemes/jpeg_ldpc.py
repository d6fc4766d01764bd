"""JPEG+LDPC, the baseline of Sec. V-A, of which the scan alone is sent."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, get_args

import numpy as np

from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.schemes.base import Gradient
from sc_sionna.schemes.jpeg_victim import Backward, JpegVictim
from sc_sionna.schemes.stream import StreamScheme, changeable_of
from sc_sionna.semantic.masking import FixedMasking
from sc_sionna.source_codecs import JpegCodec


class JpegLdpcScheme(StreamScheme):
    """JPEG over the coded link. The standard tables are known to both ends (T.81, B.5), so the scan alone is sent.

    ``jpeg-ldpc[source.tables=sent]`` sends the whole file, some 290 bytes more for every picture. A differentiable JPEG
    stands in for the codec's backward pass.
    """

    codec_class = JpegCodec
    changeable = changeable_of(JpegCodec)
    gradient: ClassVar[Gradient] = "surrogate"

    def victim(self, backward: Backward = "cubic") -> JpegVictim:
        """The pass from image to class where every stream arrives, with JPEG differentiated as ``backward`` says."""
        if self.codec.num_bits is not None:
            raise UserError(
                f"attack on {self.name!r} with link.channel_uses: the quality follows from the picture, so that there is no "
                "gradient; leave channel_uses out, or use a threat that needs none"
            )
        every = FixedMasking(np.arange(self.classifier.settings.num_kept))
        return JpegVictim(self.classifier, every, snr_db=0.0, jpeg=self.codec.settings, backward=backward)

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """JPEG and the ViT once for each way to differentiate JPEG; error-free on the air at every SNR."""
        return {backward: self.victim(backward) for backward in get_args(Backward)}
