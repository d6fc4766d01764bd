"""JPEG+LDPC with a ViT for the task behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np

from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.data.common import to_float
from sc_sionna.phy.budget import Budget, digital_budget
from sc_sionna.phy.framing import Framing
from sc_sionna.phy.link import DigitalLink
from sc_sionna.schemes.base import AirSurface, Batch, BatchKey, Gradient, Payload, PicturePredictor, Surroundings
from sc_sionna.schemes.codecs.jpeg import encode_jpeg
from sc_sionna.schemes.jpeg import HEADER_BITS, JpegSettings, decode_jpeg, from_payload, to_payload
from sc_sionna.schemes.jpeg_victim import Backward, JpegVictim
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.semantic.masking import FixedMasking
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import clustered

if TYPE_CHECKING:
    from sc_sionna.schemes.spec import SchemeSpec


class JpegLdpcScheme:
    """JPEG+LDPC: image → stream → header, blocks with CRC → link → stream → image → ViT trained on clean images.

    Every block has ``jpeg.block_bits`` information bits, so the receiver knows the block length beforehand and the number
    of blocks from the header. A stream with a failed CRC, or one that is no JPEG image of the right size, is *undecodable*
    and counted; ``jpeg.undecodable`` says what is classified instead: the mean training image, or what a tolerant JPEG
    decoder makes of the bits. A stream with wrong bits that every CRC accepts is *undetected* and counted apart; it is
    classified from what its bits decode to.

    Raises
    ------
    UserError for settings that give no code blocks of ``jpeg.block_bits``: an uncoded link, or a rate that cannot hold them.
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
        self._check_blocks()
        self._predict = PicturePredictor(classifier)
        self.task = self._predict.task
        self._sent: dict[BatchKey, tuple[list[np.ndarray], np.ndarray, np.ndarray]] = {}
        self._mean: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> JpegLdpcScheme:
        """The ViT that the value names behind JPEG and the link of the surroundings."""
        s = surroundings
        return cls(spec.label, s.codec(spec), s.link, s.jpeg, s.mean_image)

    def forget(self) -> None:
        """Drop the streams of the batches so far."""
        self._sent.clear()

    def _check_blocks(self) -> None:
        """UserError unless one block of the link holds ``jpeg.block_bits`` information bits exactly."""
        if not self.settings.coded:
            raise UserError(
                "link.coded = False: JPEG+LDPC sends code blocks, each with its CRC; set link.coded = true, or compare "
                "schemes without JPEG"
            )
        if self._fits(self.jpeg.block_bits):
            return
        by_distance = sorted(range(64, 8449), key=lambda bits: abs(bits - self.jpeg.block_bits))
        nearest = next(filter(self._fits, by_distance), None)
        remedy = "raise link.coderate" if nearest is None else f"set jpeg.block_bits = {nearest}, or another coderate"
        raise UserError(
            f"jpeg.block_bits = {self.jpeg.block_bits}: the code has no block of that length at link.coderate = "
            f"{self.settings.coderate:g} in whole uses of {self.settings.num_streams} streams of "
            f"{self.settings.modulation} (TS 38.212, 5.3.2 and 6.2.2); {remedy}"
        )

    def _fits(self, block_bits: int) -> bool:
        """Whether the framing neither divides nor pads a block of so many information bits."""
        framing = Framing(block_bits - self.settings.crc_bits, self.settings.with_(max_block_bits=block_bits))
        return (framing.num_blocks, framing.k) == (1, block_bits)

    def _mean_image(self) -> tuple[np.ndarray, np.ndarray]:
        """The mean training image, uint8 [H, W, 3], and its prediction; made when a stream is lost for the first time."""
        if self._mean is None:
            image = self._make_mean_image()
            self._mean = image, self._predict(to_float(image[None]))[0]
        return self._mean

    def _link(self, num_blocks: int) -> DigitalLink:
        """The same code blocks, as many as the longest stream of a batch needs."""
        if num_blocks not in self._links:
            self._links[num_blocks] = DigitalLink(self.settings, num_blocks * self.block_payload_bits)
        return self._links[num_blocks]

    def _source(self, batch: Batch) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Payloads, blocks per image, and the prediction of every image whose stream arrives without error."""
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
        """Predictions ``[B]`` for the images as JPEG leaves them, the same at every SNR."""
        return self._source(batch)[2]

    def _classify_damaged(self, bits: np.ndarray, num_blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predictions for undecodable streams ``bits [M, P]``, and which of them were shown as the mean image."""
        mean_image, mean_prediction = self._mean_image()
        predictions = np.repeat(mean_prediction[None], len(bits), axis=0)
        lost = np.ones(len(bits), bool)
        if self.jpeg.undecodable == "best-effort":
            for row, (received, blocks) in enumerate(zip(bits, num_blocks, strict=True)):
                body = received[HEADER_BITS : blocks * self.block_payload_bits]
                image = decode_jpeg(np.packbits(body).tobytes(), mean_image.shape, tolerate_errors=True)
                if image is not None:
                    predictions[row], lost[row] = self._predict(to_float(image[None]))[0], False
        return predictions, lost

    def _classify_undetected(self, bits: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Predictions for streams ``bits [M, P]`` that every CRC accepted, and which of them are images of ``shape``."""
        images = [None if stream is None else decode_jpeg(stream, shape) for stream in map(from_payload, bits)]
        decodable = np.array([image is not None for image in images], bool)
        predictions = np.repeat(self._mean_image()[1][None], len(bits), axis=0)
        if decodable.any():
            shown = np.stack([image for image in images if image is not None])
            predictions[decodable] = self._predict(to_float(shown))
        return predictions, decodable

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """Send every stream with its header in as many blocks as it needs, and classify the decoded image."""
        payloads, num_blocks, error_free = self._source(batch)  # images -> streams -> [B] payloads
        link = self._link(int(num_blocks.max()))
        bits = np.zeros((len(payloads), link.framing.payload_bits), np.int32)  # -> [B, blocks·payload]
        for row, payload in zip(bits, payloads, strict=True):
            row[: len(payload)] = payload
        if interference is not None and interference.shape[1] < link.framing.num_channel_uses:
            interference = np.tile(interference, (1, link.framing.num_blocks, 1))  # of one block, see air_surface
        received = link(bits, snr_db, batch.link_seed(snr_db), num_blocks=num_blocks, interference=interference)
        unsent = np.arange(link.framing.num_blocks) >= num_blocks[:, None]
        accepted = np.all(np.asarray(received.crc_ok) | unsent, axis=1)  # -> [B] streams with every CRC right
        outcome = self._classify(
            np.asarray(received.bits), bits, accepted, num_blocks, error_free, batch.images.shape[1:]
        )
        return {
            "bits": bits,
            "received_bits": np.asarray(received.bits),
            "sent_blocks": ~unsent,
            "erased_blocks": received.erased,
            "link": received,
            **outcome,
        }

    def _classify(
        self,
        received: np.ndarray,
        bits: np.ndarray,
        accepted: np.ndarray,
        num_blocks: np.ndarray,
        error_free: np.ndarray,
        shape: tuple[int, ...],
    ) -> dict[str, np.ndarray]:
        """What is shown for every stream: ``predictions``, ``undetected``, ``undecodable`` and ``shown_as_mean`` [B].

        received, bits : ``[B, P]``; accepted : ``[B]``, every CRC is right; only where the bits are those that were sent as
            well, the outcome is the error-free one
        """
        undetected = accepted & (received != bits).any(axis=1)
        predictions, decodable = np.empty_like(error_free), accepted.copy()
        arrived = accepted & ~undetected
        predictions[arrived] = error_free[arrived]
        if undetected.any():
            predictions[undetected], decodable[undetected] = self._classify_undetected(received[undetected], shape)
        lost = np.zeros(len(bits), bool)
        damaged = np.flatnonzero(~decodable)
        if len(damaged):
            predictions[damaged], lost[damaged] = self._classify_damaged(received[damaged], num_blocks[damaged])
        return {
            "predictions": predictions,
            "undetected": undetected,
            "undecodable": ~decodable,
            "shown_as_mean": lost,
        }

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """Counts of the task, of the bits and blocks that were sent, and of undecodable and undetected streams."""
        sent = outputs["sent_blocks"]
        errors = (outputs["bits"] != outputs["received_bits"]).reshape(*sent.shape, self.block_payload_bits)
        errors &= sent[..., None]
        return {
            **self.task.counts(outputs["predictions"], batch.targets(self.task)),
            "bits": int(sent.sum()) * self.block_payload_bits,
            **clustered("bit_errors", errors.sum(axis=(1, 2))),
            "blocks": int(sent.sum()),
            **clustered("block_errors", (errors.any(axis=-1) | outputs["erased_blocks"]).sum(axis=1)),
            "undecodable": int(outputs["undecodable"].sum()),
            "undetected": int(outputs["undetected"].sum()),
        }

    def budget(self, images: np.ndarray) -> Budget:
        """Cost of an image, the mean over ``images``: the length of a stream depends on its image."""
        payloads = [to_payload(encode_jpeg(image, self.jpeg)) for image in images]
        bits = float(np.mean([len(p) for p in payloads])) - HEADER_BITS
        return digital_budget(self._link(1).framing, bits, HEADER_BITS, float(self._num_blocks(payloads).mean()))

    # ------------------------------------------------------------------ what an attacker may use

    def victim(self, backward: Backward = "cubic") -> JpegVictim:
        """The pass from image to class where every block arrives, with JPEG differentiated as ``backward`` says."""
        every = FixedMasking(np.arange(self.classifier.settings.num_kept))
        return JpegVictim(self.classifier, every, snr_db=0.0, jpeg=self.jpeg, backward=backward)

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """JPEG and the ViT once for each way to differentiate JPEG; error-free on the air at every SNR."""
        return {backward: self.victim(backward) for backward in get_args(Backward)}

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """Signals of one code block, over which an attacker's noise repeats. The loss only says that it has no gradient."""
        payloads = self._source(batch)[0]
        bits = np.zeros((len(payloads), self.block_payload_bits), np.int32)
        for row, payload in zip(bits, payloads, strict=True):
            first = payload[: self.block_payload_bits]
            row[: len(first)] = first
        y, _, _ = self._link(1).received(bits, snr_db, batch.link_seed(snr_db))

        def loss(*_: Any) -> Tensor:
            raise UserError(
                f"over-the-air attack on {self.name!r}: entropy-coded bits have no gradient; attack a learned scheme, or "
                "use the control 'gaussian'"
            )

        return AirSurface(np.asarray(y), loss, ())
