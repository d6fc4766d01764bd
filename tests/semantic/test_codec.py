from __future__ import annotations

import json

import numpy as np
import pytest
from keras import ops

from sc_sionna.core.backend import compile_function, value_and_grad, value_and_input_grad
from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.semantic.codec import make_masking
from sc_sionna.semantic.masking import gather_kept, scatter_kept
from sc_sionna.semantic.patches import patchify
from sc_sionna.semantic.weights import PACKAGED
from sc_sionna.settings import CodecSettings
from sc_sionna.tasks import load_codec, make_codec
from sc_sionna.tasks.classification import mean_cross_entropy
from sc_sionna.training.losses import masked_reconstruction, task_losses
from sc_sionna.training.optimizer import precision
from tests.blocks import TINY, needs_bfloat16


def batch(count=4):
    rng = np.random.default_rng(0)
    images = rng.random((count, 16, 16, 3)).astype(np.float32)
    return images, make_masking(TINY)(count, rng), np.full(count, 3.0, np.float32)


@pytest.fixture(scope="module")
def codec():
    return make_codec(TINY).initialise()


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
    bit_errors = np.random.default_rng(5).integers(0, 2, (4, 8 * 4)).astype(np.int32)
    outputs = codec(images, keep, snr, bit_errors)
    bits = np.asarray(codec.index_mapper.to_bits(outputs["indices"]))
    weights = 2 ** np.arange(3, -1, -1)
    expected = ((bits ^ bit_errors).reshape(4, 8, 4) * weights).sum(-1) % 10  # J = 10: patterns 10..15 wrap
    np.testing.assert_array_equal(np.asarray(outputs["received_indices"]), expected)
    clean = codec(images, keep, snr, np.zeros_like(bit_errors))
    np.testing.assert_array_equal(np.asarray(clean["received_indices"]), np.asarray(clean["indices"]))
    np.testing.assert_allclose(np.asarray(codec(images, keep, snr)["logits"]), np.asarray(clean["logits"]), atol=1e-6)


def test_image_gradient_exists_at_inference_with_every_index_wrong(codec):
    images, keep, snr = batch()
    bit_errors = np.ones((4, 8 * 4), np.int32)

    def loss(x):
        return mean_cross_entropy(
            codec(x, keep, snr, bit_errors, training=False)["logits"], np.array([1, 2, 3, 4])
        ), None

    _, gradient = value_and_input_grad(loss, images)
    gradient = np.asarray(gradient)
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).reshape(4, -1).max(1) > 0).all()


def test_cross_entropy_and_masked_error_by_hand():
    logits = np.array([[1.0, 2.0, 0.5]], np.float32)
    log_p = logits[0] - np.log(np.exp(logits[0]).sum())
    assert float(mean_cross_entropy(ops.convert_to_tensor(logits), np.array([1]))) == pytest.approx(-log_p[1], rel=1e-5)
    smooth = -(log_p * (np.array([0, 1, 0]) * 0.9 + 0.1 / 3)).sum()
    assert float(mean_cross_entropy(ops.convert_to_tensor(logits), np.array([1]), 0.1)) == pytest.approx(
        smooth, rel=1e-5
    )
    image = np.zeros((1, 4, 4, 1), np.float32)
    target = image.copy()
    target[0, :2, :2], target[0, 2:, 2:] = 1.0, 3.0  # patches 0 and 3
    keep = np.array([[0, 1]], np.int32)
    assert float(masked_reconstruction(image, target, keep, 2, 4)) == pytest.approx(9.0 / 2)


def test_plain_vit_has_no_codebook():
    codec = make_codec(TINY.with_(bottleneck="none", masking={"ratio": 0.0})).initialise()
    images, _, snr = batch()
    outputs = codec(images, np.tile(np.arange(16, dtype=np.int32), (4, 1)), snr)
    assert set(outputs) == {"features", "tokens", "logits", "image"}


@pytest.mark.parametrize("system", ["masked-vqvae", "jpeg-ldpc"])
def test_shipped_weights_load_and_are_the_plain_chain(system):
    """Without the importance module the model has no variables of it, and its layers in a row give its outputs."""
    described = json.loads((PACKAGED / f"digits-{system}.json").read_text())["preset"]["codec"]
    codec, preset = load_codec("digits", system)
    assert described == json.loads(preset.codec.model_dump_json())  # every setting is in the description
    assert preset.codec.importance.layers == ()
    assert not any("importance" in v.path for v in codec.variables)
    images = to_float(load("digits", "val").pixels[:4])
    keep = make_masking(preset.codec)(4, np.random.default_rng(0))
    snr = np.zeros(4, np.float32)
    encoder, decoder = codec.encoder, codec.decoder
    x = gather_kept(encoder.position(encoder.embed(patchify(images - 0.5, 4))), keep)
    for block in encoder.blocks:
        x = block(x)
    x = encoder.norm(x)
    if codec.codebook is not None:
        x = codec.codebook.decode(codec.codebook.encode(codec.codebook.features(codec.to_code(x))))
    x = decoder.embed(x * decoder.input_scale)
    x = decoder.position(scatter_kept(x, keep, decoder.mask_token, preset.codec.num_patches))
    for block in decoder.blocks:
        x = block(x)
    logits = np.asarray(codec.classify(decoder.norm(x)))
    outputs = codec(images, keep, snr)
    np.testing.assert_allclose(np.asarray(outputs["logits"]), logits, atol=1e-5)
    assert len(outputs) == (6 if codec.codebook is not None else 4)


