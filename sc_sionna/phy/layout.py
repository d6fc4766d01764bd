"""Which coded bits a channel use carries: what anyone who knows a scheme's code and framing knows of it, and nothing drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sc_sionna.phy.ldpc.decoder import CodeGraph
from sc_sionna.phy.transmitter import Transmitter


@dataclass(frozen=True, eq=False)
class CodedUses:
    """One code word, or copies of it whose LLRs the receiver adds, on consecutive channel uses.

    first_use : the first of them within the image
    variables : int ``[uses, bits per use]``, the variable of ``graph`` that each bit is, interleaver included
    graph : the code
    """

    first_use: int
    variables: np.ndarray
    graph: CodeGraph

    @property
    def num_uses(self) -> int:
        """Channel uses of the code word, copies included."""
        return len(self.variables)


@dataclass(frozen=True, eq=False)
class AirLayout:
    """The channel uses of one image.

    num_uses : U, all of them
    header_uses : the first so many say how the rest is divided; 0 where nothing has to be said
    blocks : the code words behind the header; none where what is sent is not coded
    """

    num_uses: int
    header_uses: int = 0
    blocks: tuple[CodedUses, ...] = ()


def coded_uses(transmitter: Transmitter, first_use: int = 0, copies: int = 1) -> tuple[CodedUses, ...]:
    """The code words of a transmitter's framing in the order in which they are sent; none where it does not code.

    Consecutive symbols of a code word go to the streams of one use, then to the next use, so that the bits of use u are
    the positions u·S·m to (u + 1)·S·m - 1 of the encoder's output.

    copies : how many blocks in turn are the same code word, whose LLRs the receiver adds
    """
    if transmitter.encoder is None:
        return ()
    framing, graph = transmitter.framing, CodeGraph(transmitter.encoder)
    variables = np.tile(graph.sent_var.reshape(framing.uses_per_block, -1), (copies, 1))
    starts = range(first_use, first_use + framing.num_channel_uses, copies * framing.uses_per_block)
    return tuple(CodedUses(start, variables, graph) for start in starts)
