"""A conventional scheme: source codec, 5G link, decoded picture, and a ViT for the task behind it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from sc_sionna.attacks.jamming import PATTERNS, WITHOUT_HEADER, Pattern
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.data.common import to_float
from sc_sionna.phy.budget import Budget
from sc_sionna.phy.framing import room_bits
from sc_sionna.phy.layout import AirLayout
from sc_sionna.phy.stream_link import StreamLink
from sc_sionna.schemes.base import (
    SOURCE,
    AirSurface,
    Batch,
    BatchKey,
    Gradient,
    Payload,
    PicturePredictor,
    Surroundings,
)
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import LinkSettings
from sc_sionna.source_codecs import AvifCodec, PixelsCodec, SourceCodec, WebpCodec
from sc_sionna.source_codecs.fitted import FittedCodec, Ladders
from sc_sionna.sweep.metrics import clustered

if TYPE_CHECKING:
    from sc_sionna.schemes.spec import SchemeSpec

LENGTH_BITS = 16  # of the header's length field, in bytes
MANY_BITS = 2**31


class Encoded(NamedTuple):
    """A batch at the transmitter: a stream of bits per image, the answer ``[B, ...]`` where it arrives, which are empty."""

    streams: list[np.ndarray]
    error_free: np.ndarray
    empty: np.ndarray


def changeable_of(codec: type[SourceCodec]) -> tuple[str, ...]:
    """A codec's settings by the names that a command line gives them, ``source.quality`` for example."""
    return tuple(f"{SOURCE}.{name}" for name in codec.Settings.model_fields)


