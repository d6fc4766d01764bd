"""The link with an ideal code: how many bits the realisations carry that a link would draw."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.bounds import ideal_bits
from sc_sionna.phy.mimo import MimoChannel, seed_of_link
from sc_sionna.phy.snr import noise_variance
from sc_sionna.settings import LinkSettings


class IdealLink:
    """Capacity in place of code and modulation: power filled into the eigenmodes of each realisation, no error.

    settings : of the link, with ``channel_uses``
    """

    def __init__(self, settings: LinkSettings) -> None:
        assert settings.channel_uses is not None
        self.num_uses = settings.channel_uses
        self._mimo = MimoChannel(settings, self.num_uses)

    def bits(self, batch_size: int, snr_db: float, seed: Tensor) -> np.ndarray:
        """Whole bits of each of B images, int64 ``[B]``; ``seed`` draws the fading that it draws for every other link."""
        no = float(noise_variance(snr_db))
        h, *_ = self._mimo.draw(batch_size, tf.fill([batch_size], tf.constant(no, tf.float32)), seed_of_link(seed))
        return np.floor(ideal_bits(np.asarray(h), no, self.num_uses).mean(axis=1)).astype(np.int64)
