"""JPEG+LDPC with a ViT classifier behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sc_sionna.attacks.victim import CodecVictim, Victim
from sc_sionna.core.errors import UserError
from sc_sionna.data.common import to_float
from sc_sionna.phy.budget import Budget, digital_budget
from sc_sionna.phy.link import DigitalLink
from sc_sionna.schemes.base import CHUNK, AirSurface, Batch, BatchKey, Gradient, Payload, Predictor, Surroundings
from sc_sionna.schemes.jpeg import HEADER_BITS, JpegSettings, decode_jpeg, encode_jpeg, to_payload
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import clustered

if TYPE_CHECKING:
    from sc_sionna.schemes.spec import SchemeSpec


@dataclass(frozen=True, eq=False)
class JpegVictim(CodecVictim):
    """The classifier behind JPEG; the backward pass of JPEG is the identity (BPDA)."""

    jpeg: JpegSettings | None = None

    def prepare(self, images: np.ndarray) -> np.ndarray:
        assert self.jpeg is not None
        pixels = np.round(images * 255.0).astype(np.uint8)
        decoded = [decode_jpeg(encode_jpeg(image, self.jpeg), image.shape) for image in pixels]
        return to_float(np.stack(decoded))  # type: ignore[arg-type]


class JpegLdpcScheme:
    """JPEG+LDPC: image → stream → header, blocks with CRC → link → stream → image → ViT trained on clean images.

    Every block has ``jpeg.block_bits`` information bits, so the receiver knows the block length beforehand and the number
    of blocks from the header. A stream with a failed CRC is *undecodable* and counted; ``jpeg.undecodable`` says what is
    classified instead: the mean training image, or what a tolerant JPEG decoder makes of the bits.
    """

    gradient: ClassVar[Gradient] = "surrogate"
    payload: ClassVar[Payload] = "stream"
    over_the_air: ClassVar[bool] = False  # entropy-coded bits have no gradient
    trained: ClassVar[bool] = True
    changeable: ClassVar[tuple[str, ...]] = ()
    random = False  # every patch is classified, and nothing is drawn before a block is lost

    def __init__(
        self,
        name: str,
        classifier: SemanticCodec,
        link: LinkSettings,
        jpeg: JpegSettings,
        mean_image: Callable[[], np.ndarray],
    ) -> None:
        self.name, self.jpeg, self.classifier = name, jpeg, classifier
        self._make_mean_image = mean_image
        self.settings = link.with_(crc=jpeg.crc, max_block_bits=jpeg.block_bits)
        self.block_payload_bits = jpeg.block_bits - self.settings.crc_bits
        self._links: dict[int, DigitalLink] = {}
        s = classifier.settings
        keep = np.tile(np.arange(s.num_kept, dtype=np.int32), (CHUNK, 1))
        self._predict = Predictor(lambda images: classifier(images, keep, np.zeros(CHUNK, np.float32))["logits"])
        self._sent: dict[BatchKey, tuple[list[np.ndarray], np.ndarray, np.ndarray]] = {}
        self._mean: tuple[np.ndarray, int] | None = None

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> JpegLdpcScheme:
        s = surroundings
        return cls(spec.label, s.codec(spec), s.link, s.jpeg, s.mean_image)

    def forget(self) -> None:
        self._sent.clear()

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
        if batch.key not in self._sent:
            pixels = np.round(batch.images * 255.0).astype(np.uint8)
            streams = [encode_jpeg(image, self.jpeg) for image in pixels]
            payloads = [to_payload(stream) for stream in streams]
            decoded = [decode_jpeg(stream, pixels.shape[1:]) for stream in streams]
            predictions = self._predict(to_float(np.stack(decoded)))  # type: ignore[arg-type]
            self._sent[batch.key] = payloads, self._num_blocks(payloads), predictions
        return self._sent[batch.key]

    def _num_blocks(self, payloads: list[np.ndarray]) -> np.ndarray:
        return np.array([-(-len(p) // self.block_payload_bits) for p in payloads], np.int32)

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
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

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        payloads, num_blocks, intact = self._source(batch)  # images -> streams -> [B] payloads
        link = self._link(int(num_blocks.max()))
        bits = np.zeros((len(payloads), link.framing.payload_bits), np.int32)  # -> [B, blocks·payload]
        for row, payload in zip(bits, payloads, strict=True):
            row[: len(payload)] = payload
        if interference is not None and interference.shape[1] < link.framing.num_channel_uses:
            interference = np.tile(interference, (1, link.framing.num_blocks, 1))  # of one block, see air_surface
        received = link(bits, snr_db, batch.link_seed(snr_db), num_blocks=num_blocks, interference=interference)
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

    # ------------------------------------------------------------------ what an attacker may use

    def victim(self) -> JpegVictim:
        """The pass from image to class where every block arrives."""
        keep = np.arange(self.classifier.settings.num_kept, dtype=np.int32)
        return JpegVictim(self.classifier, lambda count, _: np.tile(keep, (count, 1)), snr_db=0.0, jpeg=self.jpeg)

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        return {"straight-through": self.victim()}

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """Signals of one code block, over which an attacker's noise repeats. The loss only says that it has no gradient."""
        payloads = self._source(batch)[0]
        bits = np.zeros((len(payloads), self.block_payload_bits), np.int32)
        for row, payload in zip(bits, payloads, strict=True):
            first = payload[: self.block_payload_bits]
            row[: len(first)] = first
        y, _, _ = self._link(1).received(bits, snr_db, batch.link_seed(snr_db))

        def loss(*_: Any) -> Any:
            raise UserError(
                f"over-the-air attack on {self.name!r}: entropy-coded bits have no gradient; attack a learned scheme, or "
                "use the control 'gaussian'"
            )

        return AirSurface(np.asarray(y), loss, ())
