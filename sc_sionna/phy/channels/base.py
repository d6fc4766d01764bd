"""What every channel model is."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import tensorflow as tf
from sionna.phy import Block

from sc_sionna.core.tensor import Tensor
from sc_sionna.settings import Settings


def complex_normal(shape: Any, seed: Tensor) -> tf.Tensor:
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

    Attributes
    ----------
    Settings : of the class: its arguments as a subclass of :class:`sc_sionna.settings.Settings`, or None. A class without
        takes what its ``__init__`` takes by name beside the antennas.
    ordered : of the class: whether the realisations of an image follow each other in time or frequency. Such a model has no
        use for ``coherence = 'image'``, where there is one, and is refused with it.
    energy_draws : of the class: the most draws of 1,024 images that E|h|² is measured with, fewer where 0.4 % is reached
    settings : the arguments, an instance of ``Settings``
    uses_per_realisation : channel uses from one realisation to the next, from the link's ``coherence``
    expected_energy : float, the E|h|² over all entries that the model stands for; 1 for every fading model
    mean_energy : float, the E|h|² that was measured when :func:`~sc_sionna.phy.channels.make_channel` built the model,
        before any normalisation
    """

    Settings: ClassVar[type[Settings] | None] = None
    ordered: ClassVar[bool] = False
    energy_draws: ClassVar[int] = 64

    def __init__(self, num_rx_ant: int, num_tx_ant: int, settings: Any = None) -> None:
        super().__init__(precision="single")
        self.settings = settings
        self.uses_per_realisation = 1
        self.num_rx_ant = num_rx_ant
        self.num_tx_ant = num_tx_ant
        self.mean_energy = float("nan")

    @property
    def expected_energy(self) -> float:
        """Mean of |h|² over entries and realisations, 1 unless a model says otherwise."""
        return 1.0

    def check_uses(self, num_uses: int) -> None:
        """UserError where the model has no matrices for so many channel uses of an image; every number is served here."""

    @abstractmethod
    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """Channel matrices, in shape and type as the class says."""
