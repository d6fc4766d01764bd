"""What a learned scheme sends of a batch, and how much of it a number of channel uses holds."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.phy.framing import room_bits
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import LinkSettings


@dataclass(frozen=True)
class Sent:
    """What the semantic transmitter knows of a batch; ``chosen`` are optional inputs of the receiver, side information."""

    keep: np.ndarray  # int32 [B, N]
    indices: np.ndarray  # int32 [B, N]
    order: np.ndarray  # int64 [B, M], the places of the M indices that are sent, in that order
    chosen: dict[str, np.ndarray]  # sent_mask, representatives

    def placed(self, received: np.ndarray) -> np.ndarray:
        """What arrived of the M sent indices ``[B, M, ...]`` at their places among all ``[B, N, ...]``, zeros elsewhere."""
        whole = np.zeros((*self.indices.shape, *received.shape[2:]), received.dtype)
        whole[np.arange(len(whole))[:, None], self.order] = received
        return whole


def num_indices(codec: SemanticCodec, link: LinkSettings) -> int:
    """The indices that are sent of an image: those of all kept patches, or as many as ``link.channel_uses`` hold.

    Raises
    ------
    UserError where the uses hold no index, and for thresholds by image together with them.
    """
    if link.channel_uses is None:
        return codec.num_kept
    if codec.settings.chooses_by_image:
        raise UserError(
            f"link.channel_uses = {link.channel_uses}: a threshold sends another number of features for every image; leave "
            "importance.threshold and similarity.threshold out"
        )
    room, per_index = room_bits(link), codec.index_mapper.bits_per_index
    if room < per_index:
        raise UserError(
            f"link.channel_uses = {link.channel_uses}: hold {room} bits, and one index has {per_index}; take more uses"
        )
    return min(room // per_index, len(codec.candidate_positions()))


def features_and_copies(codec: SemanticCodec, link: LinkSettings) -> tuple[int, int]:
    """The analog features that are sent of an image, and how often all of them are.

    Raises
    ------
    UserError where the symbols do not fill whole channel uses, and where the uses hold too few.
    """
    reals_per_use = 2 * link.num_streams
    whole_uses = reals_per_use // gcd(codec.settings.code_dim, reals_per_use)  # features that fill some
    number, copies = codec.num_kept, 1
    if link.channel_uses is not None:
        room = link.channel_uses * reals_per_use // codec.settings.code_dim  # in features
        number, copies = min(number, room) // whole_uses * whole_uses, max(1, room // number)
    if number == 0 or number % whole_uses:
        raise UserError(
            f"link.num_streams = {link.num_streams}: {codec.payload_length // 2} symbols per image do not fill whole "
            "channel uses, or more than there are; choose a divisor, or more channel_uses"
        )
    return number, copies
