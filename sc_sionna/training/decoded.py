"""Pictures as a conventional receiver shows them: the training images of a classifier behind source codecs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sc_sionna.core import plugins
from sc_sionna.data.common import Images
from sc_sionna.source_codecs import SOURCE_CODECS
from sc_sionna.source_codecs.fitted import Ladders

FEWEST_BITS, MOST_BITS = 64, 4096  # of a picture: what 32 to 128 channel uses carry over the SNRs of interest


class DecodedPictures:
    """Codes each image by a codec drawn from several, in a number of bits drawn for it, and decodes it again.

    The number is log-uniform over 64 to 4,096. Of the codec one ladder of settings is drawn, and of that the finest setting
    that fits is taken, the coarsest where none does.

    names : of source codecs, ``jpeg`` for example, or ``module:Class``
    image_size : height and width of the images
    """

    def __init__(self, names: Sequence[str], image_size: int) -> None:
        classes = [plugins.resolve(name, SOURCE_CODECS, "train.source_codecs") for name in names]
        self.codecs = [Ladders(found, found.Settings(), image_size) for found in classes]

    def of(self, images: Images, generator: np.random.Generator) -> Images:
        """All images of a split as they are shown, one number of bits for each."""
        return replace(images, pixels=self(images.pixels, generator))

    def __call__(self, pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Images uint8 ``[B, H, H, 3]`` as they are shown; unchanged where no codec is named."""
        if not self.codecs:
            return pixels
        which = generator.integers(len(self.codecs), size=len(pixels))
        bits = np.exp(generator.uniform(np.log(FEWEST_BITS), np.log(MOST_BITS), len(pixels))).astype(int)
        of_ladder = generator.random(len(pixels))
        return np.stack([
            self.codecs[codec].shown(image, int(of_ladder[i] * len(self.codecs[codec].ladders)), int(bits[i]))
            for i, (codec, image) in enumerate(zip(which, pixels, strict=True))
        ])  # fmt: skip
