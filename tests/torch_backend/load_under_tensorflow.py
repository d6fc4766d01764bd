"""Run by `make test-torch` after the training under PyTorch: the same weights give the same outputs, and the same
semantic noise for the same draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np

EXCHANGE = Path(__file__).resolve().parents[2] / "runs" / "torch-exchange"


def test_outputs_agree():
    import keras

    from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
    from sc_sionna.attacks.victim import CodecVictim
    from sc_sionna.data import load
    from sc_sionna.semantic.codec import make_masking

    assert keras.backend.backend() == "tensorflow"
    from sc_sionna.tasks import load_codec

    with np.load(EXCHANGE / "outputs.npz", allow_pickle=False) as stored:
        expected = {name: stored[name] for name in stored.files}
    model, _ = load_codec("digits", "masked-vqvae", EXCHANGE)
    images, keep, bit_errors = (expected.pop(name) for name in ("images", "keep", "bit_errors"))
    attacked = expected.pop("attacked")
    victim = CodecVictim(model, make_masking(model.settings), snr_db=0.0)
    attack = SourceAttack(victim, SourceAttackSettings(epsilon=0.05, steps=3, draws=2, batch_size=8))
    noisy = attack.craft(images, load("digits", "val").labels[:8], np.random.default_rng(2)).images
    # a gradient near 0 may change its sign between the backends: then a step's α, in few pixels
    assert np.abs(attacked - images).max() > 0.049
    assert np.mean(np.abs(noisy - attacked) > 1e-5) < 0.02
    outputs = model(images, keep, np.zeros(len(images), np.float32), bit_errors)
    np.testing.assert_array_equal(np.asarray(outputs["indices"]), expected["indices"])
    for name, value in expected.items():
        np.testing.assert_allclose(np.asarray(outputs[name]), value, atol=1e-4, err_msg=name)
