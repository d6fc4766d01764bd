"""Channel models by name, and how a user adds one.

A channel model draws channel matrices; the link multiplies, adds noise and equalises. To add one without editing the
package, write a class with one method and name it in the settings as ``channel="my_module:RicianChannel"``::

    import tensorflow as tf
    from sc_sionna.phy.channels import ChannelModel, complex_normal

    class RicianChannel(ChannelModel):
        '''Line of sight with K-factor 6 dB: H = sqrt(K/(K+1)) a_r a_t^T + sqrt(1/(K+1)) Rayleigh.'''

        def call(self, batch_size, num_realisations, seed):
            k_factor = 10 ** 0.6
            shape = [batch_size, num_realisations, self.num_rx_ant, self.num_tx_ant]
            scattered = complex_normal(shape, tf.random.experimental.stateless_fold_in(seed, 0))
            angles = tf.random.stateless_uniform(
                [batch_size, 1, 2], tf.random.experimental.stateless_fold_in(seed, 1), -1.0, 1.0)
            def steer(n, sine):
                phase = 3.14159265 * sine[..., None] * tf.range(n, dtype=tf.float32)
                return tf.complex(tf.cos(phase), tf.sin(phase))
            sight = (steer(self.num_rx_ant, angles[..., 0])[..., :, None]
                     * steer(self.num_tx_ant, angles[..., 1])[..., None, :])
            return (k_factor / (k_factor + 1)) ** 0.5 * sight + (1 / (k_factor + 1)) ** 0.5 * scattered

E|h|² must be 1 for every entry, or the SNR is not what the settings say; ``python -m sc_sionna validate`` checks the
built-in models.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import tensorflow as tf
from sionna.phy import Block

from sc_sionna.core.plugins import resolve
from sc_sionna.settings import LinkSettings


def complex_normal(shape: Any, seed: Any) -> tf.Tensor:
    """Circularly symmetric complex Gaussian of variance 1 from a stateless seed ``[2]``: complex64."""
    parts = tf.random.stateless_normal(tf.concat([shape, [2]], 0), seed, stddev=0.5**0.5)
    return tf.complex(parts[..., 0], parts[..., 1])


class ChannelModel(Block):
    """Draws channel matrices. Subclasses write ``call``.

    Input
    -----
    batch_size : int, number of images
    num_realisations : int, fading realisations per image
    seed : int32 [2], for ``tf.random.stateless_*``; the same seed gives the same matrices

    Output
    ------
    h : [batch_size, num_realisations, num_rx_ant, num_tx_ant] (or 1 in place of num_realisations), complex64, E|h|² = 1
    """

    def __init__(self, num_rx_ant: int, num_tx_ant: int) -> None:
        super().__init__()
        self.num_rx_ant = num_rx_ant
        self.num_tx_ant = num_tx_ant

    @abstractmethod
    def call(self, batch_size: Any, num_realisations: int, seed: Any) -> tf.Tensor: ...


class RayleighChannel(ChannelModel):
    """Flat Rayleigh fading: independent entries CN(0, 1)."""

    def call(self, batch_size: Any, num_realisations: int, seed: Any) -> tf.Tensor:
        # realisation first, so that a shorter payload sees a prefix of the same fading
        h = complex_normal([num_realisations, batch_size, self.num_rx_ant, self.num_tx_ant], seed)
        return tf.transpose(h, [1, 0, 2, 3])


class AWGNChannel(ChannelModel):
    """No fading: H is the identity (ones on the diagonal, where the numbers of antennas differ)."""

    def call(self, batch_size: Any, num_realisations: int, seed: Any) -> tf.Tensor:
        eye = tf.eye(self.num_rx_ant, self.num_tx_ant, dtype=tf.complex64)
        return tf.tile(eye[None, None], [batch_size, num_realisations, 1, 1])


CHANNELS = {"rayleigh": RayleighChannel, "awgn": AWGNChannel}


def make_channel(settings: LinkSettings) -> ChannelModel:
    """The channel model that the settings name."""
    return resolve(settings.channel, CHANNELS, "channel")(
        num_rx_ant=settings.num_rx_ant, num_tx_ant=settings.num_tx_ant
    )
