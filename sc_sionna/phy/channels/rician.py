"""Flat Rician fading."""

from __future__ import annotations

from math import pi

import tensorflow as tf

from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.base import ChannelModel
from sc_sionna.phy.channels.rayleigh import RayleighChannel
from sc_sionna.settings.channel import RicianSettings


def steering(num_ant: int, degrees: tf.Tensor) -> tf.Tensor:
    """Response of a half-wavelength uniform linear array to a plane wave, exp(jπ n sin θ): complex64 ``[..., num_ant]``.

    degrees : ``[...]``, float32, the angle θ from broadside
    """
    phase = pi * tf.sin(degrees[..., None] * (pi / 180)) * tf.range(num_ant, dtype=tf.float32)
    return tf.complex(tf.cos(phase), tf.sin(phase))


class RicianChannel(ChannelModel):
    """Rician fading: a line of sight between linear arrays, and Rayleigh scattering.

    H = sqrt(K/(K+1)) a(arrival) a(departure)ᵀ + sqrt(1/(K+1)) W, W with independent entries CN(0, 1) (Tse and Viswanath
    2005, 7.2.1 and 2.4.2). The angles are one pair per image, fixed or uniform in (-90°, 90°); the realisations of an image
    differ in W, which is that of :class:`RayleighChannel` for the same seed.
    """

    Settings = RicianSettings

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """Line of sight and scattering, complex64 ``[batch_size, num_realisations, rx, tx]``."""
        k = 10.0 ** (self.settings.k_db / 10.0)
        sides = ((self.num_rx_ant, self.settings.arrival_deg), (self.num_tx_ant, self.settings.departure_deg))
        a_rx, a_tx = (
            steering(
                number, self._angles(batch_size, degrees, tf.random.experimental.stateless_fold_in(seed, 1 + side))
            )
            for side, (number, degrees) in enumerate(sides)
        )  # [batch, rx], [batch, tx]
        sight = a_rx[:, None, :, None] * a_tx[:, None, None, :]
        scattered = RayleighChannel(self.num_rx_ant, self.num_tx_ant)(batch_size, num_realisations, seed)
        return (k / (k + 1)) ** 0.5 * sight + (1 / (k + 1)) ** 0.5 * scattered

    @staticmethod
    def _angles(batch_size: int | Tensor, fixed: float | None, seed: Tensor) -> tf.Tensor:
        """Degrees ``[batch_size]``, drawn where none is fixed."""
        if fixed is not None:
            return tf.fill([batch_size], fixed)
        return tf.random.stateless_uniform([batch_size], seed, -90.0, 90.0)
