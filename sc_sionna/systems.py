"""The schemes of Sec. V, one signature: a batch of images and an SNR to named outputs and integer counts.

Each ``transmit`` is the block diagram, a line per arrow. What does not depend on the SNR (kept patches, encoder, JPEG
streams, the classification of an image that arrived intact) is done once per batch and reused over a sweep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sc_sionna import rng
from sc_sionna.autodiff import compile_function
from sc_sionna.baselines.jpeg_ldpc import HEADER_BITS, JpegSettings, decode_jpeg, encode_jpeg, to_payload
from sc_sionna.budget import Budget, digital_budget
from sc_sionna.config import LinkSettings
from sc_sionna.data.common import to_float
from sc_sionna.errors import UserError
from sc_sionna.metrics import clustered
from sc_sionna.phy.link import DigitalLink
from sc_sionna.presets import SYSTEMS
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.training.weights import load_codec

SYSTEM_NAMES = tuple(SYSTEMS)
CHUNK = 128  # images per forward pass; parts are padded to it so that one graph serves them all


@dataclass(frozen=True)
class Batch:
    """Images of one Monte-Carlo batch; ``index`` and the run seed name every random draw made for it."""

    images: np.ndarray  # float32 [B, H, W, 3] in [0, 1]
    labels: np.ndarray  # int32 [B]
    index: int
    run_seed: int

    def link_seed(self, snr_db: float) -> np.ndarray:
        """The same for all systems at this SNR, so that they see the same fading and noise."""
        return rng.seed_words(self.run_seed, "link", float(snr_db), self.index)


class System(Protocol):
    """A scheme.

    * ``transmit(batch, snr_db)``: named outputs, among them ``predictions`` [B]
    * ``intact(batch, snr_db)``: predictions [B] if nothing went wrong on the air
    * ``counts(batch, outputs)``: the integers of a batch, see :mod:`sc_sionna.metrics`
    * ``budget(images)``: cost of an image on the air, the mean over uint8 images ``[M, H, W, 3]`` where it varies
    """

    name: str

    def transmit(self, batch: Batch, snr_db: float) -> dict[str, Any]: ...

    def intact(self, batch: Batch, snr_db: float) -> np.ndarray: ...

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]: ...

    def budget(self, images: np.ndarray) -> Budget: ...


class _Predictor:
    """Class predictions in chunks of fixed size."""

    def __init__(self, logits: Callable[..., Any]) -> None:
        self.logits = compile_function(logits)

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        count = len(inputs[0])
        predictions = np.empty(count, np.int64)
        for start in range(0, count, CHUNK):
            part = [x[start : start + CHUNK] for x in inputs]
            size = len(part[0])
            padded = [np.concatenate([x, np.repeat(x[:1], CHUNK - size, axis=0)]) if size < CHUNK else x for x in part]
            predictions[start : start + size] = np.asarray(self.logits(*padded))[:size].argmax(-1)
        return predictions


class MaskedVqvaeSystem:
    """Masked VQ-VAE (Sec. III): image → kept patches → features → indices → bits → link → indices → features → class."""

    def __init__(self, name: str, codec: SemanticCodec, link: LinkSettings) -> None:
        codebook = codec.codebook
        assert codebook is not None
        self.name, self.codec = name, codec
        self.mapper = codec.index_mapper
        self.masking = make_masking(codec.settings)
        self.link = DigitalLink(link, codec.settings.num_kept * self.mapper.bits_per_index)
        self._encode = compile_function(lambda images, keep: codec.encode(images, keep)[1])
        self._predict = _Predictor(
            lambda received, keep, snr_db: codec.decode(codebook.decode(received), keep, snr_db)["logits"]
        )
        self._sent: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self._intact: dict[tuple[int, float], np.ndarray] = {}

    def _source(self, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if batch.index not in self._sent:
            keep = self.masking(len(batch.labels), rng.generator(batch.run_seed, "mask", batch.index))
            indices = np.asarray(self._encode(batch.images, keep))
            self._sent[batch.index] = keep, indices, np.asarray(self.mapper.to_bits(indices))
        return self._sent[batch.index]

    def intact(self, batch: Batch, snr_db: float) -> np.ndarray:
        told = snr_db if self.codec.settings.decoder_knows_snr else 0.0
        key = batch.index, told
        if key not in self._intact:
            keep, indices, _ = self._source(batch)
            self._intact[key] = self._predict(indices, keep, np.full(len(indices), told, np.float32))
        return self._intact[key]

    def _classify(self, batch: Batch, sent: np.ndarray, received: np.ndarray, keep: np.ndarray, snr_db: float) -> Any:
        predictions = self.intact(batch, snr_db).copy()
        damaged = np.flatnonzero((received != sent).any(axis=1))
        if len(damaged):
            snr = np.full(len(damaged), snr_db, np.float32)
            predictions[damaged] = self._predict(received[damaged], keep[damaged], snr)
        return predictions

    def transmit(self, batch: Batch, snr_db: float) -> dict[str, Any]:
        keep, indices, bits = self._source(batch)  # images -> [B, N] -> [B, N·m]
        received = self.link(bits, snr_db, batch.link_seed(snr_db))  # -> [B, N·m]
        received_bits = np.asarray(received.bits)
        received_indices = np.asarray(self.mapper.to_indices(received_bits))  # -> [B, N]
        predictions = self._classify(batch, indices, received_indices, keep, snr_db)  # -> [B]
        return {
            "predictions": predictions,
            "bits": bits,
            "received_bits": received_bits,
            "indices": indices,
            "received_indices": received_indices,
            "link": received,
        }

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        bit_errors = outputs["bits"] != outputs["received_bits"]
        blocks = self.link.framing.to_blocks(bit_errors.astype(np.int32)).any(axis=-1)
        index_errors = outputs["indices"] != outputs["received_indices"]
        return {
            "images": len(batch.labels),
            "correct": int((outputs["predictions"] == batch.labels).sum()),
            "bits": bit_errors.size,
            **clustered("bit_errors", bit_errors.sum(axis=1)),
            "blocks": blocks.size,
            **clustered("block_errors", blocks.sum(axis=1)),
            "indices": index_errors.size,
            **clustered("index_errors", index_errors.sum(axis=1)),
        }

    def budget(self, images: np.ndarray) -> Budget:
        return digital_budget(self.link.framing, self.link.framing.payload_bits)


class JpegLdpcSystem:
    """JPEG+LDPC: image → stream → header, blocks with CRC → link → stream → image → ViT trained on clean images.

    Every block has ``jpeg.block_bits`` information bits, so the receiver knows the block length beforehand and the number
    of blocks from the header. A stream with a failed CRC is *undecodable* and counted; ``jpeg.undecodable`` says what is
    classified instead: the mean training image, or what a tolerant JPEG decoder makes of the bits.
    """

    def __init__(
        self,
        name: str,
        classifier: SemanticCodec,
        link: LinkSettings,
        jpeg: JpegSettings,
        mean_image: Callable[[], np.ndarray],
    ) -> None:
        self.name, self.jpeg = name, jpeg
        self._make_mean_image = mean_image
        self.settings = link.with_(crc=jpeg.crc, max_block_bits=jpeg.block_bits)
        self.block_payload_bits = jpeg.block_bits - self.settings.crc_bits
        self._links: dict[int, DigitalLink] = {}
        s = classifier.settings
        keep = np.tile(np.arange(s.num_kept, dtype=np.int32), (CHUNK, 1))
        self._predict = _Predictor(lambda images: classifier(images, keep, np.zeros(CHUNK, np.float32))["logits"])
        self._sent: dict[int, tuple[list[np.ndarray], np.ndarray, np.ndarray]] = {}
        self._mean: tuple[np.ndarray, int] | None = None

    def _mean_image(self) -> tuple[np.ndarray, int]:
        """The mean training image, uint8 [H, W, 3], and its class; made when a stream is lost for the first time."""
        if self._mean is None:
            image = self._make_mean_image()
            self._mean = image, int(self._predict(to_float(image[None]))[0])
        return self._mean

    def _link(self, num_blocks: int) -> DigitalLink:
        """The same code blocks, as many as the longest stream of a batch needs."""
        if num_blocks not in self._links:
            self._links[num_blocks] = DigitalLink(self.settings, num_blocks * self.block_payload_bits)
        return self._links[num_blocks]

    def _source(self, batch: Batch) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Payloads, blocks per image, and the prediction of every image that arrives intact."""
        if batch.index not in self._sent:
            pixels = np.round(batch.images * 255.0).astype(np.uint8)
            streams = [encode_jpeg(image, self.jpeg) for image in pixels]
            payloads = [to_payload(stream) for stream in streams]
            decoded = [decode_jpeg(stream, pixels.shape[1:]) for stream in streams]
            predictions = self._predict(to_float(np.stack(decoded)))  # type: ignore[arg-type]
            self._sent[batch.index] = payloads, self._num_blocks(payloads), predictions
        return self._sent[batch.index]

    def _num_blocks(self, payloads: list[np.ndarray]) -> np.ndarray:
        return np.array([-(-len(p) // self.block_payload_bits) for p in payloads], np.int32)

    def intact(self, batch: Batch, snr_db: float) -> np.ndarray:
        return self._source(batch)[2]

    def _classify_damaged(self, bits: np.ndarray, num_blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions for undecodable streams ``bits [M, P]``, and which of them were shown as the mean image."""
        mean_image, mean_prediction = self._mean_image()
        predictions = np.full(len(bits), mean_prediction, np.int64)
        lost = np.ones(len(bits), bool)
        if self.jpeg.undecodable == "best-effort":
            for row, (received, blocks) in enumerate(zip(bits, num_blocks, strict=True)):
                body = received[HEADER_BITS : blocks * self.block_payload_bits]
                image = decode_jpeg(np.packbits(body).tobytes(), mean_image.shape, tolerate_errors=True)
                if image is not None:
                    predictions[row], lost[row] = self._predict(to_float(image[None]))[0], False
        return predictions, lost

    def transmit(self, batch: Batch, snr_db: float) -> dict[str, Any]:
        payloads, num_blocks, intact = self._source(batch)  # images -> streams -> [B] payloads
        link = self._link(int(num_blocks.max()))
        bits = np.zeros((len(payloads), link.framing.payload_bits), np.int32)  # -> [B, blocks·payload]
        for row, payload in zip(bits, payloads, strict=True):
            row[: len(payload)] = payload
        received = link(bits, snr_db, batch.link_seed(snr_db), num_blocks=num_blocks)
        received_bits = np.asarray(received.bits)
        unsent = np.arange(link.framing.num_blocks) >= num_blocks[:, None]
        arrived = (np.asarray(received.crc_ok) | unsent).all(axis=1)  # -> [B] streams with every CRC right
        predictions = intact.copy()
        damaged = np.flatnonzero(~arrived)
        lost = np.zeros(len(payloads), bool)
        if len(damaged):
            predictions[damaged], lost[damaged] = self._classify_damaged(received_bits[damaged], num_blocks[damaged])
        return {
            "predictions": predictions,
            "bits": bits,
            "received_bits": received_bits,
            "sent_blocks": ~unsent,
            "undecodable": ~arrived,
            "shown_as_mean": lost,
            "link": received,
        }

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        sent = outputs["sent_blocks"]
        errors = (outputs["bits"] != outputs["received_bits"]).reshape(*sent.shape, self.block_payload_bits)
        errors &= sent[..., None]
        return {
            "images": len(batch.labels),
            "correct": int((outputs["predictions"] == batch.labels).sum()),
            "bits": int(sent.sum()) * self.block_payload_bits,
            **clustered("bit_errors", errors.sum(axis=(1, 2))),
            "blocks": int(sent.sum()),
            **clustered("block_errors", errors.any(axis=-1).sum(axis=1)),
            "undecodable": int(outputs["undecodable"].sum()),
        }

    def budget(self, images: np.ndarray) -> Budget:
        payloads = [to_payload(encode_jpeg(image, self.jpeg)) for image in images]
        bits = float(np.mean([len(p) for p in payloads])) - HEADER_BITS
        return digital_budget(self._link(1).framing, bits, HEADER_BITS, float(self._num_blocks(payloads).mean()))


def make_system(
    name: str,
    preset: str,
    link: LinkSettings,
    jpeg: JpegSettings,
    mean_image: Callable[[], np.ndarray],
    weights: Path | None = None,
) -> System:
    """A scheme by name with its stored weights.

    mean_image : gives the mean training image uint8 [H, W, 3], which JPEG+LDPC shows for a lost stream
    weights : folder, default the package's

    Raises UserError for an unknown system, and weights that are missing or altered.
    """
    if name not in SYSTEM_NAMES:
        raise UserError(f"system = {name!r}: unknown; choose {', '.join(SYSTEM_NAMES)}")
    model, _ = load_codec(preset, name, weights)
    if name.startswith("jpeg-ldpc"):
        return JpegLdpcSystem(name, model, link, jpeg, mean_image)
    return MaskedVqvaeSystem(name, model, link)
