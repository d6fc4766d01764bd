"""One adapter for every channel model of Sionna that returns paths ``(a, tau)``: OFDM, a matrix per resource element.

Channel use u of an image is subcarrier u mod ``fft_size`` of OFDM symbol u // ``fft_size``, and realisation r the matrix of
the first channel use that it serves, r times the link's ``coherence``: with ``coherence = 'symbol'`` every resource element
has its own matrix, with 12 the twelve subcarriers of a resource block share one, which is precoded once. The matrices of an
image are one draw of the paths, seen at the frequencies and times at which they are used.
"""

from __future__ import annotations

from abc import abstractmethod
from math import pi
from typing import Any, ClassVar

import tensorflow as tf
from sionna.phy import config
from sionna.phy.channel import subcarrier_frequencies

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.base import ChannelModel
from sc_sionna.settings import Settings as AnySettings
from sc_sionna.settings.channel import OfdmSettings


class OfdmChannel(ChannelModel):
    """Paths over OFDM. Subclasses write ``draw_paths``; their ``Settings`` extend :class:`OfdmSettings`."""

    Settings: ClassVar[type[AnySettings] | None] = OfdmSettings
    ordered = True
    energy_draws = 6  # some 0.7 %, 0.03 dB: paths take seconds a draw

    @abstractmethod
    def draw_paths(self, batch_size: int | Tensor, num_symbols: int, seed: Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Gains and delays of the paths, as Sionna's channel models give them.

        a : complex64 ``[batch, 1, num_rx_ant, 1, num_tx_ant, paths, num_symbols]``; tau : seconds, float32
        ``[batch, 1, 1, paths]`` or ``[batch, 1, num_rx_ant, 1, num_tx_ant, paths]``.
        """

    @property
    def symbol_rate(self) -> float:
        """OFDM symbols per second, cyclic prefix included."""
        return self.settings.subcarrier_khz * 1e3 / (1.0 + self.settings.cyclic_prefix)

    def check_uses(self, num_uses: int) -> None:
        """UserError where the resource grid has fewer elements than an image has channel uses."""
        most = self.settings.num_symbols
        if most is not None and num_uses > most * self.settings.fft_size:
            raise UserError(
                f"channel_args.num_symbols = {most}: a grid of {most} symbols of {self.settings.fft_size} subcarriers, and "
                f"{num_uses} channel uses are to be sent; raise num_symbols or fft_size, or set num_symbols = null"
            )

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """Matrices in the order of the channel uses, complex64 ``[batch_size, num_realisations, rx, tx]``."""
        fft_size, stride = self.settings.fft_size, self.uses_per_realisation
        last = (num_realisations - 1) * stride  # resource element
        num_symbols = last // fft_size + 1
        step = stride if fft_size % stride == 0 else 1  # between the subcarriers that are needed
        subcarriers = range(0, fft_size if num_symbols > 1 else last + 1, step)
        a, tau = self.draw_paths(batch_size, num_symbols, seed)
        h = self._response(a, tau, subcarriers)
        h = tf.reshape(h, [batch_size, num_symbols * len(subcarriers), self.num_rx_ant, self.num_tx_ant])
        return h[:, :: stride // step][:, :num_realisations]

    def _response(self, a: tf.Tensor, tau: tf.Tensor, subcarriers: range) -> tf.Tensor:
        """Σ a exp(-j2πfτ) over the paths, ``[batch, symbols, subcarriers, rx, tx]``.

        As Sionna's ``cir_to_ofdm_channel``, which holds every path of every resource element at once.
        """
        spacing = self.settings.subcarrier_khz * 1e3
        frequencies = tf.gather(subcarrier_frequencies(self.settings.fft_size, spacing, "double"), subcarriers)
        turns = (
            tf.cast(tau, tf.float64)[..., None] * frequencies
        )  # many in a wide band, more than single precision resolves
        phase = tf.cast(-2.0 * pi * (turns - tf.round(turns)), tf.float32)  # [..., paths, subcarriers]
        e = tf.complex(tf.cos(phase), tf.sin(phase))
        if len(tau.shape) == 4:
            return tf.einsum("brtps,bpf->bsfrt", a[:, 0, :, 0], e[:, 0, 0])
        return tf.einsum("brtps,brtpf->bsfrt", a[:, 0, :, 0], e[:, 0, :, 0])


class SionnaChannel(OfdmChannel):
    """A channel model of Sionna that returns ``(a, tau)``, over OFDM. Subclasses write ``make_paths``.

    It draws from Sionna's global generator, which is set from the seed before and put back after, so the same seed and batch
    size give the same matrices. A model that draws with NumPy's generators too is refused when the link is built, since it
    gives others for the same seed.
    """

    def __init__(self, num_rx_ant: int, num_tx_ant: int, settings: Any) -> None:
        super().__init__(num_rx_ant, num_tx_ant, settings)
        self.generator = config.tf_rng  # made here, as tf.function makes no variables
        self.paths = self.make_paths()

    @abstractmethod
    def make_paths(self) -> Any:
        """The model, called ``(batch_size, num_time_steps, sampling_frequency) -> a, tau``."""

    def draw_paths(self, batch_size: int | Tensor, num_symbols: int, seed: Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The model's paths at the rate of the OFDM symbols, from the seed alone."""
        kept = self.generator.state.read_value()
        words = tf.cast(seed, tf.int64)  # one 64-bit key; the counters of the generator start at 0
        self.generator.reset_from_seed(
            tf.bitwise.left_shift(words[0], 32) + tf.bitwise.bitwise_and(words[1], 2**32 - 1)
        )
        a, tau = self.paths(batch_size, num_symbols, self.symbol_rate)
        self.generator.reset(kept)
        return a, tau
