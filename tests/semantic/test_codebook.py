from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from sc_sionna.core.backend import value_and_grad, value_and_input_grad
from sc_sionna.semantic.codebook import Codebook, usage
from sc_sionna.semantic.index_mapper import IndexMapper


def make(distance="euclidean", task=False, size=7, dim=3):
    codebook = Codebook(size, dim, distance, task)
    codebook.build()
    return codebook


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_encode_is_the_nearest_neighbour(distance):
    codebook = make(distance)
    raw = np.random.default_rng(0).standard_normal((4, 9, 3)).astype(np.float32)
    features = np.asarray(codebook.features(raw))
    basis = np.asarray(codebook.basis)
    if distance == "cosine":
        np.testing.assert_allclose(np.linalg.norm(features, axis=-1), 1, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(basis, axis=-1), 1, atol=1e-5)
    slow = np.array([[np.argmin([np.sum((z - e) ** 2) for e in basis]) for z in row] for row in features])
    np.testing.assert_array_equal(np.asarray(codebook.encode(features)), slow)


@pytest.mark.parametrize("training", [True, False])
def test_gradient_passes_straight_through_from_received_to_sent(training):
    codebook = make()
    features = np.random.default_rng(1).standard_normal((2, 5, 3)).astype(np.float32)
    received = np.random.default_rng(2).integers(0, 7, (2, 5)).astype(np.int32)  # unlike the sent ones
    probe = np.random.default_rng(3).standard_normal((2, 5, 3)).astype(np.float32)

    def loss(x):
        output = codebook.straight_through(x, received)
        np.testing.assert_allclose(np.asarray(output), np.asarray(codebook.decode(received)), atol=1e-6)
        return ops.sum(output * probe), None

    _, gradient = value_and_input_grad(loss, features)
    np.testing.assert_array_equal(np.asarray(gradient), probe)


@pytest.mark.parametrize("task", [True, False])
def test_task_gradient_reaches_the_codebook_only_if_asked(task):
    codebook = make(task=task)
    features = np.zeros((1, 2, 3), np.float32)
    received = np.array([[4, 4]], np.int32)

    def loss():
        return ops.sum(codebook.straight_through(features, received)), None

    _, (gradient,) = value_and_grad(loss, codebook.trainable_variables)
    if not task:
        assert gradient is None or not np.asarray(ops.convert_to_tensor(gradient)).any()
    else:
        expected = np.zeros((7, 3))
        expected[4] = 2
        np.testing.assert_array_equal(np.asarray(ops.convert_to_tensor(gradient)), expected)


def test_terms_of_equation_12_and_where_their_gradients_go():
    codebook = make()
    features = np.random.default_rng(1).standard_normal((2, 5, 3)).astype(np.float32)
    indices = np.asarray(codebook.encode(features))
    sent = np.asarray(codebook.vectors)[indices]
    gap = ((features - sent) ** 2).sum(-1).mean()
    terms = codebook.losses_of(features, indices, beta=0.3)
    assert float(terms["codebook"]) == pytest.approx(gap, rel=1e-5)
    assert float(terms["commitment"]) == pytest.approx(0.3 * gap, rel=1e-5)
    _, to_features = value_and_input_grad(lambda x: (sum(codebook.losses_of(x, indices, 0.3).values()), None), features)
    np.testing.assert_allclose(np.asarray(to_features), 0.3 * 2 * (features - sent) / 10, rtol=1e-4, atol=1e-6)
    _, (to_codes,) = value_and_grad(
        lambda: (sum(codebook.losses_of(features, indices, 0.3).values()), None), codebook.trainable_variables
    )
    expected = np.zeros((7, 3))
    np.add.at(expected, indices.ravel(), (2 * (sent - features) / 10).reshape(-1, 3))
    np.testing.assert_allclose(np.asarray(ops.convert_to_tensor(to_codes)), expected, rtol=1e-4, atol=1e-6)


def test_orthogonality_is_the_mean_squared_cosine_of_two_vectors():
    codebook = make(size=7, dim=3)
    unit = np.asarray(codebook.vectors) / np.linalg.norm(np.asarray(codebook.vectors), axis=1, keepdims=True)
    cosines = [(unit[i] @ unit[j]) ** 2 for i in range(7) for j in range(7) if i != j]
    assert float(codebook.orthogonality()) == pytest.approx(np.mean(cosines), rel=1e-4)
    assert np.mean(cosines) >= (7 / 3 - 1) / 6  # the bound of the docstring
    codebook.vectors.assign(np.ones((7, 3), np.float32))
    assert float(codebook.orthogonality()) == pytest.approx(1, rel=1e-5)


