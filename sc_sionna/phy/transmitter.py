"""Code blocks to streams of QAM symbols: CRC → LDPC → mapper (TS 38.212, 5.1 and 5.3.2; TS 38.211, 5.1)."""

from __future__ import annotations

import tensorflow as tf
from sionna.phy import Block
from sionna.phy.fec.crc import CRCEncoder
from sionna.phy.mapping import Constellation, Mapper

from sc_sionna.config import LinkSettings
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.ldpc import ldpc_encoder


class Transmitter(Block):
    """``call(bits [M, block_payload_bits]) -> x [M, uses_per_block, S]``, unit power per stream symbol.

    Consecutive symbols of a code word go to the streams of one channel use, then to the next use.
    """

    def __init__(self, framing: Framing, settings: LinkSettings) -> None:
        super().__init__()
        self.framing, self.settings = framing, settings
        self.crc_encoder = None if settings.crc == "none" else CRCEncoder(settings.crc)
        self.encoder = ldpc_encoder(framing.k, framing.n, settings.bits_per_symbol) if settings.coded else None
        self.constellation = Constellation("qam", settings.bits_per_symbol)
        self.mapper = Mapper(constellation=self.constellation)

    def call(self, bits: tf.Tensor) -> tf.Tensor:
        if self.crc_encoder is not None:
            bits = self.crc_encoder(bits)  # [M, k]
        if self.encoder is not None:
            bits = self.encoder(bits)  # [M, n]
        symbols = self.mapper(bits)  # [M, n / bits_per_symbol]
        return tf.reshape(symbols, [-1, self.framing.uses_per_block, self.settings.num_streams])
