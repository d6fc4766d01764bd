"""The analog codec under an attacker who draws for itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.schemes.victims import AnalogVictim
from sc_sionna.semantic.masking import FixedMasking
from sc_sionna.tasks import load_codec


def test_noise_that_is_drawn_on_the_host_is_not_left_out_in_the_graph() -> None:
    codec, _ = load_codec("digits", "jscc")
    every = FixedMasking(np.arange(codec.num_kept))

    def noise(count, generator):
        return generator.standard_normal((count, codec.payload_length)).astype(np.float32)

    seed = keras.random.SeedGenerator(1)
    with pytest.raises(
        UserError, match=r"^noise of type function: is drawn on the host only; .*in_graph\(count, seed\)$"
    ):
        AnalogVictim(codec, every, snr_db=3.0, noise=noise).draw_in_graph(2, seed)

    class Drawn:
        def __call__(self, count, generator):
            return noise(count, generator)

        def in_graph(self, count, seed):
            return keras.random.normal((count, codec.payload_length), seed=seed)

    keep, drawn = AnalogVictim(codec, every, snr_db=3.0, noise=Drawn()).draw_in_graph(2, seed)
    assert tuple(keep.shape) == (2, codec.num_kept)
    assert tuple(drawn.shape) == (2, codec.payload_length)
