"""The embedded default: scikit-learn's handwritten digits (UCI, 1,797 real scans of 8 x 8), as 32 x 32 RGB images."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sc_sionna.data.common import Images, validation_positions

IMAGE_SIZE = 32


def load_digits_images(split: str) -> Images:
    """20 % of each class are the test set, 10 % of the rest validation, the others training; bilinear to 32 x 32."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = bunch.target.astype(np.int32)
    test = validation_positions(labels, share=0.2)
    rest = np.setdiff1d(np.arange(len(labels)), test)
    held_out = rest[validation_positions(labels[rest])]
    chosen = {"test": test, "val": held_out, "train": np.setdiff1d(rest, held_out)}[split]
    scans = np.round(bunch.images * (255.0 / 16.0)).astype(np.uint8)[chosen]
    grey = np.stack(
        [np.asarray(Image.fromarray(s).resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)) for s in scans]
    )
    pixels = np.repeat(grey[..., None], 3, axis=-1)
    return Images("digits", split, pixels, labels[chosen], tuple(str(d) for d in range(10)))
