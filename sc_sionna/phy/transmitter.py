"""Code blocks to streams of QAM symbols: CRC → LDPC → mapper (TS 38.212, 5.1 and 5.3.2; TS 38.211, 5.1)."""

from __future__ import annotations

import numpy as np
from sionna.phy import Object
from sionna.phy.fec.crc import CRCEncoder
from sionna.phy.mapping import Constellation

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.ldpc.decoder import CodeGraph, ldpc_encoder
from sc_sionna.phy.ldpc.encoder import Equations, chain, crc_equations, encode_and_map, parity_equations
from sc_sionna.settings import LinkSettings


class Transmitter(Object):
    """``transmitter(bits [M, block_payload_bits]) -> x complex64 [M, uses_per_block, S]``, unit power per stream symbol.

    Consecutive symbols of a code word go to the streams of one channel use, then to the next use. CRC, code, interleaver
    and constellation are those of Sionna's ``CRCEncoder``, ``LDPC5GEncoder`` and ``Mapper``, worked off in one compiled
    loop on the host.

    Raises
    ------
    UserError for bits of another shape, or that are not 0 or 1.
    """

    def __init__(self, framing: Framing, settings: LinkSettings) -> None:
        super().__init__(precision="single")
        self.framing, self.settings = framing, settings
        self.crc_encoder = None if settings.crc == "none" else CRCEncoder(settings.crc, precision="single")
        self.encoder = ldpc_encoder(framing.k, framing.n, settings.bits_per_symbol) if settings.coded else None
        self.constellation = Constellation("qam", settings.bits_per_symbol, precision="single")
        self._points = np.asarray(self.constellation.points).astype(np.complex64)
        self._equations = Equations(framing.block_payload_bits, *(np.zeros(size, np.int32) for size in (0, 1, 0)))
        if self.crc_encoder is not None:
            self._equations = crc_equations(self.crc_encoder.crc_pol, framing.block_payload_bits)
        if self.encoder is None:
            num_bits, self._sent = framing.n, np.arange(framing.n, dtype=np.int32)
        else:
            graph = CodeGraph(self.encoder)
            parity = parity_equations(graph.pcm, graph.k, self.encoder.z)
            self._equations = chain(self._equations, parity)
            num_bits, self._sent = graph.num_var, graph.sent_var
        self._num_bits = num_bits

    def __call__(self, bits: Tensor) -> np.ndarray:
        """Encode, interleave and map the bits of M blocks."""
        bits = np.asarray(bits)
        if bits.ndim != 2 or bits.shape[1] != self.framing.block_payload_bits:
            raise UserError(
                f"bits of shape {bits.shape}: [blocks, {self.framing.block_payload_bits}] is wanted; segment the payload"
            )
        bad = (bits != 0) & (bits != 1)
        if bad.any():  # another number would reach into another frame's bit of a word
            raise UserError(f"bits = {bits[bad][0]}: bits are 0 or 1; send hard decisions")
        bits = np.ascontiguousarray(bits, np.uint8)
        framing, equations = self.framing, self._equations
        symbols = np.empty((len(bits), framing.n // self.settings.bits_per_symbol), np.complex64)
        words, lined_up = np.empty(self._num_bits, np.uint64), np.empty(framing.n, np.uint64)  # of this call: threads
        encode_and_map()(
            bits,
            equations.target,
            equations.start,
            equations.source,
            self._sent,
            words,
            lined_up,
            self._points,
            symbols,
        )
        return symbols.reshape(len(bits), framing.uses_per_block, self.settings.num_streams)  # Eq. (1): f2
