"""Payload to code blocks and back: segmentation, padding, block length (TS 38.212, 5.2.2 and 5.3.2 in spirit).

A payload of P bits becomes the fewest blocks whose information bits, CRC included, do not exceed ``max_block_bits``; the
blocks are equally long, the last is padded with zeros. The code word is as long as the rate asks for, rounded up so that a
block fills whole channel uses.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from sc_sionna.config import LinkSettings
from sc_sionna.errors import UserError

MIN_K = 12  # the shortest information block of Sionna's 5G LDPC code


class Framing:
    """Lengths of one payload's transmission.

    Attributes
    ----------
    payload_bits, num_blocks, block_payload_bits : P, number of blocks, payload bits of a block (padding included)
    k, n : information bits (with CRC) and coded bits of a block; k = n when uncoded
    coderate : k / n as it really is
    uses_per_block, num_channel_uses : uses of the MIMO channel
    """

    def __init__(self, payload_bits: int, settings: LinkSettings) -> None:
        if payload_bits < 1:
            raise UserError(f"payload_bits = {payload_bits}: a link carries at least 1 bit; check the source")
        self.payload_bits = int(payload_bits)
        self.settings = settings
        bits_per_use = settings.bits_per_symbol * settings.num_streams
        room = settings.max_block_bits - settings.crc_bits
        if settings.coded:
            self.num_blocks = ceil(payload_bits / room)
            self.block_payload_bits = max(ceil(payload_bits / self.num_blocks), MIN_K - settings.crc_bits)
            self.k = self.block_payload_bits + settings.crc_bits
            self.n = ceil(round(self.k / settings.coderate, 6) / bits_per_use) * bits_per_use
        else:
            self.num_blocks = 1
            self.n = ceil((payload_bits + settings.crc_bits) / bits_per_use) * bits_per_use
            self.k = self.n
            self.block_payload_bits = self.k - settings.crc_bits
        self.coderate = self.k / self.n
        self.uses_per_block = self.n // bits_per_use
        self.num_channel_uses = self.num_blocks * self.uses_per_block

    def to_blocks(self, bits: np.ndarray) -> np.ndarray:
        """Payload ``[B, P]`` to ``[B, num_blocks, block_payload_bits]``, zeros appended."""
        bits = np.asarray(bits)
        if bits.ndim != 2 or bits.shape[1] != self.payload_bits:
            raise UserError(
                f"bits of shape {bits.shape}: [batch, {self.payload_bits}] is wanted; build a link for them"
            )
        padding = self.num_blocks * self.block_payload_bits - self.payload_bits
        return np.pad(bits, ((0, 0), (0, padding))).reshape(len(bits), self.num_blocks, self.block_payload_bits)

    def to_payload(self, blocks: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`to_blocks`."""
        return blocks.reshape(len(blocks), -1)[:, : self.payload_bits]
