"""Feature importance module, Eq. (13) to (16), against an independent NumPy derivation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from keras import ops

from sc_sionna.core.backend import value_and_grad
from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import make_masking
from sc_sionna.semantic.importance import FeatureImportance, candidate_positions, sent_features
from sc_sionna.tasks import make_codec
from sc_sionna.tasks.classification import mean_cross_entropy
from sc_sionna.training.losses import task_losses
from tests.blocks import TINY

P, C, N, M, B = 16, 10, 8, 6, 5
ONE = TINY.with_(importance={"layers": (0,)})
TWO = TINY.with_(encoder={"depth": 3}, importance={"layers": (2, 0), "weight": 0.7})
LABELS = np.array([3, 1, 4, 1], np.int32)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def randomise(layer, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    for variable in layer.variables:
        variable.assign(scale * rng.standard_normal(variable.shape).astype(np.float32))
    return layer


def inputs(count=4):
    rng = np.random.default_rng(0)
    images = rng.random((count, 16, 16, 3)).astype(np.float32)
    return images, make_masking(TINY)(count, rng), np.full(count, 3.0, np.float32)


@lru_cache  # no test changes a codec
def scaled_codec(settings, scale=1.0):
    codec = make_codec(settings).initialise()
    for i, fim in codec.encoder.importance.items():
        randomise(fim, i, scale)
    return codec


def derive(fim, tokens, keep, snr_db, rows=None):
    """Eq. (13) to (15) with loops: re-weighted tokens, scores and weights; ``rows`` are class rows, None the mean."""
    scale, gain, offset, kernel = (np.asarray(v) for v in (fim.scale, fim.snr_gain, fim.offset, fim.matrix.kernel))
    w = kernel.T  # [C, P + 1], the first column is the SNR's
    scores, weights = np.zeros((len(tokens), C)), np.zeros((len(tokens), tokens.shape[1]))
    for b in range(len(tokens)):
        mu = snr_db[b] / 10
        activation = np.zeros(P + 1)
        activation[0] = mu
        for n, p in enumerate(keep[b]):
            f_hat = tokens[b, n].sum() / tokens.shape[2]
            activation[1 + p] = max(0.0, scale[p] * f_hat + gain[p] * mu + offset[p])
        scores[b] = w @ activation
        w_hat = np.array([sum(w[c, 1 + p] for c in range(C)) / C for p in range(P)])
        if rows is not None:
            w_hat = w[scores[b].argmax() if isinstance(rows, str) else rows[b], 1:]
        weights[b] = (P * softmax(w_hat))[keep[b]]
    return tokens * weights[..., None], scores, weights


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("importance", "rows"), [("mean", None), ("class", "predicted")])
def test_equations_13_to_15(importance, rows, training):
    rng = np.random.default_rng(3)
    tokens = rng.standard_normal((B, N, M)).astype(np.float32)
    keep = make_masking(TINY)(B, rng)
    snr_db = np.array([-3, 0, 3, 12, 18], np.float32)
    fim = FeatureImportance(P, C, importance)
    fim(tokens, keep, snr_db)
    randomise(fim)
    got = fim(tokens, keep, snr_db, training=training)
    for value, expected in zip(got, derive(fim, tokens, keep, snr_db, rows), strict=True):
        np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(fim.table()).mean(axis=1), 1, rtol=1e-5)
    if importance == "class":
        labels = rng.integers(0, C, B).astype(np.int32)
        taught = fim(tokens, keep, snr_db, labels, training=training)
        expected = derive(fim, tokens, keep, snr_db, labels if training else rows)[2]
        np.testing.assert_allclose(np.asarray(taught[2]), expected, rtol=1e-4)


def test_a_fresh_module_changes_little():
    fim = FeatureImportance(P, C)
    tokens = np.random.default_rng(0).standard_normal((B, N, M)).astype(np.float32)
    weighted, _, _ = fim(tokens, make_masking(TINY)(B, np.random.default_rng(0)), np.zeros(B, np.float32))
    assert np.abs(np.asarray(weighted) - tokens).max() < 0.5 * np.abs(tokens).max()


def test_equation_16_is_the_mean_cross_entropy_of_the_modules():
    codec = scaled_codec(TWO)
    images, keep, snr = inputs()
    outputs = codec(images, keep, snr)
    assert [tuple(p.shape) for p in outputs["importance_logits"]] == [(4, C)] * 2
    terms = task_losses(codec, outputs, images, LABELS, keep, "classify", 0.0)
    entropies = [-np.log(softmax(np.asarray(p))[range(4), LABELS]).mean() for p in outputs["importance_logits"]]
    assert float(terms["importance"]) == pytest.approx(0.7 / 2 * sum(entropies), rel=1e-4)
    assert "importance" not in task_losses(codec, outputs, images, LABELS, keep, "reconstruct", 0.0)
    assert set(terms) == {"task", "importance", "codebook", "commitment"}


def test_modules_sit_after_the_named_blocks():
    codec = scaled_codec(TWO)
    images, keep, snr = inputs()
    encoder = codec.encoder
    outputs = encoder(images, keep, snr, details=True)
    kept = np.take_along_axis(np.asarray(encoder.position(encoder.embed(_patches(images)))), keep[..., None], axis=1)
    first = np.asarray(encoder.blocks[0](kept))
    weighted, scores, _ = derive(encoder.importance[0], first, keep, snr)
    np.testing.assert_allclose(np.asarray(outputs["importance_logits"][0]), scores, rtol=1e-3, atol=1e-3)
    last = np.asarray(encoder.blocks[2](encoder.blocks[1](weighted.astype(np.float32))))
    _, scores, weights = derive(encoder.importance[2], last, keep, snr)
    np.testing.assert_allclose(np.asarray(outputs["importance_logits"][1]), scores, rtol=1e-3, atol=1e-3)
    hidden = np.asarray(encoder.norm(last)) * weights[..., None]  # the final normalisation would undo the weights
    np.testing.assert_allclose(np.asarray(outputs["hidden"]), hidden, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(np.asarray(encoder(images, keep, snr)), np.asarray(outputs["hidden"]))


def _patches(images):
    from sc_sionna.semantic.patches import patchify

    return patchify(images - 0.5, 4)


@pytest.mark.parametrize("importance", ["mean", "class"])
def test_the_task_and_the_modules_loss_both_train_the_matrix(importance):
    codec = scaled_codec(TINY.with_(encoder={"depth": 2}, importance={"layers": (0,), "form": importance}), 0.3)
    images, keep, snr = inputs()
    kernel = codec.encoder.importance[0].matrix.kernel

    def gradient_of(term):
        def loss():
            outputs = codec(images, keep, snr, training=True)
            return task_losses(codec, outputs, images, LABELS, keep, "classify", 0.0)[term], None

        return np.asarray(value_and_grad(loss, [kernel])[1][0])

    of_task, of_module = gradient_of("task"), gradient_of("importance")
    assert np.isfinite(of_task).all()
    assert np.abs(of_task[1:]).max() > 1e-6
    assert np.abs(of_module).max() > 1e-3
    # the softmax of Eq. (15) does not see what is common to all classes, which is all that Eq. (14) keeps
    np.testing.assert_allclose(of_module.sum(axis=1), 0, atol=1e-5)


def test_labels_are_for_training_only():
    codec = scaled_codec(TINY.with_(encoder={"depth": 2}, importance={"layers": (0,), "form": "class"}))
    images, keep, snr = inputs()
    predicted = np.asarray(codec(images, keep, snr)["importance_logits"][0]).argmax(-1)
    labels = ((predicted + 3) % 10).astype(np.int32)
    for training in (False, None):
        told = codec(images, keep, snr, None, labels, training=training)
        np.testing.assert_array_equal(np.asarray(told["features"]), np.asarray(codec(images, keep, snr)["features"]))
    taught = codec(images, keep, snr, None, labels, training=True)
    untaught = codec(images, keep, snr, training=True)
    assert np.abs(np.asarray(taught["features"]) - np.asarray(untaught["features"])).max() > 1e-3
    np.testing.assert_array_equal(
        np.asarray(untaught["features"]), np.asarray(codec(images, keep, snr, training=False)["features"])
    )
    features, indices = codec.encode(images, keep, snr)
    np.testing.assert_array_equal(np.asarray(indices), np.asarray(untaught["indices"]))
    np.testing.assert_array_equal(np.asarray(features), np.asarray(untaught["features"]))


def test_a_codec_with_modules_needs_the_snr():
    images, keep, _ = inputs()
    with pytest.raises(UserError, match=r"snr_db = None: .* pass it in dB"):
        scaled_codec(ONE).encode(images, keep)
    assert make_codec(TINY).initialise().encode(images, keep)[1].shape == (4, 8)


# ---------------------------------------------------------------------- the threshold


def test_candidates_reach_the_threshold_in_every_module_for_some_class():
    first = np.array([[0.5, 1.0, 1.5, 1.0], [1.2, 0.1, 1.5, 1.2]])
    second = np.array([[1.5, 1.5, 0.4, 0.6]])
    np.testing.assert_array_equal(candidate_positions([first], 1.1, 4), [0, 2, 3])
    np.testing.assert_array_equal(candidate_positions([first, second], 0.6, 4), [0, 1, 3])
    np.testing.assert_array_equal(candidate_positions([], 0.0, 4), [0, 1, 2, 3])
    with pytest.raises(UserError, match=r"importance.threshold = 1.25: sends nothing, the largest .* is 1.2 .* 1.2$"):
        candidate_positions([first, second], 1.25, 4)


def test_a_threshold_of_the_mean_importance_is_known_to_both_ends():
    codec = scaled_codec(ONE.with_(importance={"threshold": 1.1}))
    table = np.asarray(codec.encoder.importance[0].table())
    expected = np.flatnonzero(table[0] >= 1.1)
    assert 0 < len(expected) < 8
    np.testing.assert_array_equal(codec.candidate_positions(), expected)
    assert codec.num_kept == len(expected)
    keep = make_masking(codec.settings, codec.candidate_positions())(4, np.random.default_rng(0))
    np.testing.assert_array_equal(keep, np.tile(expected, (4, 1)))
    images, _, snr = inputs()
    outputs = codec(images, keep, snr)
    assert "sent_mask" not in outputs
    assert outputs["indices"].shape == (4, len(expected))
    np.testing.assert_array_equal(codec.side_bits(outputs), np.zeros(4))
    np.testing.assert_array_equal(scaled_codec(ONE).candidate_positions(), np.arange(16))
    assert scaled_codec(ONE).num_kept == 8


@pytest.mark.parametrize("importance", ["mean", "class"])
def test_a_threshold_that_sends_nothing_is_an_error(importance):
    codec = scaled_codec(ONE.with_(importance={"threshold": 15.9, "form": importance}))
    with pytest.raises(
        UserError, match=r"(?s)^(?!.*\n)importance.threshold = 15.9: sends nothing, .* at most"
    ) as error:
        codec.candidate_positions()
    allowed = float(str(error.value).split()[-1])
    codec.settings = codec.settings.with_(importance={"threshold": allowed})
    assert len(codec.candidate_positions()) >= 1


def test_features_below_the_threshold_are_not_sent_but_one_always_is():
    weights = np.array([[0.5, 1.0, 2.0], [0.1, 0.3, 0.2]], np.float32)
    expected = [[False, True, True], [False, True, False]]
    np.testing.assert_array_equal(np.asarray(sent_features(weights, 1.0)), expected)
    assert np.asarray(sent_features(weights, 0.0)).all()


def test_what_is_dropped_by_content_is_a_mask_token_at_the_receiver():
    codec = scaled_codec(
        TINY.with_(encoder={"depth": 2}, importance={"layers": (0, 1), "form": "class", "threshold": 0.7}), 0.3
    )
    images, keep, snr = inputs()
    outputs = codec(images, keep, snr)
    sent = np.asarray(outputs["sent_mask"])
    assert sent.dtype == bool
    assert 0 < sent.sum() < sent.size
    tables = [np.asarray(codec.encoder.importance[i].table()) for i in (0, 1)]
    for b in range(4):
        rows = [np.asarray(p)[b].argmax() for p in outputs["importance_logits"]]
        least = np.minimum(*(table[row][keep[b]] for table, row in zip(tables, rows, strict=True)))
        np.testing.assert_array_equal(sent[b], least >= min(0.7, least.max()))
    np.testing.assert_array_equal(codec.sent(outputs), sent)
    np.testing.assert_array_equal(codec.side_bits(outputs), [8] * 4)  # one bit per kept patch
    assert np.asarray(ops.any(ops.equal(codec.encoder(images, keep, snr), 0.0)))
    received = np.random.default_rng(1).random((4, 8, 4)).astype(np.float32)
    other = np.where(sent[..., None], received, 9.0).astype(np.float32)
    logits = np.asarray(codec.decode(received, keep, snr, sent)["logits"])
    np.testing.assert_allclose(np.asarray(codec.decode(other, keep, snr, sent)["logits"]), logits, atol=1e-5)
    assert np.abs(np.asarray(codec.decode(other, keep, snr)["logits"]) - logits).max() > 1e-3
    fewer = [np.where(sent[b])[0] for b in range(4)]
    for b in range(4):  # the same as if these patches had been masked
        alone = codec.decode(received[b : b + 1, fewer[b]], keep[b : b + 1, fewer[b]], snr[:1])["logits"]
        np.testing.assert_allclose(np.asarray(alone)[0], logits[b], atol=1e-4)


def test_importance_and_similarity_add_their_side_information():
    settings = ONE.with_(importance={"form": "class", "threshold": 0.7}, similarity={"threshold": 0.5})
    codec = scaled_codec(settings, 0.3)
    images, keep, snr = inputs()
    outputs = codec(images, keep, snr)
    sent, first = np.asarray(outputs["sent_mask"]), np.asarray(outputs["representatives"])
    assert (codec.side_bits(outputs) >= 8 + sent.sum(1) - 1).all()
    assert np.take_along_axis(sent, first, 1)[sent].all()  # what stands for a sent feature is itself sent
    assert (first[~sent] == np.nonzero(~sent)[1]).all()
    np.testing.assert_array_equal(codec.sent(outputs), sent & (first == np.arange(8)))


def test_weights_of_several_modules_survive_the_disk(tmp_path):
    codec, other = scaled_codec(TWO), make_codec(TWO).initialise()
    codec.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    images, keep, snr = inputs()
    for a, b in zip(
        codec(images, keep, snr)["importance_logits"], other(images, keep, snr)["importance_logits"], strict=True
    ):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    for i in (0, 2):
        np.testing.assert_array_equal(
            np.asarray(codec.encoder.importance[i].matrix.kernel), np.asarray(other.encoder.importance[i].matrix.kernel)
        )


def test_plain_vit_with_modules():
    codec = scaled_codec(
        ONE.with_(bottleneck="none", masking={"ratio": 0.0}, importance={"form": "class", "threshold": 0.5})
    )
    images, _, snr = inputs()
    outputs = codec(images, np.tile(np.arange(16, dtype=np.int32), (4, 1)), snr)
    assert set(outputs) == {"features", "tokens", "logits", "image", "importance_logits", "sent_mask"}
    assert np.isfinite(float(mean_cross_entropy(outputs["logits"], LABELS)))
