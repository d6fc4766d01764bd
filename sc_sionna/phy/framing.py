"""Payload to code blocks and back: segmentation, padding, block length (TS 38.212, 5.2.2 and 5.3.2 in spirit).

A payload of P bits becomes the fewest blocks whose information bits, CRC included, do not exceed ``max_block_bits``; the
blocks are equally long, the last is padded with zeros. The code word is as long as the rate asks for, rounded up so that a
block fills whole channel uses. Where that rounding would take a short block below rate 1/5, the least that the code
offers, the block is padded too.

With the settings' ``channel_uses`` the transmission fills so many uses and no more: their number and the nominal rate
decide the blocks, and a payload of fewer bits than these hold is coded at a lower rate.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.settings import LinkSettings

MIN_K = 12  # the shortest information block of Sionna's 5G LDPC code
MIN_RATE = (1, 5)  # without repetition coding
MAX_K_BELOW_THIRD = 3824  # below rate 1/3 only base graph 2 remains, which holds no more (TS 38.212, 6.2.2)


class Framing:
    """Lengths of one payload's transmission.

    least_blocks : into how many blocks the payload is divided at least, whatever would fit into one

    Attributes
    ----------
    payload_bits, num_blocks, block_payload_bits : P, number of blocks, payload bits of a block (padding included)
    k, n : information bits (with CRC) and coded bits of a block; k = n when uncoded
    coderate : k / n as it really is
    uses_per_block, num_channel_uses : uses of the MIMO channel

    Raises
    ------
    UserError for a payload without bits, or a block that its CRC fills alone; with ``channel_uses`` also for a payload
    that does not fit, and where :func:`fill` raises it.
    """

    def __init__(self, payload_bits: int, settings: LinkSettings, least_blocks: int = 1) -> None:
        if payload_bits < 1:
            raise UserError(f"payload_bits = {payload_bits}: a link carries at least 1 bit; check the source")
        self.payload_bits = int(payload_bits)
        self.settings, self._least_blocks = settings, least_blocks
        self._bits_per_use = settings.bits_per_symbol * settings.num_streams
        if settings.channel_uses is not None:
            self.num_blocks, self.k, self.n = self._fill(settings.channel_uses)
        elif settings.coded:
            self.num_blocks, self.k, self.n = self._segment(settings.max_block_bits)
            if 3 * self.k < self.n and self.k > MAX_K_BELOW_THIRD:
                self.num_blocks, self.k, self.n = self._segment(MAX_K_BELOW_THIRD)
        else:
            self.num_blocks = 1
            self.n = self._whole_uses(self.payload_bits + settings.crc_bits)
            self.k = self.n
        self.block_payload_bits = self.k - settings.crc_bits
        self.coderate = self.k / self.n
        self.uses_per_block = self.n // self._bits_per_use
        self.num_channel_uses = self.num_blocks * self.uses_per_block

    def _segment(self, max_k: int) -> tuple[int, int, int]:
        """Number of blocks, k and n for blocks of at most ``max_k`` information bits."""
        crc_bits = self.settings.crc_bits
        if max_k <= crc_bits:
            raise UserError(
                f"max_block_bits = {max_k}: {self.settings.crc} leaves no room for payload; set at least {crc_bits + 1}"
            )
        num_blocks = max(ceil(self.payload_bits / (max_k - crc_bits)), self._least_blocks)
        k = max(ceil(self.payload_bits / num_blocks) + crc_bits, MIN_K)
        n = self._whole_uses(ceil(round(k / self.settings.coderate, 6)))
        return num_blocks, max(k, ceil(n * MIN_RATE[0] / MIN_RATE[1])), n

    def _fill(self, num_uses: int) -> tuple[int, int, int]:
        """Number of blocks, k and n where the blocks fill ``num_uses`` and the payload has no more than they hold."""
        num_blocks, most, n = fill(self.settings, num_uses, self._least_blocks)
        room = num_blocks * (most - self.settings.crc_bits)
        if self.payload_bits > room:
            raise UserError(
                f"payload_bits = {self.payload_bits}: {num_uses} channel uses hold {room} at rate "
                f"{most / n:.3g}; send fewer bits, or raise the rate, the modulation or the number of streams"
            )
        if not self.settings.coded:
            return num_blocks, n, n
        k = max(ceil(self.payload_bits / num_blocks) + self.settings.crc_bits, _least_k(n))
        return num_blocks, max(k, ceil(n / 3)) if k > MAX_K_BELOW_THIRD else k, n

    def _whole_uses(self, bits: int) -> int:
        return ceil(bits / self._bits_per_use) * self._bits_per_use

    def to_blocks(self, bits: np.ndarray) -> np.ndarray:
        """Payload ``[B, P]`` to ``[B, num_blocks, block_payload_bits]``, zeros appended."""
        bits = np.asarray(bits)
        if bits.ndim != 2 or bits.shape[1] != self.payload_bits:
            raise UserError(
                f"bits of shape {bits.shape}: [batch, {self.payload_bits}] is wanted; build a link for them"
            )
        padding = self.num_blocks * self.block_payload_bits - self.payload_bits
        padded = np.pad(bits, ((0, 0), (0, padding))) if padding else bits
        return padded.reshape(len(bits), self.num_blocks, self.block_payload_bits)

    def to_payload(self, blocks: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`to_blocks`."""
        return blocks.reshape(len(blocks), -1)[:, : self.payload_bits]


