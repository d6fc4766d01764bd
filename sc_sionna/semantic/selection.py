"""Which features of an image are sent, said in front of their indices (Sec. IV-A and IV-B): the stream, and its reader."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

UNIT_BITS = 8  # streams are whole bytes, which at the default link's 8 information bits a channel use costs no use


class Arrived(NamedTuple):
    """What a receiver reads in one stream, of N features with m bits each.

    bits : uint8 [N, m], bits of the indices at their places, zeros where no index arrived
    present : bool [N], the features that the decoder gets; the others are mask tokens
    first : int64 [N], the feature whose index stands for each; n itself where feature n has an index of its own
    """

    bits: np.ndarray
    present: np.ndarray
    first: np.ndarray


class SelectionCode:
    """Streams of one image whose features are chosen by its content.

    A stream consists of

    1. with ``masked`` a bit for each of the N kept features: whether it is sent at all;
    2. with ``repeated`` a bit for each feature of these but the first: whether it has an index of its own;
    3. for each one that has none its representative's number among the k features with an index before it,
       ceil(log2 k) bits, most significant first;
    4. the indices, m bits each, and zeros up to a whole byte.

    1 to 3 are the side information that :meth:`~sc_sionna.semantic.codec.SemanticCodec.side_bits` counts. The transmitter
    always sends at least one feature (:func:`~sc_sionna.semantic.importance.sent_features`).

    num_features, bits_per_index : N and m
    masked : whether importance chooses by image
    repeated : whether similar features are sent once
    """

    def __init__(self, num_features: int, bits_per_index: int, masked: bool, repeated: bool) -> None:
        self.num_features, self.bits_per_index = num_features, bits_per_index
        self.masked, self.repeated = masked, repeated
        number = (num_features - 1).bit_length() if repeated else 0  # of a representative, at most
        most = num_features * (masked + repeated + max(bits_per_index, number))
        self.length_bits = (-(-most // UNIT_BITS)).bit_length()

    def write(self, bits: np.ndarray, present: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, int]:
        """The stream uint8 of whole bytes, and how many of its bits are side information.

        bits, present, first : of all features, as :class:`Arrived` has them
        """
        places = np.flatnonzero(present)
        own = first[places] == places
        side = [present] if self.masked else []
        if self.repeated:
            side.append(own[1:])
            sent_before = np.cumsum(own) - own
            for place, before in zip(places[~own], sent_before[~own], strict=True):
                number = int(np.searchsorted(places[own], first[place]))
                side.append(_binary(number, _width(int(before))))
        said = np.concatenate([np.zeros(0, np.uint8), *side]).astype(np.uint8)
        stream = np.concatenate([said, bits[places[own]].astype(np.uint8).ravel()])
        return np.pad(stream, (0, -len(stream) % UNIT_BITS)), len(said)

    def read(self, stream: np.ndarray) -> Arrived:
        """What bits of any number and value say.

        Whatever the stream is too short for did not arrive, nor what it stands for; a number that no feature has is taken
        modulo k; bits that are left over say nothing. So a stream without bits says that no feature arrived.
        """
        count, place = self.num_features, 0

        def take(number: int) -> np.ndarray:
            nonlocal place
            place += number
            return stream[place - number : place]

        present = np.ones(count, bool)
        if self.masked:
            flags = take(count)
            present = np.pad(flags.astype(bool), (0, count - len(flags)))
        first = np.arange(count)
        places = np.flatnonzero(present)
        if self.repeated and len(places):
            flags = take(len(places) - 1)
            present[places[1 + len(flags) :]] = False
            sent = [int(places[0])]
            for feature, own in zip(places[1 : 1 + len(flags)], flags, strict=True):
                if own:
                    sent.append(int(feature))
                    continue
                number = take(_width(len(sent)))
                if len(number) < _width(len(sent)):
                    present[feature] = False
                else:
                    first[feature] = sent[int(number @ _weights(len(number))) % len(sent)]
        indices = stream[place:]
        own = np.flatnonzero(present & (first == np.arange(count)))
        whole = min(len(own), len(indices) // self.bits_per_index)
        bits = np.zeros((count, self.bits_per_index), np.uint8)
        bits[own[:whole]] = indices[: whole * self.bits_per_index].reshape(whole, self.bits_per_index)
        present[own[whole:]] = False
        return Arrived(bits, present & present[first], first)


def _width(before: int) -> int:
    """Bits of a number below ``before``: ceil(log2 before)."""
    return max(before - 1, 0).bit_length()


def _weights(width: int) -> np.ndarray:
    return 1 << np.arange(width - 1, -1, -1)


def _binary(number: int, width: int) -> np.ndarray:
    return ((number >> np.arange(width - 1, -1, -1)) & 1).astype(np.uint8)
