"""Light augmentation on the host: random shifts and mirroring of uint8 images."""

from __future__ import annotations

import numpy as np


def augment(pixels: np.ndarray, shift: int, flip: bool, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by up to ``shift`` pixels (edges repeat) and mirror half of them: ``[B, H, W, 3]``."""
    batch, height, width, _ = pixels.shape
    if shift:
        dy, dx = rng.integers(-shift, shift + 1, (2, batch))
        rows = np.clip(np.arange(height) + dy[:, None], 0, height - 1)
        cols = np.clip(np.arange(width) + dx[:, None], 0, width - 1)
        pixels = pixels[np.arange(batch)[:, None, None], rows[:, :, None], cols[:, None, :]]
    if flip:
        mirrored = rng.random((batch,)) < 0.5
        pixels = np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
    return pixels