def fill(settings: LinkSettings, num_uses: int, least_blocks: int = 1) -> tuple[int, int, int]:
    """Number of blocks, k and n of the equal blocks that fill ``num_uses`` channel uses at the nominal rate.

    The fewest that do not exceed ``max_block_bits`` and divide the uses. k is the whole part of n times the rate, CRC
    included; at rate 1/5 it is rounded up, since the code offers no lower rate.

    Raises
    ------
    UserError for uses that are too few for a block of the standard, or that the blocks which are needed do not divide.
    """
    if num_uses < 1:
        raise UserError(f"channel_uses = {num_uses}: at least 1 is needed")
    bits_per_use = settings.bits_per_symbol * settings.num_streams
    if not settings.coded:
        n = num_uses * bits_per_use
        if n <= settings.crc_bits:
            raise UserError(f"channel_uses = {num_uses}: {settings.crc} fills them; take more uses")
        return 1, n, n
    shortest, longest = max(MIN_K, settings.crc_bits + 1), settings.max_block_bits
    fewest = max(least_blocks, ceil(num_uses * bits_per_use * settings.coderate / longest))
    for num_blocks in range(fewest, 3 * fewest + 1):  # more would be far shorter than they need be
        if num_uses % num_blocks:
            continue
        n = num_uses // num_blocks * bits_per_use
        k = max(floor(round(n * settings.coderate, 6)), ceil(n * MIN_RATE[0] / MIN_RATE[1]))
        if shortest <= k <= (min(longest, MAX_K_BELOW_THIRD) if 3 * k < n else longest):
            return num_blocks, k, n
    raise UserError(
        f"channel_uses = {num_uses}: {num_uses * bits_per_use} coded bits at rate {settings.coderate:.3g} are not "
        f"{fewest} to {3 * fewest} equal blocks of {shortest} to {longest} information bits; take another number of uses, "
        "rate or max_block_bits"
    )


def room_bits(settings: LinkSettings) -> int:
    """The payload bits that the settings' ``channel_uses`` hold at the nominal rate, without those of CRCs."""
    assert settings.channel_uses is not None
    num_blocks, k, _ = fill(settings, settings.channel_uses)
    return num_blocks * (k - settings.crc_bits)


def _least_k(n: int) -> int:
    """The fewest information bits of a block of n coded bits."""
    return max(MIN_K, ceil(n * MIN_RATE[0] / MIN_RATE[1]))
