"""Streams to transmit antennas with total power 1: ``P^H P = I/S``."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from sionna.phy import Block

from sc_sionna.core.plugins import resolve
from sc_sionna.settings import LinkSettings


class SvdPrecoder(Block):
    """Equal power along the S strongest right singular vectors of H (channel known at the transmitter).

    ``call(h [..., num_rx_ant, num_tx_ant]) -> P [..., num_tx_ant, S]``. Every precoder has this signature and is built
    with the link's settings, so ``precoder="module:Class"`` adds one.
    """

    def __init__(self, settings: LinkSettings) -> None:
        super().__init__()
        self.num_streams = settings.num_streams
        # beyond the rank, the remaining directions come from the null space
        self.full = settings.num_streams > min(settings.num_rx_ant, settings.num_tx_ant)

    def call(self, h: tf.Tensor) -> tf.Tensor:
        _, _, v = tf.linalg.svd(h, full_matrices=self.full)
        return v[..., : self.num_streams] * tf.cast(self.num_streams**-0.5, v.dtype)


class DftPrecoder(Block):
    """The first S columns of the unitary DFT matrix: open loop, nothing known at the transmitter."""

    def __init__(self, settings: LinkSettings) -> None:
        super().__init__()
        size = settings.num_tx_ant
        grid = np.outer(np.arange(size), np.arange(settings.num_streams))
        columns = np.exp(-2j * np.pi * grid / size) / np.sqrt(size * settings.num_streams)
        self.matrix = columns.astype(np.complex64)

    def call(self, h: tf.Tensor) -> tf.Tensor:
        return tf.broadcast_to(self.matrix, tf.concat([tf.shape(h)[:-2], self.matrix.shape], 0))


PRECODERS = {"svd": SvdPrecoder, "dft": DftPrecoder}


def make_precoder(settings: LinkSettings) -> Block:
    """The precoder that the settings name."""
    return resolve(settings.precoder, PRECODERS, "precoder")(settings)
