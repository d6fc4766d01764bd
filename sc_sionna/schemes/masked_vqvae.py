"""The masked VQ-VAE over the digital link, with or without feature importance modules."""

from __future__ import annotations

from dataclasses import dataclass
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
    draws_masks,
)
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import link_counts
from sc_sionna.tasks import make_task
from sc_sionna.training.channel import ensure_calibration, load_calibrated

if TYPE_CHECKING:
    from sc_sionna.schemes.spec import SchemeSpec

RELAXATIONS: tuple[Relaxation, ...] = ("straight-through", "soft", "unquantised")


@dataclass(frozen=True)
class Sent:
    """What leaves the semantic transmitter for a batch; ``chosen`` are optional inputs of the receiver, side information."""

    keep: np.ndarray  # int32 [B, N]
    indices: np.ndarray  # int32 [B, N]
    bits: np.ndarray  # int32 [B, N·m]
    chosen: dict[str, np.ndarray]  # sent_mask, representatives


class MaskedVqvaeScheme:
    """Masked VQ-VAE (Sec. III): image → kept patches → features → indices → bits → link → indices → features → class.

    ``decoding="soft"`` puts posterior-mean codebook vectors from the decoder's soft output in place of hard indices.
    Features that importance or similarity leaves out travel as padding of the fixed-length code block and are not read;
    the budget counts the mean number of features sent, and the side information that says which, taken as error-free.
    """

    gradient: ClassVar[Gradient] = "straight-through"
    payload: ClassVar[Payload] = "indices"
    over_the_air: ClassVar[bool] = True
    trained: ClassVar[bool] = True
    changeable: ClassVar[tuple[str, ...]] = CHANGEABLE
    jammed_by: ClassVar[tuple[Pattern, ...]] = WITHOUT_HEADER

    def __init__(self, name: str, codec: SemanticCodec, link: LinkSettings, decoding: Decoding = "hard") -> None:
        codebook = codec.codebook
        assert codebook is not None
        self.name, self.codec, self.settings, self.decoding = name, codec, link, decoding
        self.mapper = codec.index_mapper
        self.masking = make_masking(codec.settings, codec.candidate_positions())
        self.link = DigitalLink(link, codec.payload_length)
        self._encode = compile_function(codec.source)
        self.task = make_task(codec.settings)
        self._predict = Predictor(self.task, lambda indices, *rest: codec.decode(codebook.decode(indices), *rest))
        self._predict_soft = Predictor(self.task, lambda llr, *rest: codec.decode(codebook.posterior_mean(llr), *rest))
        self._soft_receiver: SoftReceiver | None = None
        self._sent: dict[tuple[BatchKey, float], Sent] = {}
        self._error_free: dict[tuple[BatchKey, float], np.ndarray] = {}

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> MaskedVqvaeScheme:
        """The codec that the value names on the digital link of the surroundings."""
        return cls(spec.label, surroundings.codec(spec), surroundings.link, surroundings.decoding)

    @property
    def random(self) -> bool:
        """Whether the kept patches are drawn; errors on the air are no part of the pass."""
        return draws_masks(self.codec)

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
            self._sent[key] = Sent(keep, indices, np.asarray(self.mapper.to_bits(indices)), chosen)
        return self._sent[key]

    def _classify(self, sent: Sent, rows: np.ndarray, received: np.ndarray, snr_db: float) -> np.ndarray:
        """Predictions for some rows of a batch from their received indices ``[M, N]`` or LLRs ``[M, N·m]``."""
        snr = np.full(len(rows), snr_db, np.float32)
        if "representatives" in sent.chosen and self.decoding == "hard":
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
        sent = self._source(batch, snr_db)  # images -> [B, N] -> [B, N·m]
        received = self.link(sent.bits, snr_db, batch.link_seed(snr_db), interference=interference)  # -> [B, N·m]
        received_indices = np.asarray(self.mapper.to_indices(received.bits))  # -> [B, N]
        predictions = self.error_free_predictions(batch, snr_db).copy()  # -> [B]
        # the error-free outcome stays only where the sent bits were received, and not taken for zeros by default
        damaged = np.flatnonzero((received.bits != sent.bits).any(axis=1) | received.erased.any(axis=1))
        if len(damaged):
            arrived = received_indices if self.decoding == "hard" else self._llr(received.llr, len(sent.keep))
            predictions[damaged] = self._classify(sent, damaged, arrived[damaged], snr_db)
        return {
            "predictions": predictions,
            "bits": sent.bits,
            "received_bits": received.bits,
            "indices": sent.indices,
            "received_indices": received_indices,
            "erased_blocks": received.erased,
            "link": received,
        }

    def _llr(self, llr: Tensor, batch_size: int) -> np.ndarray:
        """LLRs of the payload bits ``[B, N·m]`` after decoding."""
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
        """Cost of an image on the air.

        Where each image chooses the features that it sends, this is the mean over ``images`` with their side information.
        """
        payload, side = float(self.link.framing.payload_bits), 0.0
        s = self.codec.settings
        if (s.importance.form == "class" and s.importance.threshold) or s.similarity.threshold is not None:
            keep = self.masking(len(images), rng.generator(0, "budget"))
            outputs = self._encode(images.astype(np.float32) / 255.0, keep, np.zeros(len(images), np.float32))
            payload = float(self.codec.sent(outputs).sum(axis=1).mean()) * self.mapper.bits_per_index
            side = float(self.codec.side_bits(outputs).mean())
        return digital_budget(self.link.framing, payload, side)

    # ------------------------------------------------------------------ what an attacker may use

    def victim(self, **values: Any) -> CodecVictim:
        """The differentiable pass from image to class, error-free on the air unless ``bit_errors`` says otherwise."""
        return CodecVictim(self.codec, self.masking, snr_db=values.pop("snr_db", 18.0), **values)

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """The codec once for each relaxation of the quantiser, with bit errors as measured on the link at ``snr_db``."""
        payload = self.codec.payload_length
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
        y, w, no_eff = self.link.received(sent.bits, snr_db, batch.link_seed(snr_db))

        task_loss = air_loss(self)

        def loss(
            y: Tensor, w: Tensor, no_eff: Tensor, labels: Tensor, keep: Tensor, snr: Tensor, clean: Tensor
        ) -> Tensor:
            if receiver is None:
                raise UserError(f"link.crc = {crc!r}: a gradient over the air needs index payloads; set crc = 'none'")
            return task_loss(codec.decode(codebook.posterior_mean(receiver(y, w, no_eff)), keep, snr), labels, clean)

        snr = np.full(len(sent.keep), snr_db, np.float32)
        received = ops.convert_to_numpy(y).reshape(len(sent.keep), -1, y.shape[-1])
        return AirSurface(received, loss, (w, no_eff, batch.labels, sent.keep, snr, batch.images))

    @cached_property
    def _layout(self) -> AirLayout:
        return AirLayout(self.link.framing.num_channel_uses, 0, coded_uses(self.link.transmitter))

    def air_layouts(self, batch: Batch) -> list[AirLayout]:
        """The code words of the indices, the same for every image."""
        return [self._layout] * len(batch.labels)
