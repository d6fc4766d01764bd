"""The analog training channel in closed form has the noise of the analog link."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.phy.analog_link import AnalogLink
from sc_sionna.settings import LinkSettings
from sc_sionna.training.analog import AnalogChannel

IMAGES, USES, SNR_DB = 3000, 6, 3.0


@pytest.mark.parametrize("num_streams", [1, 2, 4])
def test_noise_power_per_image_agrees_with_the_link(num_streams):
    settings = LinkSettings(num_streams=num_streams)
    x = np.ones((IMAGES, USES, num_streams), np.complex64)
    x_hat, _ = AnalogLink(settings, USES)(x, SNR_DB, rng.seed_words(1, "analog"))
    on_link = np.log(np.mean(np.abs(np.asarray(x_hat) - x) ** 2, axis=1))  # [images, streams]
    drawn = AnalogChannel(settings, SNR_DB).error(IMAGES, 2 * USES * num_streams, rng.generator(2, "analog"))
    pairs = drawn.reshape(IMAGES, USES, num_streams, 2)
    closed_form = np.log(np.mean(np.sum(pairs.astype(np.float64) ** 2, axis=-1), axis=1))
    for stream in range(num_streams):  # mean and spread of the log power of every stream
        a, b = on_link[:, stream], closed_form[:, stream]
        assert abs(a.mean() - b.mean()) <= 4 * np.sqrt(a.var() / IMAGES + b.var() / IMAGES)
        spread_error = np.sqrt(sum((((z - z.mean()) ** 2).var()) / IMAGES for z in (a, b)))
        assert abs(a.var() - b.var()) <= 4 * spread_error


def test_the_strongest_stream_has_the_least_noise_and_draws_repeat():
    channel = AnalogChannel(LinkSettings(), SNR_DB)
    noise = channel.error(2000, 64, rng.generator(3, "a"))
    power = (noise.reshape(2000, 8, 4, 2) ** 2).mean(axis=(0, 1, 3))
    assert (np.diff(power) > 0).all()
    assert (noise == channel.error(2000, 64, rng.generator(3, "a"))).all()


@pytest.mark.parametrize("values", [{"precoder": "dft"}, {"channel": "awgn"}, {"coherence": "symbol"}])
def test_other_links_are_refused_with_a_remedy(values):
    with pytest.raises(UserError, match=r"train\.channel = 'link'"):
        AnalogChannel(LinkSettings(**values), SNR_DB)
