"""Generic tests of every layer of the codec, one table row each."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from sc_sionna.core.backend import value_and_grad, value_and_input_grad
from sc_sionna.training.optimizer import precision
from tests.blocks import needs_bfloat16, rows

ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
class TestEveryLayer:
    def test_shape_and_dtype(self, row):
        output = row.make()(*row.inputs)
        assert tuple(output.shape) == row.shape
        assert np.isfinite(np.asarray(output)).all()

    def test_each_sample_is_alone(self, row):
        layer = row.make()
        whole = np.asarray(layer(*row.inputs))
        alone = np.asarray(layer(*[x[1:2] for x in row.inputs]))
        np.testing.assert_allclose(whole[1:2], alone, atol=2e-5)

    def test_input_gradient_matches_finite_difference(self, row):
        layer = row.make()
        layer(*row.inputs)
        rng = np.random.default_rng(3)
        direction = rng.standard_normal(row.inputs[0].shape).astype(np.float32)
        probe = rng.standard_normal(row.shape).astype(np.float32)

        def loss(x):
            return ops.sum(layer(x, *row.inputs[1:]) * probe), None

        _, gradient = value_and_input_grad(loss, row.inputs[0])
        step = 1e-2
        forward, backward = (float(loss(row.inputs[0] + sign * step * direction)[0]) for sign in (1, -1))
        measured = (forward - backward) / (2 * step)
        assert measured == pytest.approx(float((np.asarray(gradient) * direction).sum()), rel=0.05, abs=0.05)

    def test_every_weight_gets_a_gradient(self, row):
        layer = row.make()
        probe = np.random.default_rng(4).standard_normal(row.shape).astype(np.float32)
        layer(*row.inputs)
        _, gradients = value_and_grad(lambda: (ops.sum(layer(*row.inputs) * probe), None), layer.trainable_variables)
        for gradient, variable in zip(gradients, layer.trainable_variables, strict=True):
            assert gradient is not None, variable.path
            dense = ops.convert_to_numpy(ops.convert_to_tensor(gradient))
            assert np.isfinite(dense).all()
            # the bias of the keys has no effect on a softmax over keys, everything else must learn
            assert np.abs(dense).max() > 0, variable.path

    @needs_bfloat16
    def test_bfloat16_agrees(self, row):
        keras.utils.set_random_seed(0)
        full = row.make()
        expected = np.asarray(full(*row.inputs))
        with precision("mixed_bfloat16"):
            half = row.make()
            half(*row.inputs)
        half.set_weights(full.get_weights())
        got = np.asarray(ops.cast(half(*row.inputs), "float32"))
        assert np.abs(got - expected).max() < 0.05 * max(1.0, np.abs(expected).max())
