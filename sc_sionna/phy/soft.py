"""The receiver as a differentiable function: received signals to the probability of every payload bit."""

from __future__ import annotations

import tensorflow as tf
from sionna.phy import Block
from sionna.phy.fec.ldpc import LDPC5GDecoder

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.link import DigitalLink

ATTACK_ITERATIONS = 8  # flooding iterations that a gradient is taken through


class SoftReceiver(Block):
    """LMMSE → demapper → soft output of Sionna's LDPC decoder, with a gradient with respect to the received signal.

    ``call(y [B, uses, rx, 2], w [M, ·, S, rx], no_eff [M, ·, S]) -> llr [B, payload_bits]``, ln P(1)/P(0): y in real and
    imaginary parts, the others as :meth:`DigitalLink.received` gives them. The layered decoder has no gradient, so this
    one is Sionna's, with fewer iterations: an attacker needs the direction, and each iteration multiplies the memory of
    the backward pass.

    Raises
    ------
    UserError for a link with a CRC, whose payload is not the decoder's output alone.
    """

    def __init__(self, link: DigitalLink, num_iter: int = ATTACK_ITERATIONS) -> None:
        super().__init__(precision="single")
        if link.settings.crc != "none":
            raise UserError(f"crc = {link.settings.crc!r}: the soft receiver reads index payloads; set crc = 'none'")
        self.link = link
        encoder = link.transmitter.encoder
        self.decoder = (
            None if encoder is None else LDPC5GDecoder(encoder, num_iter=num_iter, hard_out=False, precision="single")
        )

    def call(self, y: Tensor, w: Tensor, no_eff: Tensor) -> tf.Tensor:
        """LLRs of the payload, differentiable in ``y``."""
        framing = self.link.framing
        y = tf.reshape(tf.complex(y[..., 0], y[..., 1]), [-1, framing.uses_per_block, y.shape[-2]])  # [M, U, rx]
        _, llr, _ = self.link.receiver.llrs(y, w, no_eff)  # [M, n]
        if self.decoder is not None:
            llr = self.decoder(llr)  # [M, k]
        return tf.reshape(llr, [-1, framing.num_blocks * framing.k])[:, : framing.payload_bits]
