"""Scores against TensorFlow's own, and the task's losses by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.tasks import make_codec, make_task
from sc_sionna.tasks.reconstruction import RECONSTRUCTION, psnr_db, ssim
from tests.blocks import TINY

NAMED = TINY.with_(task="reconstruction")


def pictures(count: int, height: int = 19, width: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures and noisy copies, whose noise grows with the row and leaves [0, 1] in places."""
    random = np.random.default_rng(3)
    clean = random.random((count, height, width, 3)).astype(np.float32)
    clean = (clean + np.roll(clean, 1, 1) + np.roll(clean, 1, 2)) / 3
    noise = random.standard_normal(clean.shape) * np.linspace(0.02, 0.6, count)[:, None, None, None]
    return (clean + noise).astype(np.float32), clean


def test_ssim_and_psnr_are_tensorflows() -> None:
    noisy, clean = pictures(5)
    shown = np.clip(noisy, 0, 1)
    np.testing.assert_allclose(ssim(noisy, clean), tf.image.ssim(shown, clean, max_val=1.0).numpy(), atol=2e-5)
    np.testing.assert_allclose(psnr_db(noisy, clean), tf.image.psnr(shown, clean, max_val=1.0).numpy(), atol=1e-4)
    assert psnr_db(noisy, clean).dtype == ssim(noisy, clean).dtype == np.float32
    assert (np.diff(ssim(noisy, clean)) < 0).all()
    assert (np.diff(psnr_db(noisy, clean)) < 0).all()


def test_scores_of_equal_pictures_are_finite() -> None:
    _, clean = pictures(2)
    np.testing.assert_array_equal(psnr_db(clean, clean), np.float32(100.0))
    np.testing.assert_allclose(ssim(clean, clean), 1.0, atol=1e-6)


def test_a_picture_smaller_than_the_window_is_refused() -> None:
    with pytest.raises(UserError, match="pictures of 10 x 24 pixels: the window of SSIM has 11 x 11; use PSNR"):
        ssim(*pictures(1, height=10))


def test_losses_and_targets_are_of_the_clean_image() -> None:
    task = make_task(NAMED)
    noisy, clean = pictures(3, 16, 16)
    labels = np.zeros(3, np.int32)
    assert task.targets(clean, labels) is clean
    by_hand = np.square(noisy - clean).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(RECONSTRUCTION({"image": noisy}, labels, clean), by_hand, rtol=1e-5)
    assert float(task.loss({"image": noisy}, clean, 0.0)) == pytest.approx(by_hand.mean(), rel=1e-5)
    np.testing.assert_array_equal(task.score(noisy, clean), psnr_db(noisy, clean))


def test_the_codec_has_no_classifier() -> None:
    codec = make_codec(NAMED).initialise()
    outputs = codec(np.zeros((1, 16, 16, 3), np.float32), np.arange(8, dtype=np.int32)[None], np.zeros(1, np.float32))
    assert "logits" not in outputs
    assert outputs["image"].shape == (1, 16, 16, 3)


def test_importance_modules_are_for_classes() -> None:
    with pytest.raises(
        UserError, match=r"importance.layers = \(0,\): the loss .*Eq. \(15\).*set importance.layers = \[\]"
    ):
        make_task(NAMED.with_(importance={"layers": (0,)}))
