"""Image reconstruction: pixels, mean squared error, PSNR and SSIM.

A sweep keeps the PSNR of every image, and its SSIM where the picture holds the window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers, ops

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.sweep.scores import MeanScore
from sc_sionna.tasks.base import NoiseLoss, Task, need

SSIM_SIDE, SSIM_SIGMA = 11, 1.5  # the Gaussian window of Wang et al.
SSIM_K1, SSIM_K2 = 0.01, 0.03
PSNR_LIMIT_DB = 100.0  # that of pictures that are equal


def mean_squared_error(outputs: dict[str, Any], labels: Tensor, reference: Tensor) -> Tensor:
    """Mean squared error of the received image against the clean one, the loss of semantic noise: ``[B]``."""
    return ops.mean(ops.square(need(outputs, "image", "reconstruction") - reference), axis=(1, 2, 3))


RECONSTRUCTION = NoiseLoss(mean_squared_error)


def psnr_db(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB of pictures ``[B, H, W, 3]`` with peak 1, float32 ``[B]``; equal ones have 100 dB.

    The pictures are shown, so their pixels are cut to [0, 1] first.
    """
    error = np.square(np.clip(images, 0.0, 1.0).astype(np.float64) - targets).mean(axis=(1, 2, 3))
    return (-10.0 * np.log10(np.maximum(error, 10.0 ** (-PSNR_LIMIT_DB / 10.0)))).astype(np.float32)


def ssim(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Structural similarity (Wang et al. 2004, doi:10.1109/TIP.2003.819861, (13)) with peak 1, float32 ``[B]``.

    Means, variances and the covariance within a Gaussian window of 11 x 11 pixels (σ = 1.5) at every place where it lies
    in the picture, the similarity averaged over places and the three colours::

        (2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2)),   C1 = 0.01², C2 = 0.03²

    UserError for pictures smaller than the window. Pixels are cut to [0, 1] first.
    """
    height, width = images.shape[1:3]
    if min(height, width) < SSIM_SIDE:
        raise UserError(
            f"pictures of {height} x {width} pixels: the window of SSIM has {SSIM_SIDE} x {SSIM_SIDE}; use PSNR for them"
        )
    x, y = np.clip(images, 0.0, 1.0).astype(np.float64), targets.astype(np.float64)
    rows, columns = _window(height), _window(width)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.einsum("ih,bhwc,jw->bijc", rows, values, columns, optimize=True)

    mean_x, mean_y = mean(x), mean(y)
    variance_x, variance_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + SSIM_K1**2) / (mean_x**2 + mean_y**2 + SSIM_K1**2)
    structure = (2 * covariance + SSIM_K2**2) / (variance_x + variance_y + SSIM_K2**2)
    return (luminance * structure).mean(axis=(1, 2, 3)).astype(np.float32)


def _window(size: int) -> np.ndarray:
    """Matrix ``[size - 10, size]`` whose row i is the Gaussian window at the places i to i + 10 of a line of pixels."""
    offsets = np.arange(SSIM_SIDE) - (SSIM_SIDE - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    matrix = np.zeros((size - SSIM_SIDE + 1, size))
    for row in range(len(matrix)):
        matrix[row, row : row + SSIM_SIDE] = weights / weights.sum()
    return matrix


class Reconstruction(Task):
    """The image itself, by the codec's linear layer to pixels.

    Fine-tuning goes on where masked pre-training ends, with the channel in the loop and all patches in the loss, those that
    were sent too. The image to reach is the clean one, also where semantic noise was added.
    """

    output = "image"
    metric = MeanScore("psnr_db")
    score_name = "PSNR in dB"
    noise_loss = "reconstruction"

    def heads(self) -> dict[str, layers.Layer]:
        """None of its own."""
        return {}

    def loss(self, outputs: dict[str, Any], targets: Tensor, label_smoothing: float) -> Tensor:
        """Mean squared error of the pixels."""
        return ops.mean(ops.square(outputs[self.output] - targets))

    def targets(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The clean images."""
        return images

    def score(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """PSNR in dB."""
        return psnr_db(predictions, targets)

    def scores(self, predictions: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        """``psnr_db``, and ``ssim`` of pictures that are not smaller than its window."""
        found = {"psnr_db": psnr_db(predictions, targets)}
        if min(targets.shape[1:3]) >= SSIM_SIDE:
            found["ssim"] = ssim(predictions, targets)
        return found
