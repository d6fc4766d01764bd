"""The analog link: complex symbols in and out, over the precoder, channel and equaliser of the digital link.

symbols ─ P ─▶ y = H P x + n (+ interference) ─▶ LMMSE ─▶ symbols
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from sionna.phy import Block

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.air.loop import NO_BITS, transmit
from sc_sionna.phy.mimo import MimoChannel, interference_of_link, no_per_image, seed_of_link
from sc_sionna.phy.snr import noise_variance
from sc_sionna.settings import LinkSettings


class AnalogLink(Block):
    """Complex symbols over the same precoder, channel and equaliser.

    Tensors give tensors, differentiable with respect to the symbols; NumPy symbols give NumPy arrays, in the compiled loop.

    Input
    -----
    x : [B, U, S], complex64, mean power 1 per symbol (the scheme normalises)
    snr_db, seed, interference : as for :class:`~sc_sionna.phy.link.DigitalLink`; inside ``tf.function`` they may be tensors

    Output
    ------
    x_hat : [B, U, S], complex64, x plus noise of variance ``no_eff``
    no_eff : [B, U, S], float32
    """

    def __init__(self, settings: LinkSettings, num_channel_uses: int) -> None:
        super().__init__(precision="single")
        if num_channel_uses < 1:
            raise UserError(f"num_channel_uses = {num_channel_uses}: at least 1 is needed")
        self.settings = settings
        self.mimo = MimoChannel(settings, num_channel_uses)

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """As :meth:`call`; a block of Sionna's would make tensors of NumPy arrays first."""
        return self.call(*args, **kwargs)

    def call(
        self, x: Tensor, snr_db: float | Tensor, seed: Tensor, interference: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Send ``x`` once; UserError for a shape that is not ``[B, U, S]`` of this link."""
        in_numpy = isinstance(x, np.ndarray)
        x = x if in_numpy else tf.convert_to_tensor(x)
        if x.shape[1:] != (self.mimo.num_uses, self.settings.num_streams):
            raise UserError(
                f"x of shape {tuple(x.shape)}: [batch, {self.mimo.num_uses}, {self.settings.num_streams}] is wanted"
            )
        if in_numpy:
            return self._numpy(x, snr_db, seed, interference)
        y, w, no_eff = self._propagate(x, snr_db, seed)
        interference = interference_of_link(interference, tuple(y.shape))
        if interference is not None:
            y = y + interference  # Eq. (8)
        return tf.squeeze(tf.matmul(w, y[..., None]), -1), no_eff

    def _numpy(
        self, x: np.ndarray, snr_db: float | Tensor, seed: Tensor, interference: Tensor | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same in the compiled loop, without a gradient."""
        _, channel = self.mimo.meet(
            no_per_image(noise_variance(snr_db), len(x)),
            seed_of_link(seed),
            interference_of_link(interference, (len(x), self.mimo.num_uses, self.settings.num_rx_ant)),
        )
        image = np.arange(len(x), dtype=np.int32)
        on_air = transmit(np.ascontiguousarray(x, np.complex64), image, np.zeros_like(image), channel, NO_BITS)
        return on_air.x_hat, on_air.no_eff

    def received(self, x: Tensor, snr_db: float | Tensor, seed: Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What reaches the antennas: y ``[B, U, rx]``, and the LMMSE filter ``[B, U, S, rx]``; inputs as for ``call``."""
        y, w, _ = self._propagate(tf.convert_to_tensor(x), snr_db, seed)
        return y, w

    def _propagate(self, x: tf.Tensor, snr_db: float | Tensor, seed: Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        batch_size = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
        no = no_per_image(noise_variance(snr_db), batch_size)
        seed = seed_of_link(seed)
        _, g, w, no_eff = self.mimo.draw(batch_size, no, seed)
        realisation = self.mimo.realisation_of(tf.range(self.mimo.num_uses))
        g, w, no_eff = (tf.gather(t, realisation, axis=1) for t in (g, w, no_eff))  # [B, U, ...]
        noise = tf.transpose(self.mimo.noise(batch_size, no, seed), [1, 0, 2])
        y = tf.squeeze(tf.matmul(g, x[..., None]), -1) + noise  # Eq. (2)
        return y, w, no_eff
