"""A source codec that fills a given number of bits as well as it can.

bits = number of the settings ─ length in bytes ─ stream ─ zeros
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import Any

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.source_codecs.base import SourceCodec

BYTE = 8
BEFORE, BEHIND = 2, 4  # settings of a ladder that are looked at, from the finest that fits
KEPT = 8192  # coded pictures: those of a batch at all settings


class Ladders:
    """A codec at all settings that it offers, from fine to coarse, several ladders side by side.

    Both ends know them. What a picture becomes at a setting is computed once, whatever the number of bits it is to fit.
    """

    def __init__(self, codec_class: type[SourceCodec], settings: Any, image_size: int) -> None:
        self.settings, self.image_size = settings, image_size
        self.ladders = [
            [codec_class(s, image_size) for s in ladder] for ladder in codec_class.ladders(settings, image_size)
        ]
        self.codecs = [codec for ladder in self.ladders for codec in ladder]
        self.bits, self.error = lru_cache(KEPT)(self._bits), lru_cache(KEPT)(self._error)

    def best(self, image: bytes, room: int) -> int | None:
        """The number of the setting that shows a picture best in ``room`` bits; None where none fits.

        On each ladder the finest that fits is a candidate, and those around it that fit too; of these the one with the least
        mean square error is taken.
        """
        candidates: list[int] = []
        first = 0
        for ladder in self.ladders:
            numbers = range(first, first + len(ladder))
            place = bisect_left(numbers, True, key=lambda number: self._length(number, image) <= room)
            # a coarser setting mostly takes fewer bits and shows less, but not always: a look to both sides
            near = numbers[max(0, place - BEFORE) : place + BEHIND]
            candidates += [number for number in near if self._length(number, image) <= room]
            first += len(ladder)
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        return min(candidates, key=lambda number: self.error(number, image))

    def shown(self, pixels: np.ndarray, ladder: int, room: int) -> np.ndarray:
        """An image uint8 ``[H, H, 3]`` at the finest setting of one ladder that fits into ``room`` bits, else the coarsest.

        Nothing is kept of it: in training no picture comes twice.
        """
        codecs = self.ladders[ladder]
        place = bisect_left(codecs, True, key=lambda codec: (codec.num_bits or len(codec.encode(pixels))) <= room)
        codec = codecs[min(place, len(codecs) - 1)]
        decoded = codec.decode(codec.encode(pixels))
        if decoded is None:
            raise UserError(f"{type(codec).__name__}: cannot read a picture that it wrote itself; mend the codec")
        return decoded

    def _length(self, number: int, image: bytes) -> int:
        """The length of a picture's stream at one setting; of some codecs that is known without coding it."""
        return self.codecs[number].num_bits or len(self.bits(number, image))

    def _image(self, pixels: bytes) -> np.ndarray:
        return np.frombuffer(pixels, np.uint8).reshape(self.image_size, self.image_size, 3)

    def _bits(self, number: int, pixels: bytes) -> np.ndarray:
        """The stream of a picture at one setting."""
        codec = self.codecs[number]
        bits = codec.encode(self._image(pixels))
        if codec.num_bits is None and len(bits) % BYTE:
            raise UserError(
                f"{type(codec).__name__}: wrote {len(bits)} bits; a length is said in whole bytes, fill them up"
            )
        return bits

    def _error(self, number: int, pixels: bytes) -> float:
        """The mean square error of what it decodes to."""
        codec = self.codecs[number]
        decoded = codec.decode(self.bits(number, pixels))
        if decoded is None:
            raise UserError(f"{type(codec).__name__}: cannot read a picture that it wrote itself; mend the codec")
        return float(np.mean((decoded.astype(np.float64) - self._image(pixels)) ** 2))


class FittedCodec(SourceCodec):
    """Of the settings whose stream fits into ``num_bits``, for each picture the best one, see :meth:`Ladders.best`.

    Where none fits, nothing is said of the picture.

    ladders : the codec at all its settings
    num_bits : of every picture; the number of the settings and the stream's length are part of them

    Raises
    ------
    UserError where not one byte of a stream is left.
    """

    num_bits: int

    def __init__(self, ladders: Ladders, num_bits: int) -> None:
        super().__init__(ladders.settings, ladders.image_size)
        self._at, self.num_bits = ladders, num_bits
        self.number_bits, self.length_bits = self._fields(ladders, num_bits)
        self.room = num_bits - self.number_bits - self.length_bits
        if self.room < BYTE:
            raise UserError(
                f"num_bits = {num_bits}: {self.number_bits + self.length_bits} of them say which settings and how long, and "
                "less than a byte is left for the picture; take more link.channel_uses"
            )

    @staticmethod
    def _fields(ladders: Ladders, num_bits: int) -> tuple[int, int]:
        """Bits that say which settings, and how many bytes; one number of settings is left for "nothing fits"."""
        varying = any(codec.num_bits is None for codec in ladders.codecs)
        return len(ladders.codecs).bit_length(), (num_bits // BYTE).bit_length() if varying else 0

    @classmethod
    def said_beside(cls, ladders: Ladders, num_bits: int) -> int:
        """Bits of ``num_bits`` that are not the picture's."""
        return sum(cls._fields(ladders, num_bits))

    @classmethod
    def least_bits(cls, ladders: Ladders) -> int:
        """The fewest bits in which something can be said."""
        return next(bits for bits in range(BYTE, 1024) if bits - cls.said_beside(ladders, bits) >= BYTE)

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """The picture at the best setting that fits, zeros behind it; zeros alone where nothing fits."""
        image = pixels.tobytes()
        best = self._at.best(image, self.room)
        if best is None:
            return np.zeros(self.num_bits, np.uint8)
        bits = self._at.bits(best, image)
        fields = (*_field(best + 1, self.number_bits), *_field(len(bits) // BYTE, self.length_bits))
        sent = np.concatenate([np.array(fields, np.uint8), bits])
        return np.pad(sent, (0, self.num_bits - len(sent)))

    def says_nothing(self, bits: np.ndarray) -> bool:
        """Whether the transmitter found no setting that fits."""
        return not bits[: self.number_bits].any()

    def decode(self, bits: np.ndarray) -> np.ndarray | None:
        """The picture; None where nothing was said, and where the bits are none."""
        if bits.shape != (self.num_bits,):
            return None
        number = _number(bits[: self.number_bits]) - 1
        if not 0 <= number < len(self._at.codecs):
            return None
        codec, stream = self._at.codecs[number], bits[self.number_bits + self.length_bits :]
        length = codec.num_bits or BYTE * _number(bits[self.number_bits : self.number_bits + self.length_bits])
        return codec.decode(stream[:length]) if 0 < length <= len(stream) else None


def _field(number: int, width: int) -> list[int]:
    """A number as bits, most significant first."""
    return [(number >> place) & 1 for place in range(width - 1, -1, -1)]


def _number(bits: np.ndarray) -> int:
    """Inverse of :func:`_field`."""
    return int("".join(str(int(bit)) for bit in bits) or "0", 2)
