"""The masked VQ-VAE where every image sends features of its own choice, in a stream as long as they are many."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sc_sionna.attacks.jamming import PATTERNS, Pattern
from sc_sionna.core.errors import UserError
from sc_sionna.phy.budget import Budget
from sc_sionna.phy.layout import AirLayout
from sc_sionna.phy.stream_link import StreamLink
from sc_sionna.schemes.base import CHUNK, AirSurface, Batch
from sc_sionna.schemes.filling import Sent, num_indices
from sc_sionna.schemes.masked_vqvae import MaskedVqvaeScheme
from sc_sionna.semantic.selection import UNIT_BITS, SelectionCode
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import clustered

TOLD_SNR_DB = 0.0  # by which class-conditional importance chooses the features whose cost a budget tells


class ShortenedVqvaeScheme(MaskedVqvaeScheme):
    """Masked VQ-VAE whose features importance or similarity leaves out: image → [length header] + side information, indices.

    The stream of an image (:class:`~sc_sionna.semantic.selection.SelectionCode`) says which of the kept features are sent,
    and then their indices; header, blocks and channel uses follow its length. Its blocks have the CRC of the link's
    settings, by default none, because indices that arrive with errors are still of use; the header has one of its own.

    The receiver parses what it decoded, whatever it is: a wrong bit of side information puts indices in wrong places. A
    header that cannot be read means that nothing arrived: the decoder gets mask tokens alone, and the image is counted as
    *undecodable*. Attacks at the source see the codec as they see one that sends all; the channel of the adaptive suite is
    that of all its indices in one payload.

    Raises
    ------
    UserError for soft decoding, and for channel uses that are the same for every image.
    """

    over_the_air: ClassVar[bool] = False  # where a stream ends depends on bits that the receiver decides
    jammed_by: ClassVar[tuple[Pattern, ...]] = PATTERNS
    link: StreamLink

    def _connect(self, link: LinkSettings) -> None:
        """Build the link for streams of any length that this codec can send."""
        if self.decoding == "soft":
            raise UserError(
                f"decoding = 'soft': {self.name} sends streams, which are parsed bit by bit; set decoding = 'hard', or "
                "leave importance.threshold and similarity.threshold out"
            )
        self.settings = link
        self._send(num_indices(self.codec, link))
        s = self.codec.settings
        self.selection = SelectionCode(
            self.num_kept,
            self.mapper.bits_per_index,
            masked=s.importance.chooses_by_image,
            repeated=s.similarity.threshold is not None,
        )
        self.link = StreamLink(link, self.selection.length_bits, UNIT_BITS)

    def _source(self, batch: Batch, snr_db: float) -> Sent:
        """As the base class; what is chosen has always both parts."""
        sent = super()._source(batch, snr_db)
        sent.chosen.setdefault("sent_mask", np.ones(sent.indices.shape, bool))
        sent.chosen.setdefault("representatives", np.broadcast_to(np.arange(self.num_kept), sent.indices.shape))
        return sent

    def _streams(self, sent: Sent) -> tuple[list[np.ndarray], np.ndarray]:
        """The streams of a batch, and how many bits of each are side information, int64 ``[B]``."""
        bits = np.asarray(self.mapper.to_bits(sent.indices)).reshape(*sent.indices.shape, -1)
        written = [
            self.selection.write(*of_image)
            for of_image in zip(bits, sent.chosen["sent_mask"], sent.chosen["representatives"], strict=True)
        ]
        return [stream for stream, _ in written], np.array([side for _, side in written])

    def _arrived(self, streams: list[np.ndarray], keep: np.ndarray) -> Sent:
        """What the receiver makes of the bits that it decoded, for the kept patches ``keep [B, N]``."""
        read = [self.selection.read(stream) for stream in streams]
        bits = np.stack([one.bits for one in read])
        indices = np.asarray(self.mapper.to_indices(bits.reshape(len(bits), -1)))
        order = np.broadcast_to(np.arange(self.num_kept), indices.shape)
        chosen = {
            "sent_mask": np.stack([one.present for one in read]),
            "representatives": np.stack([one.first for one in read]).astype(np.int32),
        }
        return Sent(keep, indices, order, chosen)

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """``predictions`` and ``undecodable`` [B], what was ``sent`` and what ``arrived``, and the link's output."""
        sent = self._source(batch, snr_db)  # images -> [B, N]
        streams, _ = self._streams(sent)
        received = self.link(streams, snr_db, batch.link_seed(snr_db), interference)
        arrived = self._arrived(received.bits, sent.keep)
        predictions = self.error_free_predictions(batch, snr_db).copy()  # -> [B]
        damaged = np.flatnonzero(~received.error_free)
        if len(damaged):
            predictions[damaged] = self._classify(arrived, damaged, arrived.indices[damaged], snr_db)
        return {
            "predictions": predictions,
            "undecodable": np.array([len(bits) == 0 for bits in received.bits]),
            "sent": sent,
            "arrived": arrived,
            "link": received,
        }

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """The task's counts; bits and blocks, the header's block among them; indices that were sent and are not in place."""
        sent, arrived, link = outputs["sent"], outputs["arrived"], outputs["link"]
        own, in_place = _own(sent), _own(arrived)
        missed = own & ~(in_place & (sent.indices == arrived.indices))
        return {
            **self.task.counts(outputs["predictions"], batch.targets(self.task)),
            "bits": int(link.num_bits.sum()),
            **clustered("bit_errors", link.bit_errors),
            "blocks": int(link.num_blocks.sum()),
            **clustered("block_errors", link.block_errors),
            "indices": int(own.sum()),
            **clustered("index_errors", missed.sum(axis=1)),
            "undecodable": int(outputs["undecodable"].sum()),
        }

    def budget(self, images: np.ndarray) -> Budget:
        """The mean cost of the images' streams: header, side information and the indices that are sent.

        Which patches are kept is drawn as in a run with seed 0. Importance that depends on the image is told 0 dB.
        """
        costs = []
        for number, start in enumerate(range(0, len(images), CHUNK)):
            pixels = images[start : start + CHUNK].astype(np.float32) / 255.0
            sent = self._source(Batch(pixels, np.zeros(len(pixels), np.int32), number, 0), TOLD_SNR_DB)
            payloads = _own(sent).sum(axis=1) * self.mapper.bits_per_index
            for stream, side, payload in zip(*self._streams(sent), payloads, strict=True):
                costs.append(self.link.budget(len(stream), int(payload), int(side)))
            self.forget()
        return Budget(**{name: float(np.mean([getattr(cost, name) for cost in costs])) for name in Budget.model_fields})

    # ------------------------------------------------------------------ what an attacker may use

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """Signals of the shortest stream's uses, over which an attacker's noise repeats; its loss has no gradient."""
        streams, _ = self._streams(self._source(batch, snr_db))
        y = self.link.received(streams, snr_db, batch.link_seed(snr_db))

        def loss(*_: Any) -> Any:
            raise UserError(
                f"over-the-air attack on {self.name!r}: streams of different lengths have no gradient; leave the thresholds "
                "out, or use the control 'gaussian'"
            )

        return AirSurface(y, loss, ())

    def air_layouts(self, batch: Batch) -> list[AirLayout]:
        """Header and code words of each stream, which follow from its length; importance is told 0 dB, as in a budget."""
        streams, _ = self._streams(self._source(batch, TOLD_SNR_DB))
        return [self.link.layout(len(stream)) for stream in streams]


def _own(sent: Sent) -> np.ndarray:
    """The features that have an index of their own in a stream, bool ``[B, N]``."""
    places = np.arange(sent.indices.shape[1])
    return sent.chosen["sent_mask"] & (sent.chosen["representatives"] == places)
