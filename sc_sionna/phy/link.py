"""The digital link: bits in and bits out.

bits ─ Framing ─ Transmitter ─ P ─▶ y = H P x + n (+ interference) ─▶ LMMSE ─ demapper ─ decoder ─ CRC ─▶ bits
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf
from sionna.phy import Block

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.air.loop import Channel, Memory, Received, transmit
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.mimo import MimoChannel, interference_of_link, no_per_image, seed_of_link
from sc_sionna.phy.receiver import Receiver
from sc_sionna.phy.snr import noise_variance
from sc_sionna.phy.transmitter import Transmitter
from sc_sionna.settings import LinkSettings


@dataclass(frozen=True, eq=False)
class LinkOutput:
    """What a :class:`DigitalLink` returns. B images, M code blocks that were sent, in the order of the images.

    bits : int32 [B, P], decoded payload; blocks that were not sent are zero
    block_bits : int32 [B, num_blocks, block_payload_bits], the same block by block, padding included
    crc_ok : bool [B, num_blocks], the receiver's verdicts, False for blocks that were not sent; None without a CRC
    erased : bool [B, num_blocks], sent blocks of which the receiver has no decision on some bit, since nothing arrived that
        would decide it; their bits are zeros by default, and their CRC counts as failed
    h : tensor [B, realisations, num_rx_ant, num_tx_ant]
    x_hat, no_eff : tensors [M, U, S], equalised symbols and their effective noise variance
    llr : tensor [M, n], ln P(1)/P(0)

    The last three are computed, once more, when one of them is first read: most callers want bits.
    """

    bits: np.ndarray
    block_bits: np.ndarray
    crc_ok: np.ndarray | None
    erased: np.ndarray
    h: tf.Tensor
    _air: Callable[[], Received]

    @cached_property
    def _received(self) -> Received:
        return self._air()

    @cached_property
    def x_hat(self) -> tf.Tensor:
        """Equalised symbols."""
        return tf.constant(self._received.x_hat)

    @cached_property
    def no_eff(self) -> tf.Tensor:
        """Their effective noise variance."""
        return tf.constant(self._received.no_eff)

    @cached_property
    def llr(self) -> tf.Tensor:
        """LLRs of the coded bits."""
        return tf.constant(_frames(self._received.llr))


def _frames(llr: np.ndarray) -> np.ndarray:
    """LLRs of blocks ``[M, U, S·m]`` as code words ``[M, n]``."""
    return llr.reshape(len(llr), llr.shape[1] * llr.shape[2])


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
        self._llrs = Memory()

    def _propagate(
        self, x: Tensor, image: Tensor, block: Tensor, no: Tensor, seed: Tensor, interference: Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """What :func:`~sc_sionna.phy.air.loop.transmit` computes, in TensorFlow and as far as the antennas.

        Streams ``[M, U, S]`` of blocks with their image and place in it → h, y ``[M, U, rx]``, filter and no_eff.
        """
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

    def __call__(self, *args: Any, **kwargs: Any) -> LinkOutput:
        """As :meth:`call`; a block of Sionna's would make tensors of NumPy arrays first."""
        return self.call(*args, **kwargs)

    def over_the_air(
        self, x: np.ndarray, image: np.ndarray, block: np.ndarray, channel: Channel, llr: np.ndarray | None = None
    ) -> Received:
        """Streams of blocks over what their images meet, see :func:`~sc_sionna.phy.air.loop.transmit`."""
        return transmit(x, image, block, channel, self.receiver.demapper.pam, llr)

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
        everything = len(image) == sent.size  # the common case, without copies
        x = self.transmitter(blocks.reshape(sent.size, -1) if everything else blocks[sent])
        shape = (batch_size, self.framing.num_channel_uses, self.settings.num_rx_ant)
        h, channel = self.mimo.meet(
            no_per_image(noise_variance(snr_db), batch_size),
            seed_of_link(seed),
            interference_of_link(interference, shape),
        )
        with self._llrs(len(x) * self.framing.n) as llr:
            self.over_the_air(x, image, block, channel, llr)
            decoded = self.receiver.call(llr.reshape(len(x), self.framing.n))  # past Sionna's copy to a tensor
        payloads = decoded.bits[:, : self.framing.block_payload_bits]
        if everything:
            received, erased = payloads.astype(np.int32).reshape(blocks.shape), decoded.erased.reshape(sent.shape)
        else:
            received, erased = np.zeros(blocks.shape, np.int32), np.zeros(sent.shape, bool)
            received[sent], erased[sent] = payloads, decoded.erased
        crc_ok = None
        if decoded.crc_ok is not None:
            crc_ok = np.zeros(sent.shape, bool)
            crc_ok[sent] = decoded.crc_ok
        return LinkOutput(
            self.framing.to_payload(received),
            received,
            crc_ok,
            erased,
            h,
            partial(self.over_the_air, x, image, block, channel),
        )
