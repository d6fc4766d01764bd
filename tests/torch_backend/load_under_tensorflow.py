"""Run by `make test-torch` after the training under PyTorch: the same weights give the same outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

EXCHANGE = Path(__file__).resolve().parents[2] / "runs" / "torch-exchange"


def test_outputs_agree():
    import keras

    assert keras.backend.backend() == "tensorflow"
    from sc_sionna.tasks import load_codec

    with np.load(EXCHANGE / "outputs.npz", allow_pickle=False) as stored:
        expected = {name: stored[name] for name in stored.files}
    model, _ = load_codec("digits", "masked-vqvae", EXCHANGE)
    images, keep, flips = (expected.pop(name) for name in ("images", "keep", "flips"))
    outputs = model(images, keep, np.zeros(len(images), np.float32), flips)
    np.testing.assert_array_equal(np.asarray(outputs["indices"]), expected["indices"])
    for name, value in expected.items():
        np.testing.assert_allclose(np.asarray(outputs[name]), value, atol=1e-4, err_msg=name)
