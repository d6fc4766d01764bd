"""θ → θ + ν → θ: the size of ν, what it leaves alone, and that the weights always come back bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from sc_sionna.core.errors import UserError
from sc_sionna.tasks import make_codec
from sc_sionna.training.perturbation import perturbed, perturbed_variables
from tests.blocks import TINY


@pytest.fixture(scope="module")
def model():
    return make_codec(TINY).initialise()


def values(variables) -> list[np.ndarray]:
    return [ops.convert_to_numpy(v.value).copy() for v in variables]


def random_gradients(variables, seed: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(tuple(v.shape)).astype(np.float32) for v in variables]


def test_the_perturbation_has_the_set_relative_norm_and_direction(model):
    variables = model.trainable_variables
    gradients, before = random_gradients(variables), values(variables)
    chosen = set(perturbed_variables(variables))
    with perturbed(variables, gradients, 0.01):
        inside = values(variables)
    for i, (old, new, g) in enumerate(zip(before, inside, gradients, strict=True)):
        nu = new.astype(np.float64) - old
        if i not in chosen:
            assert not nu.any(), variables[i].path
            continue
        size = 0.01 * np.linalg.norm(old)
        assert np.linalg.norm(nu) == pytest.approx(size, rel=1e-3)
        assert np.vdot(nu, g) == pytest.approx(size * np.linalg.norm(g), rel=1e-3)  # along the gradient


def test_only_kernels_move(model):
    names = [v.path for v in model.trainable_variables]
    chosen = [names[i] for i in perturbed_variables(model.trainable_variables)]
    assert chosen
    assert all(name.endswith("kernel") for name in chosen)
    assert not any(part in name for name in chosen for part in ("codebook", "position", "norm", "bias"))


def test_weights_come_back_bit_for_bit_also_after_an_exception(model):
    variables = model.trainable_variables
    gradients, before = random_gradients(variables), values(variables)
    with perturbed(variables, gradients, 0.005):
        pass
    assert all((a == b).all() for a, b in zip(before, values(variables), strict=True))
    with pytest.raises(RuntimeError, match="inside"), perturbed(variables, gradients, 0.005):
        raise RuntimeError("inside")
    assert all((a == b).all() for a, b in zip(before, values(variables), strict=True))


def test_missing_zero_and_infinite_gradients_move_nothing(model):
    variables = model.trainable_variables
    first, second, third = perturbed_variables(variables)[:3]
    gradients: list = random_gradients(variables)
    gradients[first] = None
    gradients[second] = np.zeros_like(gradients[second])
    gradients[third] = np.full_like(gradients[third], np.inf)
    before = values(variables)
    with perturbed(variables, gradients, 0.01):
        inside = values(variables)
    for i in (first, second, third):
        assert (inside[i] == before[i]).all()
    assert all(np.isfinite(x).all() for x in inside)


@pytest.mark.parametrize("gamma", [0.0, 1.0, -0.1, float("nan")])
def test_gamma_outside_the_open_interval_is_refused(model, gamma):
    variables = model.trainable_variables
    with pytest.raises(UserError, match="gamma"), perturbed(variables, random_gradients(variables), gamma):
        pass
