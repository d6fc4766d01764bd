"""No fading."""

from __future__ import annotations

import tensorflow as tf

from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.base import ChannelModel


class AWGNChannel(ChannelModel):
    """No fading: H is the identity (ones on the diagonal, where the numbers of antennas differ).

    Each receive antenna hears one transmit antenna, so that E|h|² over all entries is the share of ones.
    """

    @property
    def expected_energy(self) -> float:
        """The share of ones in H, 1 / max(receive, transmit antennas)."""
        return 1.0 / max(self.num_rx_ant, self.num_tx_ant)

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """The same ones for every image and realisation; ``seed`` is not used."""
        eye = tf.eye(self.num_rx_ant, self.num_tx_ant, dtype=tf.complex64)
        return tf.tile(eye[None, None], [batch_size, num_realisations, 1, 1])
