"""Images to patches and back, exact inverses (Sec. III-A2: non-overlapping patches)."""

from __future__ import annotations

from keras import ops

from sc_sionna.core.tensor import Tensor


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Cut images into non-overlapping square patches, row by row.

    images: ``[B, H, W, C]`` with H and W multiples of ``patch_size`` P. Returns ``[B, (H/P)·(W/P), P·P·C]``.
    """
    _, height, width, channels = images.shape
    rows, cols = height // patch_size, width // patch_size
    x = ops.reshape(images, (-1, rows, patch_size, cols, patch_size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * cols, patch_size * patch_size * channels))


def unpatchify(patches: Tensor, patch_size: int, image_size: int) -> Tensor:
    """Inverse of :func:`patchify` for square images: ``[B, P_n, P·P·C]`` to ``[B, H, W, C]``."""
    side = image_size // patch_size
    channels = patches.shape[-1] // patch_size**2
    x = ops.reshape(patches, (-1, side, side, patch_size, patch_size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, image_size, image_size, channels))