def test_orthogonality_has_its_minimum_at_orthogonal_vectors_of_any_length():
    codebook = make("cosine", size=4, dim=5)
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0][:4]
    codebook.vectors.assign((basis * [[1.0], [2.0], [0.5], [3.0]]).astype(np.float32))
    value, (gradient,) = value_and_grad(lambda: (codebook.orthogonality(), None), codebook.trainable_variables)
    assert abs(float(value[0])) < 1e-6
    np.testing.assert_allclose(np.asarray(gradient), 0, atol=1e-5)


def test_descent_on_the_orthogonality_term_spreads_the_vectors():
    codebook = make(size=8, dim=4)  # J > D: tight frames are the best there is
    for _ in range(60):
        _, (gradient,) = value_and_grad(lambda: (codebook.orthogonality(), None), codebook.trainable_variables)
        codebook.vectors.assign(np.asarray(codebook.vectors) - 20.0 * np.asarray(gradient))
    assert float(codebook.orthogonality()) == pytest.approx((8 / 4 - 1) / 7, abs=1e-3)
    unit = np.asarray(codebook.vectors) / np.linalg.norm(np.asarray(codebook.vectors), axis=1, keepdims=True)
    assert np.linalg.norm(unit.T @ unit, 2) == pytest.approx(8 / 4, abs=0.05)  # the spectral norm's least value too


def test_measures_against_collapse():
    rng = np.random.default_rng(0)
    codebook = make(size=6)
    centres = rng.standard_normal((6, 3)) * 10
    data = (centres[rng.integers(0, 6, 600)] + rng.standard_normal((600, 3)) * 0.01).astype(np.float32)
    codebook.initialise_from(data, rng)
    counts = np.bincount(np.asarray(codebook.encode(data[None]))[0], minlength=6)
    assert (counts > 0).all()
    before = np.asarray(codebook.vectors).copy()
    moved = codebook.replace_unused(np.array([5, 0, 3, 0, 1, 1]), data, rng)
    after = np.asarray(codebook.vectors)
    assert moved == 2
    np.testing.assert_array_equal(after[[0, 2, 4, 5]], before[[0, 2, 4, 5]])
    for j in (1, 3):
        assert (after[j] == data).all(axis=1).any()


def test_usage_and_perplexity():
    assert usage(np.array([5, 5, 0, 5, 5])) == {"codes_used": 4, "perplexity": pytest.approx(4.0)}
    assert usage(np.zeros(3, int)) == {"codes_used": 0, "perplexity": 0.0}


@pytest.mark.parametrize("size", [8, 10])
def test_expected_vectors_of_certain_bits_are_the_vectors_and_of_unknown_bits_their_mean(size):
    codebook = Codebook(size, 4)
    codebook.build()
    mapper = IndexMapper(size)
    indices = np.arange(size, dtype=np.int32)[None]
    certain = 60.0 * (2.0 * np.asarray(ops.convert_to_numpy(mapper.to_bits(indices)), np.float32) - 1.0)
    vectors = ops.convert_to_numpy(codebook.decode(indices))
    np.testing.assert_allclose(ops.convert_to_numpy(codebook.posterior_mean(certain)), vectors, atol=1e-5)
    patterns = np.arange(2**mapper.bits_per_index) % size  # a pattern that names no vector means the one modulo J
    unknown = ops.convert_to_numpy(codebook.posterior_mean(np.zeros((1, mapper.bits_per_index), np.float32)))[0, 0]
    np.testing.assert_allclose(unknown, vectors[0, patterns].mean(axis=0), atol=1e-5)


def test_expected_vectors_weigh_the_patterns_by_their_probability():
    codebook = Codebook(4, 3)
    codebook.build()
    llr = np.array([[0.7, -1.2]], np.float32)
    one = 1.0 / (1.0 + np.exp(-llr[0].astype(np.float64)))  # P(bit = 1), most significant first
    weights = [(1 - one[0]) * (1 - one[1]), (1 - one[0]) * one[1], one[0] * (1 - one[1]), one[0] * one[1]]
    expected = np.asarray(weights) @ ops.convert_to_numpy(codebook.basis)
    np.testing.assert_allclose(ops.convert_to_numpy(codebook.posterior_mean(llr))[0, 0], expected, atol=1e-5)
