"""JPEG in keras.ops: Pillow's image forward, and a slope that says which frequencies survive."""

from __future__ import annotations

import io

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from sc_sionna.attacks.differentiable_jpeg import DCT, DifferentiableJpeg, quantisation_table
from sc_sionna.core.backend import value_and_input_grad
from sc_sionna.core.errors import UserError
from sc_sionna.data import load

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def smooth_pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Three images uint8 of a few waves each: frequencies of every kind, and saturated parts."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    image = np.zeros((3, height, width, 3))
    for _ in range(12):
        frequency, phase = generator.uniform(0, 0.9, (2, 3, 1, 1, 3)), generator.uniform(0, 6, (3, 1, 1, 3))
        wave = frequency[0] * rows[None, :, :, None] + frequency[1] * columns[None, :, :, None] + phase
        image += generator.uniform(0, 30) * np.cos(wave)
    return np.clip(image + 128, 0, 255).round().astype(np.uint8)


def pillow(pixels: np.ndarray, quality: int, subsampling: str, halved: bool = False) -> np.ndarray:
    """What Pillow makes of the images; the codec itself, which needs the link's libraries, is not here under PyTorch."""
    decoded = []
    for pixels_of_one in pixels:
        image, buffer = Image.fromarray(pixels_of_one), io.BytesIO()
        if halved:
            image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
        back = Image.open(buffer, formats=["JPEG"]).convert("RGB")
        decoded.append(
            np.asarray(back.resize(pixels_of_one.shape[1::-1], Image.Resampling.BILINEAR) if halved else back)
        )
    return np.stack(decoded)


def through(pixels: np.ndarray, quality: int, subsampling) -> np.ndarray:
    images = pixels.astype(np.float32) / 255.0
    return ops.convert_to_numpy(DifferentiableJpeg(quality, subsampling)(images))


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("quality", [5, 50, 75, 95])
def test_forward_is_pillows_image_to_the_last_bit(quality, subsampling):
    noise = np.random.default_rng(quality).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    black_and_white = np.where(noise < 128, 0, 255).astype(np.uint8)
    digits = load("digits", "test").pixels[:8]
    # the last two are no multiple of a block, and of odd size
    for pixels in (noise, black_and_white, digits, smooth_pixels(48, 64), smooth_pixels(28, 20), smooth_pixels(27, 21)):
        expected = pillow(pixels, quality, subsampling).astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(through(pixels, quality, subsampling), expected)


@pytest.mark.parametrize("quality", [5, 75])
def test_half_size_is_pillows_image_to_the_last_bit(quality):
    pixels = smooth_pixels(32, 32, quality)
    expected = pillow(pixels, quality, "4:2:0", halved=True)
    layer = DifferentiableJpeg(quality, halved=True)
    got = ops.convert_to_numpy(layer(pixels.astype(np.float32) / 255.0))
    np.testing.assert_array_equal(np.round(got * 255.0).astype(np.uint8), expected)
    _, gradient = value_and_input_grad(lambda x: (ops.mean(layer(x) ** 2), 0.0), ops.convert_to_tensor(got))
    blocks = ops.convert_to_numpy(gradient).reshape(3, 16, 2, 16, 2, 3)
    assert np.abs(blocks).max() > 0
    np.testing.assert_allclose(blocks, np.broadcast_to(blocks[:, :, :1, :, :1], blocks.shape), rtol=1e-5)  # of a mean
    with pytest.raises(UserError, match=r"33 x 32 pixels: an odd size has no exact half"):
        layer(np.zeros((1, 33, 32, 3), np.float32))


def test_the_integer_matrix_is_the_dct():
    frequency, place = np.mgrid[:8, :8]
    exact = np.cos((2 * place + 1) * frequency * np.pi / 16)
    exact *= np.where(frequency == 0, 1.0, np.sqrt(2))
    np.testing.assert_allclose(DCT / 2**13, exact, atol=3e-4)


def test_tables_scale_as_libjpegs_do():
    base = np.array([[16, 255]])
    for quality, expected in ((50, [16, 255]), (75, [8, 128]), (100, [1, 1]), (10, [80, 255]), (1, [255, 255])):
        assert quantisation_table(base, quality)[0].tolist() == expected


def gradient_of(function, x: np.ndarray) -> np.ndarray:
    _, gradient = value_and_input_grad(lambda y: (function(y), 0.0), ops.convert_to_tensor(x))
    return ops.convert_to_numpy(gradient)


def test_backward_is_the_slope_of_cubic_rounding():
    """One block of grey waves: the mean stays inside its step, so d decoded / d image along a wave is 3(x − round x)²."""
    jpeg, place, slopes = DifferentiableJpeg(75, "4:4:4"), np.arange(8), []
    wave = np.cos((2 * place + 1) * np.pi / 16)[None, None, :, None] * np.ones((1, 8, 1, 3))  # frequency (0, 1)
    for amplitude in (2.0, 4.0, 9.0):
        image = ((128 + amplitude * wave) / 255).astype(np.float32)
        pixels = np.round(image * 255)
        coefficient = (pixels[0, :, :, 0] - 128).sum(axis=0) @ wave[0, 0, :, 0] * np.sqrt(2) / 8
        x = coefficient / quantisation_table(np.array(11), 75)  # LUMINANCE[0, 1]
        expected = 3 * (x - np.round(x)) ** 2
        unit = (wave / np.linalg.norm(wave)).astype(np.float32)
        slope = (gradient_of(lambda y, unit=unit: ops.sum(jpeg(y) * ops.convert_to_tensor(unit)), image) * unit).sum()
        slopes.append(slope)
        # libjpeg's DCT rounds the coefficient to 1/8 twice on its way: 1/50 of this step, at a slope of 6·(x − round x)
        assert slope == pytest.approx(expected, abs=0.06), amplitude
    assert max(slopes) - min(slopes) > 0.3


def test_a_wave_that_jpeg_removes_has_no_gradient_and_a_strong_one_near_a_step_has():
    grey = np.full((1, 16, 16, 3), 0.5, np.float32)
    checks = np.where(np.indices((16, 16)).sum(axis=0) % 2, 1.0, -1.0)[None, :, :, None].astype(np.float32)
    jpeg = DifferentiableJpeg(50, "4:2:0")

    def along(image):
        return (
            abs((gradient_of(lambda y: ops.sum(jpeg(y) * ops.convert_to_tensor(checks)), image) * checks).sum())
            / checks.size
        )

    assert along(grey) < 1e-4
    edge = grey + (checks * 99 / 2 / 8 / 255).astype(np.float32)  # half a step of the highest frequencies
    assert along(np.clip(edge, 0, 1)) > 10 * along(grey) + 1e-3


def test_it_is_a_layer_of_a_model_of_any_batch_size():
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, DifferentiableJpeg(60)(inputs))
    pixels = smooth_pixels(32, 32)
    expected = pillow(pixels, 60, "4:2:0").astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(model.predict(pixels / np.float32(255), verbose=0, batch_size=2), expected)


def test_bad_settings_are_one_clear_line():
    with pytest.raises(UserError, match=r"^quality = 0: JPEG's quality is from 1 to 100; set it there$"):
        DifferentiableJpeg(0)
    with pytest.raises(UserError, match=r"^subsampling = '4:1:1': unknown; choose 4:4:4, 4:2:2, 4:2:0$"):
        DifferentiableJpeg(75, "4:1:1")
