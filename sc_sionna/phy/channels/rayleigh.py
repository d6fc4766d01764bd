"""Flat Rayleigh fading."""

from __future__ import annotations

import tensorflow as tf

from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.base import ChannelModel, complex_normal


class RayleighChannel(ChannelModel):
    """Flat Rayleigh fading: independent entries CN(0, 1)."""

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """Independent CN(0, 1) entries, complex64 ``[batch_size, num_realisations, rx, tx]``."""
        # realisation first, so that a shorter payload sees a prefix of the same fading
        h = complex_normal([num_realisations, batch_size, self.num_rx_ant, self.num_tx_ant], seed)
        return tf.transpose(h, [1, 0, 2, 3])
