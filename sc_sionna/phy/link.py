"""The links: bits in and bits out, or complex symbols in and out, over the same precoder, channel and equaliser.

bits ─ Framing ─ Transmitter ─ P ─▶ y = H P x + n (+ interference) ─▶ LMMSE ─ demapper ─ decoder ─ CRC ─▶ bits
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy import Block, Object

from sc_sionna.core.errors import UserError
from sc_sionna.phy.channels import complex_normal, make_channel
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.precoding import make_precoder
from sc_sionna.phy.receiver import Receiver, lmmse_filter
from sc_sionna.phy.snr import noise_variance
from sc_sionna.phy.transmitter import Transmitter
from sc_sionna.settings import LinkSettings


class LinkOutput(NamedTuple):
    """What a :class:`DigitalLink` returns. B images, M code blocks that were sent, in the order of the images.

    bits : int32 [B, P], decoded payload; blocks that were not sent are zero
    block_bits : int32 [B, num_blocks, block_payload_bits], the same block by block, padding included
    crc_ok : bool [B, num_blocks], the receiver's verdicts, False for blocks that were not sent; None without a CRC
    x_hat, no_eff : [M, U, S], equalised symbols and their effective noise variance
    llr : [M, n], ln P(1)/P(0)
    h : [B, realisations, num_rx_ant, num_tx_ant]
    """

    bits: np.ndarray
    block_bits: np.ndarray
    crc_ok: np.ndarray | None
    x_hat: tf.Tensor
    no_eff: tf.Tensor
    llr: tf.Tensor
    h: tf.Tensor


class MimoChannel(Object):
    """Precoder, fading, noise and LMMSE of both links: everything between unit-power streams and their estimates."""

    def __init__(self, settings: LinkSettings, num_uses: int) -> None:
        super().__init__()
        self.settings, self.num_uses = settings, num_uses
        self.channel = make_channel(settings)
        self.precoder = make_precoder(settings)
        uses = {"image": num_uses, "symbol": 1}.get(str(settings.coherence), settings.coherence)
        self.uses_per_realisation = min(int(uses), num_uses)
        self.num_realisations = -(-num_uses // self.uses_per_realisation)

    def draw(
        self, batch_size: Any, no: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Fading of B images at noise variances ``no [B]``: h, precoded g = H P ``[B, R, rx, S]``, filter, no_eff."""
        h = self.channel(batch_size, self.num_realisations, tf.random.experimental.stateless_fold_in(seed, 0))
        antennas = (self.settings.num_rx_ant, self.settings.num_tx_ant)
        if h.dtype != tf.complex64 or not h.shape.is_compatible_with([None, None, *antennas]):
            raise UserError(
                f"channel = {self.settings.channel!r}: drew {h.dtype.name} {h.shape}; a channel model returns complex64 "
                f"[batch, realisations, {antennas[0]}, {antennas[1]}]"
            )
        h = tf.broadcast_to(h, [batch_size, self.num_realisations, *antennas])  # a model may leave one realisation
        g = tf.matmul(h, self.precoder(h))
        w, no_eff = lmmse_filter(g, tf.broadcast_to(no[:, None], tf.shape(g)[:2]))
        return h, g, w, no_eff

    def noise(self, batch_size: Any, no: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Noise ``[num_uses, B, rx]``, drawn use by use: a shorter payload sees a prefix of it."""
        shape = [self.num_uses, batch_size, self.settings.num_rx_ant]
        unit = complex_normal(shape, tf.random.experimental.stateless_fold_in(seed, 1))
        return unit * tf.cast(tf.sqrt(no), unit.dtype)[None, :, None]

    def realisation_of(self, use: tf.Tensor) -> tf.Tensor:
        """Fading realisation of a channel use."""
        return use // self.uses_per_realisation


def _per_image(no: Any, batch_size: Any) -> Any:
    """One noise variance for each image from a scalar or ``[B]``."""
    if len(no.shape) > 1 or (len(no.shape) == 1 and isinstance(batch_size, int) and no.shape[0] != batch_size):
        raise UserError(f"snr_db of shape {tuple(no.shape)}: a number, or one per image, [{batch_size}], is wanted")
    return tf.broadcast_to(tf.convert_to_tensor(no, tf.float32), [batch_size])


class DigitalLink(Block):
    """Payload bits over the coded (or uncoded) MIMO link; built for one payload length.

    Input
    -----
    bits : [B, payload_bits], 0 and 1
    snr_db : scalar or [B], SNR in dB (see :mod:`sc_sionna.phy`)
    seed : int32 [2], names the fading and the noise
    num_blocks : int [B] or None: how many of the framing's blocks each image really sends (streams of varying length)
    interference : complex, broadcastable to [B, num_channel_uses, num_rx_ant], or None: added at the receive antennas; the
        receiver does not know of it

    Output
    ------
    :class:`LinkOutput`

    Raises
    ------
    UserError for a wrong shape, an SNR that is not finite, settings that cannot work.
    """

    def __init__(self, settings: LinkSettings, payload_bits: int) -> None:
        super().__init__()
        self.settings = settings
        self.framing = Framing(payload_bits, settings)
        self.transmitter = Transmitter(self.framing, settings)
        self.receiver = Receiver(self.transmitter)
        self.mimo = MimoChannel(settings, self.framing.num_channel_uses)
        # a partial of its own: TensorFlow counts traces per code object and would warn of several links as of one
        self._front_end = tf.function(partial(self._over_the_air), reduce_retracing=True, autograph=False)

    def _propagate(
        self, x: Any, image: Any, block: Any, no: Any, seed: Any, interference: Any
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Streams ``[M, U, S]`` of blocks with their image and place in it → h, y ``[M, U, rx]``, filter and no_eff."""
        batch_size, uses = tf.shape(no)[0], self.framing.uses_per_block
        h, g, w, no_eff = self.mimo.draw(batch_size, no, seed)
        use = block[:, None] * uses + tf.range(uses)  # [M, U] within the image
        if self.mimo.num_realisations == 1:
            g, w, no_eff = (tf.gather(t, image) for t in (g, w, no_eff))  # [M, 1, ...]
            y = tf.einsum("mrs,mus->mur", g[:, 0], x)
        else:
            where = tf.stack([tf.broadcast_to(image[:, None], tf.shape(use)), self.mimo.realisation_of(use)], -1)
            g, w, no_eff = (tf.gather_nd(t, where) for t in (g, w, no_eff))  # [M, U, ...]
            y = tf.squeeze(tf.matmul(g, x[..., None]), -1)  # [M, U, rx]
        noise = self.mimo.noise(batch_size, no, seed)
        y = y + tf.gather_nd(noise, tf.stack([use, tf.broadcast_to(image[:, None], tf.shape(use))], -1))
        if interference is not None:
            full = tf.broadcast_to(interference, [batch_size, self.framing.num_channel_uses, self.settings.num_rx_ant])
            y = y + tf.gather_nd(full, tf.stack([tf.broadcast_to(image[:, None], tf.shape(use)), use], -1))
        return h, y, w, no_eff

    def _over_the_air(self, *inputs: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Inputs of :meth:`_propagate` → h, x_hat, no_eff, llr."""
        h, y, w, no_eff = self._propagate(*inputs)
        x_hat, llr, no_eff = self.receiver.llrs(y, w, no_eff)
        return h, x_hat, no_eff, llr

    def received(self, bits: Any, snr_db: Any, seed: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What reaches the antennas: y ``[M, U, rx]``, LMMSE filter ``[M, ·, S, rx]`` and no_eff ``[M, ·, S]``.

        M = B · num_blocks blocks in the order of the images; inputs as for ``call``.
        """
        blocks = self.framing.to_blocks(np.asarray(bits))
        image, block = (x.ravel().astype(np.int32) for x in np.indices(blocks.shape[:2]))
        no = _per_image(noise_variance(snr_db), len(blocks))
        x = tf.constant(self.transmitter(blocks.reshape(len(image), -1)))
        _, y, w, no_eff = self._propagate(x, tf.constant(image), tf.constant(block), no, tf.cast(seed, tf.int32), None)
        return y, w, no_eff

    def call(self, bits: Any, snr_db: Any, seed: Any, num_blocks: Any = None, interference: Any = None) -> LinkOutput:
        bits = np.asarray(bits)
        blocks = self.framing.to_blocks(bits)  # [B, blocks, ·]
        batch_size, total = blocks.shape[:2]
        if batch_size == 0:
            raise UserError(f"bits of shape {bits.shape}: an empty batch; send at least one image")
        sent = np.ones((batch_size, total), bool)
        if num_blocks is not None:
            counts = np.asarray(num_blocks)
            if counts.shape != (batch_size,) or (counts < 0).any() or (counts > total).any():
                raise UserError(f"num_blocks = {counts}: one number from 0 to {total} per image is wanted")
            sent = np.arange(total) < counts[:, None]
        image, block = (x.astype(np.int32) for x in np.nonzero(sent))
        count = len(image)
        if count == 0:  # not every operation takes an empty batch: one block goes through and is dropped
            image, block = np.zeros((2, 1), np.int32)
        no = _per_image(noise_variance(snr_db), batch_size)
        h, x_hat, no_eff, llr = self._front_end(
            tf.constant(self.transmitter(blocks[image, block])),
            tf.constant(image),
            tf.constant(block),
            no,
            tf.cast(seed, tf.int32),
            None if interference is None else tf.cast(interference, tf.complex64),
        )
        x_hat, no_eff, llr = x_hat[:count], no_eff[:count], llr[:count]
        decoded, ok = self.receiver(llr)
        received = np.zeros(blocks.shape, np.int32)
        received[sent] = decoded[:, : self.framing.block_payload_bits]
        crc_ok = None
        if ok is not None:
            crc_ok = np.zeros(sent.shape, bool)
            crc_ok[sent] = ok
        return LinkOutput(self.framing.to_payload(received), received, crc_ok, x_hat, no_eff, llr, h)


class AnalogLink(Block):
    """Complex symbols over the same precoder, channel and equaliser; differentiable with respect to the symbols.

    Input
    -----
    x : [B, U, S], complex64, mean power 1 per symbol (the scheme normalises)
    snr_db, seed, interference : as for :class:`DigitalLink`; inside ``tf.function`` they may be tensors

    Output
    ------
    x_hat : [B, U, S], complex64, x plus noise of variance ``no_eff``
    no_eff : [B, U, S], float32
    """

    def __init__(self, settings: LinkSettings, num_channel_uses: int) -> None:
        super().__init__()
        if num_channel_uses < 1:
            raise UserError(f"num_channel_uses = {num_channel_uses}: at least 1 is needed")
        self.settings = settings
        self.mimo = MimoChannel(settings, num_channel_uses)

    def call(self, x: Any, snr_db: Any, seed: Any, interference: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.convert_to_tensor(x)
        if x.shape[1:] != (self.mimo.num_uses, self.settings.num_streams):
            raise UserError(
                f"x of shape {tuple(x.shape)}: [batch, {self.mimo.num_uses}, {self.settings.num_streams}] is wanted"
            )
        y, w, no_eff = self._propagate(x, snr_db, seed)
        if interference is not None:
            y = y + tf.cast(interference, y.dtype)
        return tf.squeeze(tf.matmul(w, y[..., None]), -1), no_eff

    def received(self, x: Any, snr_db: Any, seed: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """What reaches the antennas: y ``[B, U, rx]``, and the LMMSE filter ``[B, U, S, rx]``; inputs as for ``call``."""
        y, w, _ = self._propagate(tf.convert_to_tensor(x), snr_db, seed)
        return y, w

    def _propagate(self, x: tf.Tensor, snr_db: Any, seed: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        batch_size = tf.shape(x)[0] if x.shape[0] is None else x.shape[0]
        no = _per_image(noise_variance(snr_db), batch_size)
        _, g, w, no_eff = self.mimo.draw(batch_size, no, seed)
        realisation = self.mimo.realisation_of(tf.range(self.mimo.num_uses))
        g, w, no_eff = (tf.gather(t, realisation, axis=1) for t in (g, w, no_eff))  # [B, U, ...]
        y = tf.squeeze(tf.matmul(g, x[..., None]), -1) + tf.transpose(self.mimo.noise(batch_size, no, seed), [1, 0, 2])
        return y, w, no_eff
