"""Sec. IV-B: the loss of Eq. (17), and similar features sent once, against slow NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.core.backend import compile_function, value_and_input_grad
from sc_sionna.semantic.similarity import first_similar, repeat_bits, similarity_loss
from sc_sionna.tasks import make_codec
from tests.blocks import TINY


def rand(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_similarity_loss_is_equation_17_per_image_and_feature():
    features = rand(3, 5, 4)
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    expected = np.mean([-np.linalg.norm(u @ u.T) / 5 for u in unit])
    assert float(similarity_loss(features)) == pytest.approx(expected, rel=1e-5)
    assert float(similarity_loss(np.tile(rand(2, 1, 4), (1, 5, 1)))) == pytest.approx(-1, rel=1e-5)
    assert float(similarity_loss(np.eye(4, dtype=np.float32)[None])) == pytest.approx(-(4**-0.5), rel=1e-5)


def test_descent_on_the_similarity_loss_makes_features_alike():
    features = rand(2, 6, 4)
    before = float(similarity_loss(features))
    for _ in range(30):
        _, gradient = value_and_input_grad(lambda x: (similarity_loss(x), None), features)
        features = features - 3.0 * np.asarray(gradient)
    assert float(similarity_loss(features)) < before - 0.1


def test_similar_features_by_hand():
    angles = np.radians([0, 20, 40, 180, 10, 200, 40])  # 30 degrees are alike
    features = np.stack([np.cos(angles), np.sin(angles)], -1).astype(np.float32)[None]
    features = features * np.array([1, 5, 1, 2, 1, 1, 9])[None, :, None].astype(np.float32)  # length means nothing
    delta = float(np.cos(np.radians(30)))
    representatives = np.asarray(first_similar(features, delta))
    assert representatives.dtype == np.int32
    # 2 (40°) is near 1 (20°), but 1 is not sent: 0 (0°) stands for it; so 2 is sent. 4 (10°) is near 0 first
    np.testing.assert_array_equal(representatives, [[0, 0, 2, 3, 0, 3, 2]])
    # flags for 1..6; numbers: 1 among {0} 0 bits, 4 among {0,2,3} 2, 5 among three 2, 6 among three 2
    np.testing.assert_array_equal(repeat_bits(representatives), [6 + 0 + 2 + 2 + 2])
    without_first = np.array([[False] + [True] * 6])
    chosen = np.asarray(first_similar(features, delta, without_first))
    np.testing.assert_array_equal(chosen, [[0, 1, 1, 3, 1, 3, 1]])
    # flags for 2..6; 2 among {1} 0 bits, 4, 5 and 6 among {1,3} 1 each
    np.testing.assert_array_equal(repeat_bits(chosen, without_first), [5 + 0 + 1 + 1 + 1])


@pytest.mark.parametrize("delta", [0.2, 0.6, 1.0])
def test_similar_features_against_a_loop(delta):
    features = rand(6, 12, 3)
    sent_mask = np.random.default_rng(1).random((6, 12)) < 0.7
    got = np.asarray(compile_function(lambda x, m: first_similar(x, delta, m))(features, sent_mask))
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    for b in range(6):
        sent: list[int] = []
        for n in range(12):
            near = [m for m in sent if unit[b, n] @ unit[b, m] > delta] if sent_mask[b, n] else []
            assert got[b, n] == (near[0] if near else n)
            if not near and sent_mask[b, n]:
                sent.append(n)


def test_repeats_cost_flags_alone_where_nothing_repeats():
    np.testing.assert_array_equal(repeat_bits(np.tile(np.arange(8), (3, 1))), [7, 7, 7])


def test_codec_sends_similar_features_once():
    codec = make_codec(TINY.with_(similarity={"threshold": 0.8})).initialise()
    images, keep = np.random.default_rng(0).random((4, 16, 16, 3)).astype(np.float32), np.tile(np.arange(8), (4, 1))
    bit_errors = np.random.default_rng(5).integers(0, 2, (4, 8 * 4)).astype(np.int32)
    snr = np.zeros(4, np.float32)
    keep = keep.astype(np.int32)
    outputs = codec(images, keep, snr, bit_errors)
    first = np.asarray(outputs["representatives"])
    assert (first < np.arange(8)).any()  # something is alike, or the test shows nothing
    indices, received = np.asarray(outputs["indices"]), np.asarray(outputs["received_indices"])
    np.testing.assert_array_equal(indices, np.take_along_axis(indices, first, 1))
    np.testing.assert_array_equal(received, np.take_along_axis(received, first, 1))
    sent = codec.sent(outputs)
    np.testing.assert_array_equal(sent, first == np.arange(8))
    np.testing.assert_array_equal(codec.side_bits(outputs), repeat_bits(first))
    plain = make_codec(TINY).initialise()
    plain.set_weights(codec.get_weights())
    outputs = plain(images, keep, snr, bit_errors)
    np.testing.assert_array_equal(np.asarray(outputs["received_indices"])[sent], received[sent])
    np.testing.assert_array_equal(plain.side_bits(outputs), np.zeros(4))
    assert plain.sent(outputs).all()