@needs_bfloat16
@pytest.mark.parametrize(("task", "importance"), [("reconstruct", "class"), ("classify", "mean")])
def test_a_step_under_mixed_bfloat16_has_finite_gradients(task, importance):
    settings = TINY.with_(
        importance={"layers": (0,), "form": importance},
        codebook={"orthogonality_weight": 0.1},
        similarity={"weight": 0.1},
    )
    with precision("mixed_bfloat16"):
        codec = make_codec(settings).initialise()
    assert codec.encoder.blocks[0].compute_dtype == "bfloat16"
    images, keep, snr = batch()
    labels = np.array([1, 2, 3, 4], np.int32)
    bit_errors = np.random.default_rng(5).integers(0, 2, (4, 8 * 4)).astype(np.int32)

    def step(images, keep):
        def loss():
            outputs = codec(images, keep, snr, bit_errors, training=True)
            terms = task_losses(codec, outputs, images, labels, keep, task, 0.1)
            return sum(terms.values()), terms

        (total, terms), gradients = value_and_grad(loss, codec.trainable_variables)
        return total, terms, [g for g in gradients if g is not None]

    total, terms, gradients = compile_function(step)(images, keep)
    expected = {"task", "codebook", "commitment", "orthogonality", "similarity"}
    assert set(terms) == expected | ({"importance"} if task == "classify" else set())
    assert total.dtype == "float32"
    assert np.isfinite(float(total))
    assert len(gradients) > 30
    for gradient in gradients:
        assert np.isfinite(ops.convert_to_numpy(gradient)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patch_size": 5}, "patch_size = 5: does not divide image_size = 16"),
        ({"encoder": {"num_heads": 3}}, "encoder.num_heads = 3: does not divide the width 16"),
        ({"codebook": {"size": 1}}, "codebook.size = 1"),
        ({"colour": 3}, "unknown setting 'colour'"),
        ({"masking": {"rule": "nope"}}, "masking.rule = 'nope': unknown"),
        ({"importance": {"layers": (1,)}}, "importance.layers = (1,): an encoder of depth 1 has the blocks 0 to 0"),
        ({"importance": {"layers": (-1,)}}, "importance.layers.0 = -1"),
        ({"importance": {"layers": (0, 0)}}, "name each at most once"),
        ({"importance": "max"}, "importance = 'max'"),
        ({"importance": {"threshold": 0.5}}, "importance.threshold = 0.5: without a feature importance module"),
        ({"importance": {"threshold": -1.0, "layers": (0,)}}, "importance.threshold = -1.0"),
        ({"importance": {"weight": float("inf")}}, "importance.weight = inf"),
        ({"codebook": {"orthogonality_weight": -0.1}}, "codebook.orthogonality_weight = -0.1"),
        ({"similarity": {"weight": float("nan")}}, "similarity.weight = nan"),
        ({"similarity": {"threshold": 0.0}}, "similarity.threshold = 0.0"),
        ({"similarity": {"threshold": 1.5}}, "(0, 1]"),
        ({"similarity": {"threshold": 0.9}, "bottleneck": "none"}, "similarity.threshold = 0.9: bottleneck 'none'"),
        (
            {"codebook": {"orthogonality_weight": 0.9}, "bottleneck": "none"},
            "codebook.orthogonality_weight = 0.9: bottleneck 'none'",
        ),
        ({"masking": {"rule": "no.such:Thing"}}, "not allowed"),
    ],
)
def test_bad_settings_are_one_clear_line(change, words):
    with pytest.raises(UserError, match=r"(?s)^(?!.*\n)") as error:
        make_masking(TINY.with_(**change))
    assert words in str(error.value)


@pytest.mark.parametrize("masking_ratio", [0.0, 0.3, 0.5, 0.9])
def test_number_of_kept_patches(masking_ratio):
    s = CodecSettings(masking={"ratio": masking_ratio})
    assert s.num_kept == round(64 * (1 - masking_ratio))
