"""What a transmitter knows that knows the channel: the SNR of every stream on the realisation of each image."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sc_sionna.core import rng
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.mimo import MimoChannel, seed_of_link
from sc_sionna.phy.modes import RANKS
from sc_sionna.phy.snr import noise_variance
from sc_sionna.settings import LinkSettings

REALISATIONS = 1024  # of the channel, that stand for all


class Realisations:
    """The realisations that a link draws, seen through precoder and receiver with 1, 2 and 4 streams in equal power.

    link, num_uses : the link, and the channel uses of an image, of which the first realisation is looked at
    """

    def __init__(self, link: LinkSettings, num_uses: int) -> None:
        self._mimos = {
            rank: MimoChannel(link.with_(num_streams=rank, beyond_rank=False, adaptation="none"), num_uses)
            for rank in RANKS
            if rank <= min(link.num_tx_ant, link.num_rx_ant)
        }

    @property
    def ranks(self) -> tuple[int, ...]:
        """The numbers of streams."""
        return tuple(self._mimos)

    def stream_snrs(self, batch_size: int, snr_db: float, seed: Tensor) -> dict[int, np.ndarray]:
        """By the number of streams S the linear SNR of each stream after the receiver's filter, float64 ``[B, S]``.

        ``seed`` draws the fading that it draws for every other link, whatever the number of streams.
        """
        no = tf.fill([batch_size], tf.constant(noise_variance(snr_db), tf.float32))
        found = {}
        for rank, mimo in self._mimos.items():
            _, _, _, no_eff = mimo.draw(batch_size, no, seed_of_link(seed))
            found[rank] = 1.0 / np.asarray(no_eff, np.float64)[:, 0]
        return found

    def usual(self, snr_db: float) -> dict[int, np.ndarray]:
        """The same of :data:`REALISATIONS` draws of their own, which no image of a sweep meets."""
        return self.stream_snrs(REALISATIONS, snr_db, rng.seed_words(0, "rank", float(snr_db)))


def capacities(stream_snrs: dict[int, np.ndarray]) -> np.ndarray:
    """What Gaussian symbols on each number of streams carry, Σ_s log2(1 + SNR_s) in bits per use, float64 ``[ranks, B]``."""
    return np.stack([np.log2(1.0 + snr).sum(axis=-1) for snr in stream_snrs.values()])


def rank_of_most_capacity(link: LinkSettings, snr_db: float) -> int:
    """The number of streams in equal power over which Gaussian symbols would carry most at a long-term SNR.

    The mean over realisations of the link's channel, precoder and LMMSE receiver. For analog symbols, which have no block
    error rate.
    """
    found = Realisations(link, 1).usual(snr_db)
    return list(found)[int(capacities(found).mean(axis=-1).argmax())]
