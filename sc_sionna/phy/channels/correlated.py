"""Flat Rayleigh fading whose antennas are correlated, by Sionna's correlation matrices and models."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from sionna.phy.channel import KroneckerModel, PerColumnModel, exp_corr_mat, one_ring_corr_mat

from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.base import ChannelModel
from sc_sionna.phy.channels.rayleigh import RayleighChannel
from sc_sionna.settings.channel import KroneckerSettings, PerColumnSettings

# Added to the diagonal, relative: a narrow ring makes matrices that are singular in double precision, and Sionna's models
# take Cholesky factors
LOADING = 1e-9


def loaded(correlation: Any) -> tf.Tensor:
    """Correlation matrices complex128 ``[..., n, n]`` that a Cholesky factor exists of, ones on the diagonal as before."""
    r = tf.cast(correlation, tf.complex128)
    return (r + LOADING * tf.eye(r.shape[-1], dtype=r.dtype)) / (1 + LOADING)


def _one_ring(degrees: Any, num_ant: int, spread_deg: float) -> tf.Tensor:
    """One-ring matrices complex128 ``[..., n, n]`` of half-wavelength arrays for mean angles ``[...]``."""
    return loaded(one_ring_corr_mat(degrees, num_ant, sigma_phi_deg=spread_deg, precision="double"))


class KroneckerChannel(ChannelModel):
    """Rayleigh fading with correlation at both ends, exponential or of one ring.

    H = R_rx^(1/2) W (R_tx^(1/2))ᴴ with Cholesky factors and W of :class:`RayleighChannel` for the same seed: Sionna's
    ``KroneckerModel``, so that E[H Hᴴ] = tx · R_rx and E[Hᴴ H] = rx · R_tx. ``exponential`` takes R_ij = r^|i-j|,
    ``one-ring`` the matrices of Björnson, Hoydis and Sanguinetti 2017, (2.24), for half-wavelength linear arrays.
    """

    Settings = KroneckerSettings

    def __init__(self, num_rx_ant: int, num_tx_ant: int, settings: KroneckerSettings) -> None:
        super().__init__(num_rx_ant, num_tx_ant, settings)
        if settings.correlation == "exponential":
            r_rx = loaded(exp_corr_mat(settings.rx, num_rx_ant, precision="double"))
            r_tx = loaded(exp_corr_mat(settings.tx, num_tx_ant, precision="double"))
        else:
            r_rx = _one_ring(settings.arrival_deg, num_rx_ant, settings.rx_spread_deg)
            r_tx = _one_ring(settings.departure_deg, num_tx_ant, settings.tx_spread_deg)
        self.correlate = KroneckerModel(r_tx, r_rx)
        self.uncorrelated = RayleighChannel(num_rx_ant, num_tx_ant)

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """Independent realisations with the same correlation, complex64 ``[batch_size, num_realisations, rx, tx]``."""
        w = self.uncorrelated(batch_size, num_realisations, seed)
        return tf.cast(self.correlate(tf.cast(w, tf.complex128)), tf.complex64)


class PerColumnChannel(ChannelModel):
    """Rayleigh fading with one ring per transmit antenna, which then stands for a user at an angle of its own.

    Column k of H is R_k^(1/2) w_k, Sionna's ``PerColumnModel``, R_k the one-ring matrix of the receive array for the k-th of
    ``tx`` angles that divide the sector evenly.
    """

    Settings = PerColumnSettings

    def __init__(self, num_rx_ant: int, num_tx_ant: int, settings: PerColumnSettings) -> None:
        super().__init__(num_rx_ant, num_tx_ant, settings)
        places = (np.arange(num_tx_ant) + 0.5) / num_tx_ant - 0.5  # within the sector, in (-1/2, 1/2)
        angles = settings.centre_deg + settings.sector_deg * places
        self.correlate = PerColumnModel(_one_ring(angles, num_rx_ant, settings.spread_deg))
        self.uncorrelated = RayleighChannel(num_rx_ant, num_tx_ant)

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """Independent realisations with the same correlation, complex64 ``[batch_size, num_realisations, rx, tx]``."""
        w = self.uncorrelated(batch_size, num_realisations, seed)
        return tf.cast(self.correlate(tf.cast(w, tf.complex128)), tf.complex64)
