"""Flat Rayleigh fading that ages."""

from __future__ import annotations

from math import pi, sqrt

import tensorflow as tf
from scipy.special import j0

from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.base import ChannelModel
from sc_sionna.phy.channels.rayleigh import RayleighChannel
from sc_sionna.settings.channel import GaussMarkovSettings


class GaussMarkovChannel(ChannelModel):
    """Rayleigh fading that ages, a first-order Gauss-Markov process in time.

    h_0 = w_0 and h_r = ρ h_(r-1) + sqrt(1 - ρ²) w_r with ρ = J_0(2π f_D T), T the time from one realisation to the next and
    f_D the Doppler frequency. So the correlation is Clarke's at a lag of one realisation, and the l-th power of that at a
    lag of l. The innovations w are the realisations of :class:`RayleighChannel` for the same seed. Precoder and receiver
    know every h_r.
    """

    Settings = GaussMarkovSettings
    ordered = True

    @property
    def correlation(self) -> float:
        """ρ between neighbouring realisations."""
        seconds = self.uses_per_realisation * self.settings.use_us * 1e-6
        return float(j0(2 * pi * self.settings.doppler_hz * seconds))

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """Realisations in the order of time, complex64 ``[batch_size, num_realisations, rx, tx]``."""
        rho = self.correlation
        w = RayleighChannel(self.num_rx_ant, self.num_tx_ant)(batch_size, num_realisations, seed)
        h = tf.concat([w[:, :1], sqrt(1 - rho**2) * w[:, 1:]], axis=1)
        # the recursion 1/(1 - ρz) = (1 + ρz)(1 + ρ²z²)(1 + ρ⁴z⁴)…, in log2 of the number of realisations steps
        lag = 1
        while lag < num_realisations:
            h += rho**lag * tf.pad(h[:, :-lag], [[0, 0], [lag, 0], [0, 0], [0, 0]])
            lag *= 2
        return h
