"""Channel models by name, and how a user adds one.

A channel model draws channel matrices; the link multiplies, adds noise and equalises. To add one without editing the
package, write a class with one method and name it in the settings as ``channel="my_module:KeyholeChannel"``, its arguments
as ``channel_args={"holes": 2}``. They are a class ``Settings`` within it, as here, or what its ``__init__`` takes::

    import tensorflow as tf
    from pydantic import Field
    from sc_sionna.phy.channels import ChannelModel, complex_normal
    from sc_sionna.settings import Settings

    class KeyholeSettings(Settings):
        holes: int = Field(1, ge=1, le=16, description="the number of openings")

    class KeyholeChannel(ChannelModel):
        '''All paths go through a few openings: H = A Bᵀ / sqrt(holes), whose rank is their number.'''

        Settings = KeyholeSettings

        def call(self, batch_size, num_realisations, seed):
            seeds, holes = tf.random.split(seed, 2), self.settings.holes
            receive = complex_normal([batch_size, num_realisations, self.num_rx_ant, holes], seeds[0])
            transmit = complex_normal([batch_size, num_realisations, self.num_tx_ant, holes], seeds[1])
            return tf.matmul(receive, transmit, transpose_b=True) / holes**0.5

A model of Sionna's that returns paths is a :class:`SionnaChannel` with one method of one line, see
:mod:`sc_sionna.phy.channels.ofdm`.

E|h|² must be 1 for every entry, or the SNR is not what the settings say. It is measured on fixed seeds when a link is built,
and a model that is off by more than 5 % is refused, unless the settings say ``normalize_channel``: then every matrix is
divided by the root of the ensemble's mean, never by its own energy, which would remove the fading. Path loss and shadowing
therefore belong into the SNR: switch them off in a model that has them. The same seed must give the same matrices.
"""

from __future__ import annotations

import json
from math import log10
from typing import Any

import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.core.plugins import resolve
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.awgn import AWGNChannel
from sc_sionna.phy.channels.base import ChannelModel, complex_normal
from sc_sionna.phy.channels.build import build_model
from sc_sionna.phy.channels.cdl import CdlChannel
from sc_sionna.phy.channels.contract import measure_energy
from sc_sionna.phy.channels.correlated import KroneckerChannel, PerColumnChannel
from sc_sionna.phy.channels.dataset import CirDatasetChannel, DatasetChannel
from sc_sionna.phy.channels.gauss_markov import GaussMarkovChannel
from sc_sionna.phy.channels.ofdm import OfdmChannel, SionnaChannel
from sc_sionna.phy.channels.rayleigh import RayleighChannel
from sc_sionna.phy.channels.rician import RicianChannel
from sc_sionna.phy.channels.tdl import TdlChannel
from sc_sionna.settings import LinkSettings

__all__ = [
    "CHANNELS",
    "AWGNChannel",
    "CdlChannel",
    "ChannelModel",
    "CirDatasetChannel",
    "DatasetChannel",
    "GaussMarkovChannel",
    "KroneckerChannel",
    "OfdmChannel",
    "PerColumnChannel",
    "RayleighChannel",
    "RicianChannel",
    "SionnaChannel",
    "TdlChannel",
    "complex_normal",
    "make_channel",
]

CHANNELS: dict[str, type[ChannelModel]] = {
    "rayleigh": RayleighChannel,
    "awgn": AWGNChannel,
    "rician": RicianChannel,
    "kronecker": KroneckerChannel,
    "per-column": PerColumnChannel,
    "gauss-markov": GaussMarkovChannel,
    "tdl": TdlChannel,
    "cdl": CdlChannel,
    "dataset": DatasetChannel,
    "cir-dataset": CirDatasetChannel,
}
MAX_DEVIATION = 0.05  # of E|h|² from what the model stands for: 0.2 dB


class NormalizedChannel(ChannelModel):
    """A model whose matrices are all multiplied by one number, so that E|h|² is what the model stands for."""

    def __init__(self, model: ChannelModel, gain: float) -> None:
        super().__init__(model.num_rx_ant, model.num_tx_ant)
        self.model, self.gain = model, gain

    @property
    def expected_energy(self) -> float:
        return self.model.expected_energy

    def check_uses(self, num_uses: int) -> None:
        self.model.check_uses(num_uses)

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        h = self.model(batch_size, num_realisations, seed)
        return tf.cast(tf.cast(h, tf.complex128) * self.gain, h.dtype)


def make_channel(settings: LinkSettings) -> ChannelModel:
    """The channel model that the settings name, its contract checked and its E|h|² measured.

    Raises
    ------
    UserError for an unknown model, arguments that it cannot use, one that breaks the contract of :class:`ChannelModel`, and
    one whose E|h|² is more than 5 % off, unless ``normalize_channel`` is set.
    """
    name, antennas = settings.channel, (settings.num_rx_ant, settings.num_tx_ant)
    cls: Any = resolve(name, CHANNELS, "channel")
    model: ChannelModel
    if not (isinstance(cls, type) and issubclass(cls, ChannelModel)):
        raise UserError(
            f"channel = {name!r}: not a channel model; write a subclass of sc_sionna.phy.channels.ChannelModel"
        )
    if cls.ordered and settings.coherence == "image":
        raise UserError(
            f"coherence = 'image': channel {name!r} changes from one channel use to the next; set coherence = 'symbol', or "
            "the number of channel uses that share a matrix, such as 12"
        )
    make: Any = cls  # the check above makes it a type that type checkers take for unhashable
    measured = measure_energy(make, name, *antennas, json.dumps(settings.channel_args, sort_keys=True))
    model = build_model(cls, name, *antennas, settings.channel_args)
    model.uses_per_realisation = settings.coherence if isinstance(settings.coherence, int) else 1
    ratio = measured / model.expected_energy
    if settings.normalize_channel and ratio > 0:
        model = NormalizedChannel(model, ratio**-0.5)
    elif not abs(ratio - 1.0) <= MAX_DEVIATION:
        decibels = f"{10 * log10(ratio):+.1f} dB" if ratio > 0 else "without end"
        raise UserError(
            f"channel = {name!r}: E|h|² = {measured:.4g}, {model.expected_energy:.4g} within 5 % is wanted: the SNR would "
            f"be off by {decibels}; correct the model, or set link.normalize_channel = true"
        )
    model.mean_energy = measured
    return model
