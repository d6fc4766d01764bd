"""Which coded bits a channel use carries: what anyone knows who knows a scheme's code and framing, and nothing drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sc_sionna.phy.ldpc.decoder import LayeredLDPCDecoder
from sc_sionna.phy.transmitter import Transmitter


@dataclass(frozen=True, eq=False)
class CodedUses:
    """One code word, or copies of it whose LLRs the receiver adds, on consecutive channel uses.

    Consecutive bits of a code word, in the order in which the encoder gives them, go to the symbols of one use, then to the
    next use: use u of a copy carries the positions u·S·m to (u + 1)·S·m - 1, of S streams with m bits.

    first_use : the first of them within the image
    decoder : of the code, for LLRs in the order of the encoder
    bits_per_use : S·m
    copies : how often the code word is sent
    """

    first_use: int
    decoder: LayeredLDPCDecoder
    bits_per_use: int
    copies: int = 1

    @property
    def num_uses(self) -> int:
        """Channel uses of the code word, copies included."""
        return self.copies * (self.decoder.graph.n // self.bits_per_use)

    def to_code_word(self, llr: np.ndarray) -> np.ndarray:
        """LLRs of the uses ``[M, num_uses, bits_per_use]`` as the decoder takes them ``[M, n]``, those of copies added."""
        return llr.reshape(len(llr), self.copies, -1).sum(axis=1)


@dataclass(frozen=True, eq=False)
class AirLayout:
    """The channel uses of one image.

    num_uses : U, all of them
    header_uses : the first so many say how the rest is divided; 0 where nothing has to be said
    blocks : the code words behind the header, all of one code; none where what is sent is not coded
    """

    num_uses: int
    header_uses: int = 0
    blocks: tuple[CodedUses, ...] = ()


def coded_uses(transmitter: Transmitter, first_use: int = 0, copies: int = 1) -> tuple[CodedUses, ...]:
    """The code words of a transmitter's framing in the order in which they are sent; none where it does not code.

    copies : how many blocks in turn are the same code word, whose LLRs the receiver adds
    """
    if transmitter.encoder is None:
        return ()
    framing, decoder = transmitter.framing, LayeredLDPCDecoder(transmitter.encoder, transmitter.settings.num_iter)
    starts = range(first_use, first_use + framing.num_channel_uses, copies * framing.uses_per_block)
    return tuple(CodedUses(start, decoder, framing.n // framing.uses_per_block, copies) for start in starts)
