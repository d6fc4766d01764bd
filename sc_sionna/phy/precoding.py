"""Streams to transmit antennas with total power 1: ``P^H P = I/S``."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf
from sionna.phy import Block

from sc_sionna.core.errors import UserError
from sc_sionna.core.plugins import make
from sc_sionna.core.threads import available_threads
from sc_sionna.settings import LinkSettings

MOST_PARTS = 8  # of a batch: graphs stay small


class SvdPrecoder(Block):
    """Equal power along the S strongest right singular vectors of H (channel known at the transmitter).

    ``call(h [..., num_rx_ant, num_tx_ant]) -> P [..., num_tx_ant, S]``. Every precoder has this signature and is built
    with the link's settings, so ``precoder="module:Class"`` adds one.
    """

    def __init__(self, settings: LinkSettings) -> None:
        super().__init__(precision="single")
        self.num_streams = settings.num_streams
        self.parts = min(available_threads(), MOST_PARTS)
        # beyond the rank, the remaining directions come from the null space
        self.full = settings.num_streams > min(settings.num_rx_ant, settings.num_tx_ant)

    def call(self, h: tf.Tensor) -> tf.Tensor:
        """The first S columns of V of every H = U Σ Vᴴ, scaled to unit total power."""
        # TensorFlow decomposes a batch on one core: parts of it are decomposed side by side
        bounds = [tf.shape(h)[0] * i // self.parts for i in range(self.parts + 1)]
        parts = [h[a:b] for a, b in pairwise(bounds)]
        v = tf.concat([tf.linalg.svd(part, full_matrices=self.full)[2] for part in parts], 0)
        return v[..., : self.num_streams] * tf.cast(self.num_streams**-0.5, v.dtype)


class DftPrecoder(Block):
    """The first S columns of the unitary DFT matrix: open loop, nothing known at the transmitter."""

    def __init__(self, settings: LinkSettings) -> None:
        super().__init__(precision="single")
        size = settings.num_tx_ant
        grid = np.outer(np.arange(size), np.arange(settings.num_streams))
        columns = np.exp(-2j * np.pi * grid / size) / np.sqrt(size * settings.num_streams)
        self.matrix = columns.astype(np.complex64)

    def call(self, h: tf.Tensor) -> tf.Tensor:
        """The same matrix for every H."""
        return tf.broadcast_to(self.matrix, tf.concat([tf.shape(h)[:-2], self.matrix.shape], 0))


PRECODERS = {"svd": SvdPrecoder, "dft": DftPrecoder}


POWER_TOLERANCE = 1e-3


def make_precoder(settings: LinkSettings, channel: Any = None) -> Any:
    """The precoder that the settings name.

    channel : a channel model on whose matrices the precoder's contract is checked; None leaves the check out

    Raises
    ------
    UserError for an unknown precoder, and for one that does not give complex64 ``[..., num_tx_ant, S]`` of total power 1.
    """
    precoder = make(settings.precoder, PRECODERS, "precoder", settings)
    if channel is not None:
        _check_power(precoder, settings, channel(8, 2, tf.constant([2022, 0], tf.int32)))
    return precoder


def _check_power(precoder: Any, settings: LinkSettings, h: tf.Tensor) -> None:
    """UserError unless trace(P^H P) = 1 for every matrix of ``h [..., rx, tx]``."""
    name, wanted = settings.precoder, [*h.shape[:-2], settings.num_tx_ant, settings.num_streams]
    p = precoder(h)
    if not tf.is_tensor(p) or p.dtype != tf.complex64 or p.shape != wanted:
        what = f"{p.dtype.name} {list(p.shape)}" if tf.is_tensor(p) else type(p).__name__
        raise UserError(
            f"precoder = {name!r}: gave {what} for h of shape {list(h.shape)}; complex64 {wanted} is wanted"
        )
    power = (np.abs(p.numpy().astype(np.complex128)) ** 2).sum(axis=(-2, -1))
    worst = power.flat[np.argmax(np.abs(power - 1.0))]  # the first NaN, if there is one
    if not abs(worst - 1.0) <= POWER_TOLERANCE:
        raise UserError(
            f"precoder = {name!r}: total power trace(P^H P) = {worst:.4g}, 1 is wanted for every channel matrix, or the SNR "
            "is not what the settings say; divide P by the root of its power"
        )
