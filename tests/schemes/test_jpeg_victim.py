"""What an attacker differentiates of JPEG+LDPC, on the shipped weights of the digits."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks.checks import backward_pass, raise_on
from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.schemes import Batch, JpegLdpcScheme, make_scheme
from sc_sionna.settings import LinkSettings

IMAGES = 48


@pytest.fixture(scope="module")
def system() -> JpegLdpcScheme:
    return made("jpeg-ldpc")


def made(name: str) -> JpegLdpcScheme:
    scheme = make_scheme(name, "digits", LinkSettings(), lambda: np.zeros((32, 32, 3), np.uint8))
    assert isinstance(scheme, JpegLdpcScheme)
    return scheme


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    test = load("digits", "test").shuffled(IMAGES)
    return to_float(test.pixels), test.labels


@pytest.mark.parametrize("name", ["jpeg-ldpc", "jpeg-ldpc[source.halved=true,source.quality=5]"])
def test_the_victim_sees_what_pillow_decodes(name, digits) -> None:
    system, images = made(name), digits[0][:4]
    pixels = np.round(images * 255).astype(np.uint8)
    decoded = to_float(np.stack([system.codec.decode(system.codec.encode(p)) for p in pixels]))
    victim = system.victim()
    (keep,) = victim.draw(4, np.random.default_rng(0))
    expected = system.classifier(decoded, keep, np.zeros(4, np.float32), training=False)["logits"]
    for backward in ("cubic", "identity"):
        logits = system.victim(backward).outputs(ops.convert_to_tensor(images), keep)["logits"]
        np.testing.assert_allclose(ops.convert_to_numpy(logits), ops.convert_to_numpy(expected), atol=1e-5)


def test_the_identity_is_flagged_and_the_differentiable_jpeg_is_not(system, digits) -> None:
    """Measured on all 359 test images, 10 steps: 63.5 % through the identity, 34.8 % through cubic rounding."""
    images, labels = digits
    settings = SourceAttackSettings(epsilon=0.05, steps=10, batch_size=IMAGES)
    accuracies = {}
    for backward in ("cubic", "identity"):
        attack = SourceAttack(system.victim(backward), settings)
        noisy = attack.craft(images, labels, rng.generator(1, backward)).images
        accuracies[backward] = float((system.error_free_predictions(Batch(noisy, labels, 0, 1), 40.0) == labels).mean())
    assert accuracies["cubic"] < accuracies["identity"] - 0.15
    assert backward_pass("cubic", accuracies).passed
    with pytest.raises(UserError, match=r"no other backward pass is stronger \(accuracy .* through identity, .* cubic"):
        raise_on([backward_pass("identity", accuracies)])


def test_an_unknown_backward_pass_is_one_line(system) -> None:
    with pytest.raises(UserError, match=r"^backward = 'none': unknown; choose cubic, identity$"):
        system.victim("none")
