"""The masked VQ-VAE over the digital link, with or without feature importance modules."""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from keras import ops

from sc_sionna.attacks.jamming import WITHOUT_HEADER, Pattern
from sc_sionna.attacks.victim import CodecVictim, Relaxation, Victim
from sc_sionna.core import rng
from sc_sionna.core.backend import compile_function
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.budget import Budget, digital_budget
from sc_sionna.phy.layout import AirLayout, coded_uses
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.soft import SoftReceiver
from sc_sionna.schemes.base import (
    CHANGEABLE,
    AirSurface,
    Batch,
    BatchKey,
    Decoding,
    Gradient,
    Payload,
    Predictor,
    Surroundings,
    air_loss,
)
from sc_sionna.schemes.filling import Sent, num_indices
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import link_counts
from sc_sionna.tasks import make_task
from sc_sionna.training.channel import ensure_calibration, load_calibrated

if TYPE_CHECKING:
    from sc_sionna.schemes.spec import SchemeSpec

LOST_BITS = 1 / 8  # that are wrong in a block which the decoder does not correct
RELAXATIONS: tuple[Relaxation, ...] = ("straight-through", "soft", "unquantised")


class MaskedVqvaeScheme:
    """Masked VQ-VAE (Sec. III): image → kept patches → features → indices → bits → link → indices → features → class.

    ``decoding="soft"`` puts posterior-mean codebook vectors from the decoder's soft output in place of hard indices.
    The payload of every image is equally long. Where thresholds choose the features of each image,
    :class:`~sc_sionna.schemes.shortened.ShortenedVqvaeScheme` sends them as streams.

    Where ``link.channel_uses`` is set, as many indices are sent as these uses hold at the link's rate: a part of them, drawn
    anew for every image by both ends, or those of more patches than the codec keeps.

    Raises
    ------
    UserError where the channel uses hold no index, and for thresholds by image together with them.
    """

    gradient: ClassVar[Gradient] = "straight-through"
    payload: ClassVar[Payload] = "indices"
    over_the_air: ClassVar[bool] = True
    trained: ClassVar[bool] = True
    changeable: ClassVar[tuple[str, ...]] = CHANGEABLE
    jammed_by: ClassVar[tuple[Pattern, ...]] = WITHOUT_HEADER

    def __init__(self, name: str, codec: SemanticCodec, link: LinkSettings, decoding: Decoding = "hard") -> None:
        self.name, self.codec, self.decoding = name, codec, decoding
        self.mapper = codec.index_mapper
        self.task = make_task(codec.settings)
        self.num_kept = 0
        self._connect(link)

    def _compile(self) -> None:
        """Graphs for the number of kept patches; links that keep equally many share them."""
        codec, codebook = self.codec, self.codec.codebook
        assert codebook is not None
        self._encode = compile_function(codec.source)
        self._predict = Predictor(self.task, lambda indices, *rest: codec.decode(codebook.decode(indices), *rest))
        self._predict_soft = Predictor(self.task, lambda llr, *rest: codec.decode(codebook.posterior_mean(llr), *rest))

    def _connect(self, link: LinkSettings) -> None:
        """Choose how many indices the link carries, and build it."""
        if self.codec.settings.chooses_by_image:
            raise UserError(
                f"system = {self.name!r}: its thresholds send another number of features for every image, and this class "
                "sends one number; leave them out, or build the scheme with make_scheme"
            )
        self.settings = link
        self._send(num_indices(self.codec, link))
        self.link = DigitalLink(link, self.num_sent * self.mapper.bits_per_index)
        self.__dict__.pop("_layout", None)  # of another link
        self._soft_receiver: SoftReceiver | None = None

    def _send(self, num_sent: int) -> None:
        """Send so many indices of an image; where they are more than the codec keeps, keep more patches."""
        self.num_sent = num_sent
        if self.num_kept != max(num_sent, self.codec.num_kept):
            self.num_kept = max(num_sent, self.codec.num_kept)
            self._compile()
        s = self.codec.settings
        if self.num_kept > self.codec.num_kept:
            s = s.with_(masking={"ratio": 1 - self.num_kept / s.num_patches})
        self.masking = make_masking(s, self.codec.candidate_positions())
        self._sent: dict[tuple[BatchKey, float], Sent] = {}
        self._error_free: dict[tuple[BatchKey, float], np.ndarray] = {}

    def answers_in(self, batch: Batch, num_bits: int, lost: bool) -> np.ndarray:
        """Predictions ``[B]`` where the indices that ``num_bits`` hold arrive; where lost, with 1/8 of the bits wrong."""
        other = copy.copy(self)
        other._send(min(num_bits // self.mapper.bits_per_index, len(self.codec.candidate_positions())))
        sent = other._source(batch, 18.0)
        if not lost:
            return other.error_free_predictions(batch, 18.0)
        bits = self._bits(sent)
        wrong = rng.generator(batch.run_seed, "lost", num_bits).random(bits.shape) < LOST_BITS
        received = sent.placed(np.asarray(self.mapper.to_indices(bits ^ wrong)))
        return other._classify(sent, np.arange(len(received)), received, 18.0)

    def on(self, link: LinkSettings) -> MaskedVqvaeScheme:
        """The same codec over another link."""
        other = copy.copy(self)
        other._connect(link)
        return other

    def least_bits(self) -> int:
        """One index."""
        return self.mapper.bits_per_index

    def wanted_bits(self) -> int:
        """All that the scheme could ever send of an image: the index of every patch."""
        return len(self.codec.candidate_positions()) * self.mapper.bits_per_index

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> MaskedVqvaeScheme:
        """The codec that the value names on the digital link of the surroundings, with streams where thresholds choose."""
        from sc_sionna.schemes.shortened import ShortenedVqvaeScheme  # it is built on this class

        codec = surroundings.codec(spec)
        shortened = cls is MaskedVqvaeScheme and codec.settings.chooses_by_image
        return (ShortenedVqvaeScheme if shortened else cls)(spec.label, codec, surroundings.link, surroundings.decoding)

    @property
    def random(self) -> bool:
        """Whether the kept patches are drawn; errors on the air are no part of the pass."""
        return self.num_sent < len(self.codec.candidate_positions())

    def forget(self) -> None:
        """Drop indices and error-free predictions of the batches so far."""
        self._sent.clear()
        self._error_free.clear()

    def _source(self, batch: Batch, snr_db: float) -> Sent:
        """Kept patches, indices and bits; they depend on the SNR only where importance depends on the image."""
        s = self.codec.settings
        told = snr_db if s.importance.layers and s.importance.form == "class" else 0.0
        key = batch.key, told
        if key not in self._sent:
            keep = self.masking(len(batch.labels), rng.generator(batch.run_seed, "mask", batch.index))
            outputs = self._encode(batch.images, keep, np.full(len(keep), told, np.float32))
            indices = np.asarray(outputs["indices"])
            chosen = {name: np.asarray(outputs[name]) for name in ("sent_mask", "representatives") if name in outputs}
            order = np.broadcast_to(np.arange(indices.shape[1]), indices.shape)
            if self.num_sent < self.num_kept:
                order = rng.generator(batch.run_seed, "order", batch.index).permuted(order, axis=1)
                arrive = np.zeros(indices.shape, bool)
                np.put_along_axis(arrive, order[:, : self.num_sent], True, axis=1)
                chosen["sent_mask"] = arrive & chosen.get("sent_mask", True)
            self._sent[key] = Sent(keep, indices, order[:, : self.num_sent], chosen)
        return self._sent[key]

    def _classify(self, sent: Sent, rows: np.ndarray, received: np.ndarray, snr_db: float) -> np.ndarray:
        """Predictions for some rows of a batch from their received indices ``[R, N]`` or LLRs ``[R, N·m]``."""
        snr = np.full(len(rows), snr_db, np.float32)
        if "representatives" in sent.chosen:
            received = np.take_along_axis(received, sent.chosen["representatives"][rows], axis=1)
        mask = (sent.chosen["sent_mask"][rows],) if "sent_mask" in sent.chosen else ()
        predict = self._predict if received.shape[1] == sent.indices.shape[1] else self._predict_soft
        return predict(received, sent.keep[rows], snr, *mask)

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Predictions ``[B]`` from the indices as sent; the SNR counts only where the codec is told it."""
        told = snr_db if self.codec.settings.decoder.knows_snr else 0.0
        sent = self._source(batch, snr_db)
        key = batch.key, told if not sent.chosen else snr_db
        if key not in self._error_free:
            self._error_free[key] = self._classify(sent, np.arange(len(sent.keep)), sent.indices, told)
        return self._error_free[key]

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """Send the bits of the indices, and classify from the received ones; only damaged images are decoded anew."""
        sent = self._source(batch, snr_db)  # images -> [B, N]
        indices = np.take_along_axis(sent.indices, sent.order, axis=1)  # -> [B, M]
        bits = self._bits(sent)  # -> [B, M·m]
        received = self.link(bits, snr_db, batch.link_seed(snr_db), interference=interference)  # -> [B, M·m]
        received_indices = np.asarray(self.mapper.to_indices(received.bits))  # -> [B, M]
        predictions = self.error_free_predictions(batch, snr_db).copy()  # -> [B]
        # the error-free outcome stays only where the sent bits were received, and not taken for zeros by default
        damaged = np.flatnonzero((received.bits != bits).any(axis=1) | received.erased.any(axis=1))
        if len(damaged):
            if self.decoding == "hard":
                arrived = sent.placed(received_indices)
            else:
                llr = self._llr(received.llr, len(sent.keep)).reshape(*received_indices.shape, -1)
                arrived = sent.placed(llr).reshape(len(llr), -1)
            predictions[damaged] = self._classify(sent, damaged, arrived[damaged], snr_db)
        return {
            "predictions": predictions,
            "bits": bits,
            "received_bits": received.bits,
            "indices": indices,
            "received_indices": received_indices,
            "erased_blocks": received.erased,
            "link": received,
        }

    def _bits(self, sent: Sent) -> np.ndarray:
        """The bits that are sent, int32 ``[B, M·m]``."""
        return np.asarray(self.mapper.to_bits(np.take_along_axis(sent.indices, sent.order, axis=1)))

    def _llr(self, llr: Tensor, batch_size: int) -> np.ndarray:
        """LLRs of the payload bits ``[B, M·m]`` after decoding."""
        framing = self.link.framing
        decoded = self.link.receiver.soft(llr)[:, : framing.block_payload_bits]
        return framing.to_payload(decoded.reshape(batch_size, framing.num_blocks, -1))

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """Counts of the task and of wrong bits, blocks and indices."""
        bit_errors = outputs["bits"] != outputs["received_bits"]
        blocks = self.link.framing.to_blocks(bit_errors.astype(np.int32)).any(axis=-1) | outputs["erased_blocks"]
        index_errors = outputs["indices"] != outputs["received_indices"]
        return {
            **self.task.counts(outputs["predictions"], batch.targets(self.task)),
            **link_counts(bit_errors, blocks, index_errors),
        }

    def budget(self, images: np.ndarray) -> Budget:
        """The same for every image."""
        return digital_budget(self.link.framing, float(self.link.framing.payload_bits))

    # ------------------------------------------------------------------ what an attacker may use

    def victim(self, **values: Any) -> CodecVictim:
        """The differentiable pass from image to class, error-free on the air unless ``bit_errors`` says otherwise."""
        return CodecVictim(self.codec, self.masking, snr_db=values.pop("snr_db", 18.0), **values)

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """The codec once for each relaxation of the quantiser, with bit errors as measured on the link at ``snr_db``."""
        payload = self.codec.payload_length
        if self.num_sent != self.codec.num_kept:
            raise UserError(
                f"link.channel_uses = {self.settings.channel_uses}: the adaptive suite attacks a codec that sends all its "
                "features; leave channel_uses out"
            )
        ensure_calibration(self.settings, payload, [snr_db], cache_dir)
        channel = load_calibrated(self.settings, payload, snr_db, cache_dir)
        return {
            name: self.victim(
                snr_db=snr_db, relaxation=name, bit_errors=lambda count, g: channel.error(count, payload, g)
            )
            for name in RELAXATIONS
        }

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """The received signal, and the task's loss through a soft receiver and the codebook's posterior mean."""
        crc = self.link.settings.crc
        if self._soft_receiver is None and crc == "none":
            self._soft_receiver = SoftReceiver(self.link)
        receiver, codec, codebook = self._soft_receiver, self.codec, self.codec.codebook
        assert codebook is not None
        sent = self._source(batch, snr_db)
        y, w, no_eff = self.link.received(self._bits(sent), snr_db, batch.link_seed(snr_db))

        task_loss = air_loss(self)

        def loss(
            y: Tensor, w: Tensor, no_eff: Tensor, labels: Tensor, keep: Tensor, snr: Tensor, clean: Tensor
        ) -> Tensor:
            if receiver is None:
                raise UserError(f"link.crc = {crc!r}: a gradient over the air needs index payloads; set crc = 'none'")
            return task_loss(codec.decode(codebook.posterior_mean(receiver(y, w, no_eff)), keep, snr), labels, clean)

        snr = np.full(len(sent.keep), snr_db, np.float32)
        received = ops.convert_to_numpy(y).reshape(len(sent.keep), -1, y.shape[-1])
        keep = np.take_along_axis(sent.keep, sent.order, axis=1)  # the receiver knows no other
        return AirSurface(received, loss, (w, no_eff, batch.labels, keep, snr, batch.images))

    @cached_property
    def _layout(self) -> AirLayout:
        return AirLayout(self.link.framing.num_channel_uses, 0, coded_uses(self.link.transmitter))

    def air_layouts(self, batch: Batch) -> list[AirLayout]:
        """The code words of the indices, the same for every image."""
        return [self._layout] * len(batch.labels)
