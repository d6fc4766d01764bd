"""The digital link: bits in and bits out.

bits ─ Framing ─ Transmitter ─ P ─▶ y = H P x + n (+ interference) ─▶ LMMSE ─ demapper ─ decoder ─ CRC ─▶ bits
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sionna.phy import Block

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.mimo import MimoChannel, check_finite, interference_of_link, no_per_image, seed_of_link
from sc_sionna.phy.receiver import Receiver
from sc_sionna.phy.snr import noise_variance
from sc_sionna.phy.transmitter import Transmitter
from sc_sionna.settings import LinkSettings


class LinkOutput(NamedTuple):
    """What a :class:`DigitalLink` returns. B images, M code blocks that were sent, in the order of the images.

    bits : int32 [B, P], decoded payload; blocks that were not sent are zero
    block_bits : int32 [B, num_blocks, block_payload_bits], the same block by block, padding included
    crc_ok : bool [B, num_blocks], the receiver's verdicts, False for blocks that were not sent; None without a CRC
    erased : bool [B, num_blocks], sent blocks of which the receiver has no decision on some bit, since nothing arrived that
        would decide it; their bits are zeros by default, and their CRC counts as failed
    x_hat, no_eff : [M, U, S], equalised symbols and their effective noise variance
    llr : [M, n], ln P(1)/P(0)
    h : [B, realisations, num_rx_ant, num_tx_ant]
    """

    bits: np.ndarray
    block_bits: np.ndarray
    crc_ok: np.ndarray | None
    erased: np.ndarray
    x_hat: tf.Tensor
    no_eff: tf.Tensor
    llr: tf.Tensor
    h: tf.Tensor


class DigitalLink(Block):
    """Payload bits over the coded (or uncoded) MIMO link; built for one payload length, in ``least_blocks`` or more blocks.

    With the settings' ``channel_uses`` a transmission fills exactly so many, see :class:`~sc_sionna.phy.framing.Framing`.

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

    def __init__(self, settings: LinkSettings, payload_bits: int, least_blocks: int = 1) -> None:
        super().__init__(precision="single")
        self.settings = settings
        self.framing = Framing(payload_bits, settings, least_blocks)
        self.transmitter = Transmitter(self.framing, settings)
        self.receiver = Receiver(self.transmitter)
        self.mimo = MimoChannel(settings, self.framing.num_channel_uses)
        # a partial of its own: TensorFlow counts traces per code object and would warn of several links as of one
        self._front_end = tf.function(partial(self._over_the_air), reduce_retracing=True, autograph=False)

    def _propagate(
        self, x: Tensor, image: Tensor, block: Tensor, no: Tensor, seed: Tensor, interference: Tensor | None
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
        y = y + tf.gather_nd(noise, tf.stack([use, tf.broadcast_to(image[:, None], tf.shape(use))], -1))  # Eq. (2)
        if interference is not None:
            full = tf.broadcast_to(interference, [batch_size, self.framing.num_channel_uses, self.settings.num_rx_ant])
            y = y + tf.gather_nd(full, tf.stack([tf.broadcast_to(image[:, None], tf.shape(use)), use], -1))  # Eq. (8)
        return h, y, w, no_eff

    def _over_the_air(self, *inputs: Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Inputs of :meth:`_propagate` → h, x_hat, no_eff, llr."""
        h, y, w, no_eff = self._propagate(*inputs)
        x_hat, llr, no_eff = self.receiver.llrs(y, w, no_eff)
        return h, x_hat, no_eff, llr

    def received(self, bits: Tensor, snr_db: float | Tensor, seed: Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What reaches the antennas: y ``[M, U, rx]``, LMMSE filter ``[M, ·, S, rx]`` and no_eff ``[M, ·, S]``.

        M = B · num_blocks blocks in the order of the images; inputs as for ``call``.
        """
        blocks = self.framing.to_blocks(np.asarray(bits))
        image, block = (x.ravel().astype(np.int32) for x in np.indices(blocks.shape[:2]))
        no = no_per_image(noise_variance(snr_db), len(blocks))
        x = tf.constant(self.transmitter(blocks.reshape(len(image), -1)))
        _, y, w, no_eff = self._propagate(x, tf.constant(image), tf.constant(block), no, seed_of_link(seed), None)
        return y, w, no_eff

    def call(
        self,
        bits: Tensor,
        snr_db: float | Tensor,
        seed: Tensor,
        num_blocks: Tensor | None = None,
        interference: Tensor | None = None,
    ) -> LinkOutput:
        """Send the payloads once; UserError for an empty batch, and for ``num_blocks`` of another shape or range."""
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
        no = no_per_image(noise_variance(snr_db), batch_size)
        h, x_hat, no_eff, llr = self._front_end(
            tf.constant(self.transmitter(blocks[image, block])),
            tf.constant(image),
            tf.constant(block),
            no,
            seed_of_link(seed),
            interference_of_link(interference, (batch_size, self.framing.num_channel_uses, self.settings.num_rx_ant)),
        )
        check_finite(self.settings.channel, h)
        x_hat, no_eff, llr = x_hat[:count], no_eff[:count], llr[:count]
        decoded = self.receiver(llr)
        received, erased = np.zeros(blocks.shape, np.int32), np.zeros(sent.shape, bool)
        received[sent] = decoded.bits[:, : self.framing.block_payload_bits]
        erased[sent] = decoded.erased
        crc_ok = None
        if decoded.crc_ok is not None:
            crc_ok = np.zeros(sent.shape, bool)
            crc_ok[sent] = decoded.crc_ok
        return LinkOutput(self.framing.to_payload(received), received, crc_ok, erased, x_hat, no_eff, llr, h)
