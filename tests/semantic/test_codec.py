from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from sc_sionna.autodiff import value_and_input_grad
from sc_sionna.config import CodecSettings
from sc_sionna.errors import UserError
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.training.losses import cross_entropy, masked_reconstruction
from tests.blocks import TINY


def batch(count=4):
    rng = np.random.default_rng(0)
    images = rng.random((count, 16, 16, 3)).astype(np.float32)
    return images, make_masking(TINY)(count, rng), np.full(count, 3.0, np.float32)


@pytest.fixture(scope="module")
def codec():
    return SemanticCodec(TINY).initialise()


def test_encoder_sees_only_the_kept_patches(codec):
    images, keep, _ = batch()
    changed = images.copy()
    for b in range(len(images)):
        for p in set(range(16)) - set(keep[b].tolist()):
            row, col = divmod(p, 4)
            changed[b, 4 * row : 4 * row + 4, 4 * col : 4 * col + 4] *= 0.5
    np.testing.assert_array_equal(np.asarray(codec.encoder(images, keep)), np.asarray(codec.encoder(changed, keep)))


def test_received_indices_are_sent_bits_xor_flips(codec):
    images, keep, snr = batch()
    flips = np.random.default_rng(5).integers(0, 2, (4, 8 * 4)).astype(np.int32)
    outputs = codec(images, keep, snr, flips)
    bits = np.asarray(codec.index_mapper.to_bits(outputs["indices"]))
    weights = 2 ** np.arange(3, -1, -1)
    expected = ((bits ^ flips).reshape(4, 8, 4) * weights).sum(-1) % 10  # J = 10: patterns 10..15 wrap
    np.testing.assert_array_equal(np.asarray(outputs["received_indices"]), expected)
    clean = codec(images, keep, snr, np.zeros_like(flips))
    np.testing.assert_array_equal(np.asarray(clean["received_indices"]), np.asarray(clean["indices"]))
    np.testing.assert_allclose(np.asarray(codec(images, keep, snr)["logits"]), np.asarray(clean["logits"]), atol=1e-6)


def test_image_gradient_exists_at_inference_with_every_index_wrong(codec):
    images, keep, snr = batch()
    flips = np.ones((4, 8 * 4), np.int32)

    def loss(x):
        return cross_entropy(codec(x, keep, snr, flips, training=False)["logits"], np.array([1, 2, 3, 4])), None

    _, gradient = value_and_input_grad(loss, images)
    gradient = np.asarray(gradient)
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).reshape(4, -1).max(1) > 0).all()


def test_cross_entropy_and_masked_error_by_hand():
    logits = np.array([[1.0, 2.0, 0.5]], np.float32)
    log_p = logits[0] - np.log(np.exp(logits[0]).sum())
    assert float(cross_entropy(ops.convert_to_tensor(logits), np.array([1]))) == pytest.approx(-log_p[1], rel=1e-5)
    smooth = -(log_p * (np.array([0, 1, 0]) * 0.9 + 0.1 / 3)).sum()
    assert float(cross_entropy(ops.convert_to_tensor(logits), np.array([1]), 0.1)) == pytest.approx(smooth, rel=1e-5)
    image = np.zeros((1, 4, 4, 1), np.float32)
    target = image.copy()
    target[0, :2, :2], target[0, 2:, 2:] = 1.0, 3.0  # patches 0 and 3
    keep = np.array([[0, 1]], np.int32)
    assert float(masked_reconstruction(image, target, keep, 2, 4)) == pytest.approx(9.0 / 2)


def test_plain_vit_has_no_codebook():
    codec = SemanticCodec(TINY.with_(bottleneck="none", masking_ratio=0.0)).initialise()
    images, _, snr = batch()
    outputs = codec(images, np.tile(np.arange(16, dtype=np.int32), (4, 1)), snr)
    assert set(outputs) == {"features", "tokens", "logits", "image"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patch_size": 5}, "patch_size = 5: does not divide image_size = 16"),
        ({"num_heads": 3}, "num_heads = 3: does not divide the width 16"),
        ({"codebook_size": 1}, "codebook_size = 1"),
        ({"colour": 3}, "unknown setting 'colour'"),
        ({"masking": "nope"}, "masking = 'nope': unknown"),
        ({"masking": "no.such:Thing"}, "cannot import 'no.such'"),
    ],
)
def test_bad_settings_are_one_clear_line(change, words):
    with pytest.raises(UserError, match=r"(?s)^(?!.*\n)") as error:
        make_masking(TINY.with_(**change))
    assert words in str(error.value)


@pytest.mark.parametrize("masking_ratio", [0.0, 0.3, 0.5, 0.9])
def test_number_of_kept_patches(masking_ratio):
    s = CodecSettings(masking_ratio=masking_ratio)
    assert s.num_kept == round(64 * (1 - masking_ratio))
