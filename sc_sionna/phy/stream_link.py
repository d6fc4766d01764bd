"""Streams of different lengths over one fading realisation each: a header that says the length, then blocks that fit it.

length ─ header block ─┐
                       ├▶ P ─▶ y = H P x + n ─▶ LMMSE ─ demapper ─▶ header ─ length ─▶ blocks ─▶ bits
bits ─ blocks ─────────┘

The header is a code block of its own with a CRC, sent first and counted. It tells the receiver how the rest is divided, so
that a stream of 33 bytes costs what 33 bytes cost.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from sionna.phy import Object

from sc_sionna.core.errors import UserError
from sc_sionna.phy.air.loop import Received, transmit
from sc_sionna.phy.budget import Budget, digital_budget
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.layout import AirLayout, coded_uses
from sc_sionna.phy.mimo import MimoChannel, interference_of_link, no_per_image, seed_of_link
from sc_sionna.phy.receiver import Receiver
from sc_sionna.phy.snr import noise_variance
from sc_sionna.phy.transmitter import Transmitter
from sc_sionna.settings import LinkSettings

HEADER_CRC = "CRC11"
USES_STEP = 64  # the longest stream of a batch is filled up to a multiple of it, so that few graphs serve all batches
KEPT_CODES = 256  # of different lengths


class StreamOutput(NamedTuple):
    """What a :class:`StreamLink` returns for B streams.

    bits : a list of B arrays uint8, what the receiver decoded with the length that it read; empty where it read none
    accepted : bool [B], the receiver's own verdict: header and every block passed their CRC and are decided in every bit
        (without a CRC: decided)
    error_free : bool [B], whether an accepted stream is the one that was sent
    bit_errors, num_bits : int64 [B], of the stream's bits; all of them count as wrong where another length was read
    block_errors, num_blocks : int64 [B], the header included; a block of which some bit is not decided is an error
    num_uses : int64 [B], channel uses
    """

    bits: list[np.ndarray]
    accepted: np.ndarray
    error_free: np.ndarray
    bit_errors: np.ndarray
    num_bits: np.ndarray
    block_errors: np.ndarray
    num_blocks: np.ndarray
    num_uses: np.ndarray

    def rows(self, rows: np.ndarray) -> StreamOutput:
        """The output of some of the streams."""
        return StreamOutput([self.bits[row] for row in rows], *(part[rows] for part in self[1:]))


class Code:
    """Transmitter and receiver of one framing."""

    def __init__(self, payload_bits: int, settings: LinkSettings) -> None:
        self.framing = Framing(payload_bits, settings)
        self.transmitter = Transmitter(self.framing, settings)
        self.receiver = Receiver(self.transmitter)

    def symbols(self, bits: np.ndarray) -> np.ndarray:
        """Payloads ``[M, P]`` to streams of symbols complex64 ``[M, num_channel_uses, S]``."""
        blocks = self.framing.to_blocks(bits)
        x = self.transmitter(blocks.reshape(-1, blocks.shape[-1]))
        return x.reshape(len(bits), self.framing.num_channel_uses, -1)

    def decode(self, llr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """LLRs ``[M, num_blocks · n]`` to blocks int32 ``[M, num_blocks, ·]``, bool verdicts and erasures of each."""
        shape = len(llr), self.framing.num_blocks
        decoded = self.receiver.call(llr.reshape(-1, self.framing.n))
        blocks = decoded.bits[:, : self.framing.block_payload_bits]
        verdicts = ~decoded.erased if decoded.crc_ok is None else decoded.crc_ok
        return blocks.reshape(*shape, -1), verdicts.reshape(shape), decoded.erased.reshape(shape)


class StreamLink(Object):
    """Bit streams of different lengths over the coded MIMO link, one fading realisation (or more) a stream.

    settings : of the link; ``settings.crc`` is that of the stream's blocks
    length_bits : bits of the header's length field, which counts units; 0 sends no header, and all streams are
        ``fixed_bits`` long
    unit_bits : the length of every stream is a multiple of it
    """

    def __init__(
        self, settings: LinkSettings, length_bits: int, unit_bits: int = 8, fixed_bits: int | None = None
    ) -> None:
        super().__init__()
        if (length_bits == 0) == (fixed_bits is None):
            raise UserError(
                f"length_bits = {length_bits}, fixed_bits = {fixed_bits}: streams have a header or one length, not both"
            )
        self.settings, self.length_bits, self.unit_bits, self.fixed_bits = settings, length_bits, unit_bits, fixed_bits
        self.header = Code(length_bits, settings.with_(crc=HEADER_CRC)) if length_bits else None
        self.header_uses = self.header.framing.num_channel_uses if self.header else 0
        self.code = lru_cache(KEPT_CODES)(lambda payload_bits: Code(payload_bits, settings))
        self.layout = lru_cache(KEPT_CODES)(self._layout)
        self._mimo = lru_cache(None)(lambda num_uses: MimoChannel(settings, num_uses))

    def num_uses(self, num_bits: int) -> int:
        """Channel uses of a stream of so many bits, header included."""
        return self.header_uses + Framing(num_bits, self.settings).num_channel_uses

    def _layout(self, num_bits: int) -> AirLayout:
        """Which coded bits each use carries, of a stream of so many bits."""
        blocks = coded_uses(self.code(num_bits).transmitter, self.header_uses)
        return AirLayout(self.num_uses(num_bits), self.header_uses, blocks)

    def budget(self, num_bits: int, payload_bits: int | None = None, side_bits: int = 0) -> Budget:
        """Cost of a stream of so many bits; the header's length field is side information.

        payload_bits, side_bits : what the stream's bits are, the rest padding; by default all are payload
        """
        payload = num_bits if payload_bits is None else payload_bits
        parts = [digital_budget(Framing(num_bits, self.settings), payload, side_bits)]
        if self.header is not None:
            parts.append(digital_budget(self.header.framing, 0.0, self.length_bits))
        return Budget(**{name: sum(getattr(part, name) for part in parts) for name in Budget.model_fields})

    def _length_field(self, streams: list[np.ndarray]) -> np.ndarray:
        """Lengths of the streams in units, as bits ``[B, length_bits]``, most significant first."""
        units = np.array([len(s) // self.unit_bits for s in streams])
        wrong = [
            len(s) for s in streams if len(s) % self.unit_bits or not 0 < len(s) // self.unit_bits < 2**self.length_bits
        ]
        if wrong:
            raise UserError(
                f"stream of {wrong[0]} bits: the {self.length_bits}-bit header says 1 to {2**self.length_bits - 1} units of "
                f"{self.unit_bits} bits; lower the quality or the image size"
            )
        return (units[:, None] >> np.arange(self.length_bits - 1, -1, -1)) & 1

    def __call__(self, streams: list[np.ndarray], snr_db: float, seed: Any, interference: Any = None) -> StreamOutput:
        """Send B streams of bits 0 and 1; ``seed`` int32 ``[2]`` names fading and noise, drawn as the other links draw them.

        interference : complex, broadcastable to [B, U, num_rx_ant] with U the uses of the longest stream, or None
        """
        on_air, num_uses = self._transmit(streams, snr_db, seed, interference)
        return self._decode(streams, num_uses, on_air.llr)

    def received(self, streams: list[np.ndarray], snr_db: float, seed: Any) -> np.ndarray:
        """What reaches the antennas while every stream is still being sent: complex64 ``[B, U, rx]``."""
        on_air, num_uses = self._transmit(streams, snr_db, seed, None)
        return on_air.y[:, : num_uses.min()]

    def _transmit(
        self, streams: list[np.ndarray], snr_db: float, seed: Any, interference: Any
    ) -> tuple[Received, np.ndarray]:
        """What arrives in U uses, those of the longest stream filled up, and the channel uses of each stream ``[B]``."""
        if not streams:
            raise UserError("streams: an empty batch; send at least one")
        if self.fixed_bits is not None and any(len(s) != self.fixed_bits for s in streams):
            raise UserError(
                f"streams: every one has {self.fixed_bits} bits on this link; build a link for other lengths"
            )
        lengths = np.array([len(s) for s in streams])
        num_uses = np.array([self.num_uses(int(length)) for length in lengths])
        total = -(-int(num_uses.max()) // USES_STEP) * USES_STEP
        x = np.zeros((len(streams), total, self.settings.num_streams), np.complex64)
        if self.header is not None:
            x[:, : self.header_uses] = self.header.symbols(self._length_field(streams))
        for length, rows in _groups(lengths):
            x[rows, self.header_uses : num_uses[rows[0]]] = self.code(length).symbols(
                np.stack([streams[r] for r in rows])
            )
        if interference is not None:
            interference = _repeated(np.asarray(interference), total)
        shape = (len(streams), total, self.settings.num_rx_ant)
        mimo, demapper = self._mimo(total), self.code(self.fixed_bits or self.unit_bits).receiver.demapper
        _, channel = mimo.meet(
            no_per_image(noise_variance(snr_db), len(streams)),
            seed_of_link(seed),
            interference_of_link(interference, shape),
        )
        image = np.arange(len(streams), dtype=np.int32)
        return transmit(x, image, np.zeros_like(image), channel, demapper.pam), num_uses

    def _decode(self, streams: list[np.ndarray], num_uses: np.ndarray, llr: np.ndarray) -> StreamOutput:
        """Receive LLRs ``[B, U, S·m]``, by the lengths that the headers say."""
        count = len(streams)
        sent = np.array([len(s) for s in streams])
        read, accepted = sent.copy(), np.ones(count, bool)
        block_errors, num_blocks = np.zeros(count, np.int64), np.zeros(count, np.int64)
        if self.header is not None:
            blocks, ok, erased = self.header.decode(llr[:, : self.header_uses].reshape(count, -1))
            field = blocks[:, 0, : self.length_bits]
            read = (field @ (1 << np.arange(self.length_bits - 1, -1, -1))) * self.unit_bits
            accepted = ok[:, 0] & (read > 0)
            block_errors += (field != self._length_field(streams)).any(axis=1) | erased[:, 0]
            num_blocks += 1
        bits = [np.zeros(0, np.uint8)] * count
        bit_errors = sent.astype(np.int64)
        for length in np.unique(sent):
            num_blocks[sent == length] += self.code(int(length)).framing.num_blocks
        # a stream whose header was not read is lost whole, its blocks with it
        lost = ~accepted | (read != sent)
        block_errors[lost] = num_blocks[lost]
        for length, rows in _groups(np.where(accepted, read, 0)):
            framing = Framing(length, self.settings) if length else None
            if framing is None or self.header_uses + framing.num_channel_uses > llr.shape[1]:
                accepted[rows] = False  # no length was read, or one that the signal does not have
                continue
            code = self.code(length)
            blocks, ok, erased = code.decode(
                llr[rows, self.header_uses : self.header_uses + framing.num_channel_uses].reshape(len(rows), -1)
            )
            payload = code.framing.to_payload(blocks).astype(np.uint8)
            for row, received, verdict, block, lost_blocks in zip(rows, payload, ok, blocks, erased, strict=True):
                bits[row], accepted[row] = received, verdict.all()
                if not lost[row]:
                    bit_errors[row] = (received != streams[row]).sum()
                    wrong = (block != code.framing.to_blocks(streams[row][None])[0]).any(axis=-1)
                    block_errors[row] += (wrong | lost_blocks).sum()
        same = [len(b) == len(s) and bool((b == s).all()) for b, s in zip(bits, streams, strict=True)]
        error_free = accepted & np.array(same)
        return StreamOutput(bits, accepted, error_free, bit_errors, sent, block_errors, num_blocks, num_uses)


def _groups(lengths: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Each different length with the rows that have it."""
    return [(int(length), np.flatnonzero(lengths == length)) for length in np.unique(lengths)]


def _repeated(interference: np.ndarray, num_uses: int) -> np.ndarray:
    """Interference over ``num_uses`` uses: repeated where it is shorter, since the attacker sends its noise again."""
    uses = interference.shape[-2] if interference.ndim > 1 else 1
    if uses in (1, num_uses):
        return interference
    return np.concatenate([interference] * -(-num_uses // uses), axis=-2)[..., :num_uses, :]
