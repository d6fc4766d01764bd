"""What one image costs on the air: every bit, symbol and channel use of a scheme."""

from __future__ import annotations

from math import ceil
from typing import Any

from pydantic import BaseModel, ConfigDict


class Budget(BaseModel):
    """Cost per image; for a stream of varying length the mean over the images.

    payload_bits : source bits (indices, or JPEG stream)
    side_bits : what the receiver must be told beside them (length header, content-dependent choices); 0 where both ends
        can compute it
    crc_bits, padding_bits : added by the framing
    coded_bits : on the air after the channel code
    symbols : QAM symbols, ``coded_bits / bits_per_symbol``
    channel_uses : uses of the MIMO channel, ``symbols / num_streams``
    uncoded_symbols : ``ceil(payload_bits / bits_per_symbol)``, as the paper's Table I counts its learned scheme
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    payload_bits: float
    side_bits: float
    crc_bits: float
    padding_bits: float
    coded_bits: float
    symbols: float
    channel_uses: float
    uncoded_symbols: float


def digital_budget(
    framing: Any, payload_bits: float, side_bits: float = 0.0, num_blocks: float | None = None
) -> Budget:
    """Budget of ``payload_bits + side_bits`` over ``num_blocks`` code blocks of a framing (all of them by default)."""
    blocks = framing.num_blocks if num_blocks is None else num_blocks
    settings = framing.settings
    crc_bits = (framing.k - framing.block_payload_bits) * blocks
    symbols = blocks * framing.n / settings.bits_per_symbol
    return Budget(
        payload_bits=payload_bits,
        side_bits=side_bits,
        crc_bits=crc_bits,
        padding_bits=blocks * framing.block_payload_bits - payload_bits - side_bits,
        coded_bits=blocks * framing.n,
        symbols=symbols,
        channel_uses=symbols / settings.num_streams,
        uncoded_symbols=ceil(payload_bits / settings.bits_per_symbol),
    )