class StreamScheme:
    """image → source codec → [length header] + blocks with CRC → link → stream → picture → ViT trained on clean images.

    Everything that both ends can compute beforehand is not sent, and the blocks divide the stream's own length. A stream
    whose header or any block fails its check, or that is no picture of the codec, is *undecodable*: the mean training image
    is shown. One with wrong bits that every check accepts is *undetected*: what its bits decode to is shown.

    Where ``link.channel_uses`` is set, the codec fills what these uses hold at the link's rate, see
    :class:`~sc_sionna.source_codecs.fitted.FittedCodec`; of a picture for which no setting fits nothing is sent, the mean
    training image is shown, and it is counted.

    A scheme of the user's own sets ``codec_class`` and ``changeable`` in a subclass. The ViT is that of ``weights_of``.
    """

    codec_class: ClassVar[type[SourceCodec]]
    gradient: ClassVar[Gradient] = "none"
    payload: ClassVar[Payload] = "stream"
    over_the_air: ClassVar[bool] = False  # entropy-coded bits have no gradient
    trained: ClassVar[bool] = True
    weights_of: ClassVar[str] = "jpeg-ldpc"
    changeable: ClassVar[tuple[str, ...]] = ()
    jammed_by: ClassVar[tuple[Pattern, ...]] = PATTERNS
    random = False  # nothing is drawn before the air

    def __init__(
        self,
        name: str,
        classifier: SemanticCodec,
        link: LinkSettings,
        codec: SourceCodec,
        mean_image: Callable[[], np.ndarray],
    ) -> None:
        if not link.coded:
            raise UserError(
                f"link.coded = False: {name} sends code blocks, each with its CRC; set link.coded = true, or compare "
                "schemes without streams"
            )
        self.name, self.classifier, self._make_mean_image = name, classifier, mean_image
        self._source_codec, self._ladders = codec, Ladders(type(codec), codec.settings, codec.image_size)
        self._connect(link)
        self._predict = PicturePredictor(classifier)
        self.task = self._predict.task
        self._mean_answer: np.ndarray | None = None

    def _connect(self, link: LinkSettings) -> None:
        """Build the link, and let the codec fill it where its channel uses are given."""
        own = self._source_codec.settings
        settings = link.with_(crc=own.crc, max_block_bits=own.max_block_bits, adaptation="none")
        filled = link.channel_uses is not None
        self.codec = FittedCodec(self._ladders, room_bits(settings)) if filled else self._source_codec
        fixed = self.codec.num_bits
        self.link = StreamLink(settings, 0 if fixed else LENGTH_BITS, fixed_bits=fixed)
        self._sent: dict[BatchKey, Encoded] = {}

    def on(self, link: LinkSettings) -> StreamScheme:
        """The same source codec and ViT over another link."""
        other = copy.copy(self)
        other._connect(link)
        return other

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> StreamScheme:
        """The scheme with the source codec that ``spec`` sets, and the stored ViT."""
        classifier = surroundings.codec(spec)
        settings = cls.codec_class.Settings(**spec.overrides.get(SOURCE, {}))
        codec = cls.codec_class(settings, classifier.settings.image_size)
        return cls(spec.label, classifier, surroundings.link, codec, surroundings.mean_image)

    def least_bits(self) -> int:
        """A byte of a picture, and what has to be said with it."""
        return self.link.settings.crc_bits + FittedCodec.least_bits(self._ladders)

    def wanted_bits(self) -> int:
        """More than any link carries: a finer picture is a better one."""
        return MANY_BITS

    def forget(self) -> None:
        """Drop the streams of the batches so far."""
        self._sent.clear()

    def _mean(self) -> np.ndarray:
        """The answer to the mean training image, which is shown for a lost stream; made at the first loss."""
        if self._mean_answer is None:
            self._mean_answer = self._predict(to_float(self._make_mean_image()[None]))[0]
        return self._mean_answer

    def _source(self, batch: Batch) -> Encoded:
        if batch.key not in self._sent:
            pixels = np.round(batch.images * 255.0).astype(np.uint8)
            streams = [self.codec.encode(image) for image in pixels]
            empty = np.array([isinstance(self.codec, FittedCodec) and self.codec.says_nothing(s) for s in streams])
            pictures = [
                pixels[0] if nothing else self.codec.decode(s) for s, nothing in zip(streams, empty, strict=True)
            ]
            if any(picture is None for picture in pictures):
                raise UserError(f"{self.name}: its codec cannot read a picture that it wrote itself; mend the codec")
            answers = self._predict(to_float(np.stack(pictures)))  # type: ignore[arg-type]
            if empty.any():
                answers[empty] = self._mean()
            self._sent[batch.key] = Encoded(streams, answers, empty)
        return self._sent[batch.key]

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Answers to the decoded pictures."""
        return self._source(batch).error_free

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """``predictions``, ``undecodable`` and ``undetected`` [B], and the link's output."""
        streams, error_free, empty = self._source(batch)
        received = self.link(streams, snr_db, batch.link_seed(snr_db), interference)
        predictions = error_free.copy()
        undetected = received.accepted & ~received.error_free
        undecodable = ~received.accepted
        for row in np.flatnonzero(undetected):
            picture = self.codec.decode(received.bits[row])
            if picture is None:
                undecodable[row] = True
            else:
                predictions[row] = self._predict(to_float(picture[None]))[0]
        if undecodable.any():
            predictions[undecodable] = self._mean()
        return {
            "predictions": predictions,
            "undecodable": undecodable,
            "undetected": undetected,
            "empty": empty,
            "link": received,
        }

    def answers_in(self, batch: Batch, num_bits: int, lost: bool) -> np.ndarray:
        """Answers ``[B]`` to what the codec makes of a block of ``num_bits`` for each image, its CRC among them.

        lost : the block fails, and the mean image is shown
        """
        if lost:
            return self.ideal_predictions(batch, np.zeros(len(batch.labels)))
        room = num_bits - self.link.settings.crc_bits - FittedCodec.said_beside(self._ladders, num_bits)
        return self.ideal_predictions(batch, np.full(len(batch.labels), room))

    def ideal_predictions(self, batch: Batch, bits: np.ndarray) -> np.ndarray:
        """Answers ``[B]`` to what the codec makes of so many bits of each image, ``bits [B]``; all of them arrive."""
        pixels = np.round(batch.images * 255.0).astype(np.uint8)
        best = [self._ladders.best(image.tobytes(), int(room)) for image, room in zip(pixels, bits, strict=True)]
        shown = [
            image
            if number is None
            else self._ladders.codecs[number].decode(self._ladders.bits(number, image.tobytes()))
            for image, number in zip(pixels, best, strict=True)
        ]
        answers = self._predict(to_float(np.stack(shown)))  # type: ignore[arg-type]
        nothing = np.array([number is None for number in best])
        if nothing.any():
            answers[nothing] = self._mean()
        return answers

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """The task's counts; bits and blocks, the header's block among them; lost and wrongly accepted streams."""
        link = outputs["link"]
        return {
            **self.task.counts(outputs["predictions"], batch.targets(self.task)),
            "bits": int(link.num_bits.sum()),
            **clustered("bit_errors", link.bit_errors),
            "blocks": int(link.num_blocks.sum()),
            **clustered("block_errors", link.block_errors),
            "undecodable": int(outputs["undecodable"].sum()),
            "undetected": int(outputs["undetected"].sum()),
            **({"empty": int(outputs["empty"].sum())} if isinstance(self.codec, FittedCodec) else {}),
        }

    def budget(self, images: np.ndarray) -> Budget:
        """The mean cost of the images' streams, header and CRC included."""
        if self.codec.num_bits is not None:
            return self.link.budget(self.codec.num_bits)
        costs = [self.link.budget(len(self.codec.encode(image))) for image in images]
        return Budget(**{name: float(np.mean([getattr(cost, name) for cost in costs])) for name in Budget.model_fields})

    # ------------------------------------------------------------------ what an attacker may use

    def _no_gradient(self, *_: Any) -> Any:
        raise UserError(
            f"attack on {self.name!r}: its source codec has no gradient; attack a learned scheme or jpeg-ldpc, or use a "
            "threat that needs none"
        )

    def victim(self) -> Victim:
        """UserError: no backward pass through the codec."""
        return self._no_gradient()

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """UserError: no backward pass through the codec."""
        return self._no_gradient()

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """Signals of the shortest stream's uses, over which an attacker's noise repeats; its loss has no gradient."""
        y = self.link.received(self._source(batch).streams, snr_db, batch.link_seed(snr_db))

        def loss(*_: Any) -> Any:
            raise UserError(
                f"over-the-air attack on {self.name!r}: entropy-coded bits have no gradient; attack a learned scheme, or "
                "use the control 'gaussian'"
            )

        return AirSurface(y, loss, ())

    def air_layouts(self, batch: Batch) -> list[AirLayout]:
        """Header and code words of each stream, which follow from its length."""
        return [self.link.layout(len(stream)) for stream in self._source(batch).streams]


class WebpLdpc(StreamScheme):
    """WebP without its container."""

    codec_class = WebpCodec
    changeable = changeable_of(WebpCodec)


class AvifLdpc(StreamScheme):
    """AVIF without its container and sequence header."""

    codec_class = AvifCodec
    changeable = changeable_of(AvifCodec)


class PixelsLdpc(StreamScheme):
    """A thumbnail of a few bits a pixel, all of one length, so without a header."""

    codec_class = PixelsCodec
    changeable = changeable_of(PixelsCodec)
    jammed_by = WITHOUT_HEADER
