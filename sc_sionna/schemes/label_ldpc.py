"""The trivial opponent: classify at the transmitter and send the class."""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from sc_sionna.attacks.jamming import WITHOUT_HEADER, Pattern
from sc_sionna.attacks.victim import CodecVictim, Victim
from sc_sionna.core.errors import UserError
from sc_sionna.phy.budget import Budget, digital_budget
from sc_sionna.phy.framing import MIN_K, Framing
from sc_sionna.phy.layout import AirLayout, coded_uses
from sc_sionna.phy.link import DigitalLink
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
from sc_sionna.semantic.masking import FixedMasking
from sc_sionna.settings import LinkSettings, Settings
from sc_sionna.sweep.metrics import link_counts

if TYPE_CHECKING:
    from sc_sionna.schemes.spec import SchemeSpec


class LabelSettings(Settings):
    """How the class is protected."""

    num_streams: int = Field(1, ge=1, le=64, description="the number of streams; one has the strongest channel")
    repetitions: int = Field(1, ge=1, le=1024, description="how often the code block is sent; the LLRs are added")


class LabelLdpcScheme:
    """image → ViT → class → ceil(log2 C) bits → one short block, repeated → link → class.

    Any link for classification has to answer this scheme: it sends nothing but the answer, over QPSK at rate 1/5, the
    strongest code that the standard has, and spends more channel uses on repeating the block, as often as it fits where
    ``link.channel_uses`` is set. The total transmit power is that of every other scheme. A class that does not exist, or a
    bit that nothing decides, is *undecodable*; class 0 is then the answer. It can serve no other task, and it leaves the
    whole network at the transmitter.

    Raises
    ------
    UserError for a task without classes.
    """

    gradient: ClassVar[Gradient] = "exact"
    payload: ClassVar[Payload] = "label"
    over_the_air: ClassVar[bool] = False  # a decided class has no gradient
    trained: ClassVar[bool] = True
    weights_of: ClassVar[str] = "jpeg-ldpc"
    changeable: ClassVar[tuple[str, ...]] = tuple(f"{SOURCE}.{name}" for name in LabelSettings.model_fields)
    random = False
    jammed_by: ClassVar[tuple[Pattern, ...]] = WITHOUT_HEADER

    def __init__(self, name: str, classifier: SemanticCodec, link: LinkSettings, settings: LabelSettings) -> None:
        self.name, self.classifier, self.settings = name, classifier, settings
        s = classifier.settings
        self._predict = PicturePredictor(classifier)
        self.task = self._predict.task
        if not self.task.labels_are_classes:
            raise UserError(f"{name}: sends classes, which the task {s.task!r} does not have; leave it out")
        self.num_bits = max(1, (s.num_classes - 1).bit_length())
        self._connect(link)

    def _connect(self, link: LinkSettings) -> None:
        """Build the link with as many copies of the block as were asked for, or as fit."""
        own = {"num_streams": self.settings.num_streams, "modulation": "qpsk", "coded": True, "coderate": 0.2}
        link = link.with_(**own, crc="none", adaptation="none")
        self.copies = self.settings.repetitions
        if link.channel_uses is not None:
            most = link.channel_uses // Framing(self.least_bits(), link.with_(channel_uses=None)).num_channel_uses
            whole = [copies for copies in range(1, most + 1) if link.channel_uses % copies == 0]
            if not whole:
                raise UserError(f"link.channel_uses = {link.channel_uses}: the class alone takes more; take more uses")
            self.copies = whole[-1]
        # every copy is one whole block, zeros behind the class
        self.block_bits = Framing(self.copies * self.least_bits(), link, self.copies).block_payload_bits
        self.link = DigitalLink(link, self.copies * self.block_bits, least_blocks=self.copies)
        self.__dict__.pop("_layout", None)  # of another link
        self._sent: dict[BatchKey, np.ndarray] = {}

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> LabelLdpcScheme:
        """The scheme with the stored ViT, protected as ``spec`` sets."""
        settings = LabelSettings(**spec.overrides.get(SOURCE, {}))
        return cls(spec.label, surroundings.codec(spec), surroundings.link, settings)

    def on(self, link: LinkSettings) -> LabelLdpcScheme:
        """The same ViT over another link."""
        other = copy.copy(self)
        other._connect(link)
        return other

    def least_bits(self) -> int:
        """The shortest block of the standard that holds the class."""
        return max(self.num_bits, MIN_K)

    def wanted_bits(self) -> int:
        """One block, whatever the link could carry."""
        return self.least_bits()

    def forget(self) -> None:
        """Drop the classes of the batches so far."""
        self._sent.clear()

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Classes that the transmitter found, int64 ``[B]``."""
        if batch.key not in self._sent:
            self._sent[batch.key] = self._predict(batch.images)
        return self._sent[batch.key]

    def _bits(self, classes: np.ndarray) -> np.ndarray:
        """Classes ``[B]`` as the bits of a block ``[B, block_bits]``, most significant first, zeros behind."""
        bits = (classes[:, None] >> np.arange(self.num_bits - 1, -1, -1)) & 1
        return np.pad(bits, ((0, 0), (0, self.block_bits - self.num_bits))).astype(np.int32)

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """``predictions`` and ``undecodable`` [B], the block's bits as sent and as received, and the link's output."""
        bits = self._bits(self.error_free_predictions(batch, snr_db))  # -> [B, block]
        copies = self.copies
        link = self.link(np.tile(bits, copies), snr_db, batch.link_seed(snr_db), interference=interference)
        llr = np.asarray(link.llr).reshape(len(bits), copies, -1).sum(axis=1)  # every copy is of the same block
        decoded = self.link.receiver(llr)
        classes = decoded.bits[:, : self.num_bits] @ (1 << np.arange(self.num_bits - 1, -1, -1))
        undecodable = decoded.erased | (classes >= self.classifier.settings.num_classes)
        return {
            "predictions": np.where(undecodable, 0, classes).astype(np.int64),
            "undecodable": undecodable,
            "bits": bits,
            "received_bits": decoded.bits,
            "erased_blocks": decoded.erased[:, None],
            "link": link,
        }

    def answers_in(self, batch: Batch, num_bits: int, lost: bool) -> np.ndarray:
        """Classes ``[B]``; more bits say no more. Where the block is lost, class 0."""
        return self.ideal_predictions(batch, np.full(len(batch.labels), 0 if lost else num_bits))

    def ideal_predictions(self, batch: Batch, bits: np.ndarray) -> np.ndarray:
        """Classes ``[B]`` where as many ``bits [B]`` as one has arrive, class 0 elsewhere."""
        return np.where(bits >= self.num_bits, self.error_free_predictions(batch, 0.0), 0)

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """The task's counts; errors of the class's bits, of the block and of the class; classes that do not exist."""
        wrong = outputs["bits"] != outputs["received_bits"]
        of_class = wrong[:, : self.num_bits]
        lost = wrong.any(axis=1, keepdims=True) | outputs["erased_blocks"]
        return {
            **self.task.counts(outputs["predictions"], batch.targets(self.task)),
            **link_counts(of_class, lost, of_class.any(axis=1, keepdims=True)),
            "undecodable": int(outputs["undecodable"].sum()),
        }

    def budget(self, images: np.ndarray) -> Budget:
        """The same for every image."""
        return digital_budget(self.link.framing, float(self.num_bits))

    # ------------------------------------------------------------------ what an attacker may use

    def victim(self) -> CodecVictim:
        """The ViT at the transmitter; what follows it changes no class where nothing goes wrong on the air."""
        return CodecVictim(self.classifier, FixedMasking(np.arange(self.classifier.settings.num_kept)), snr_db=0.0)

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """The ViT alone: an attacker at the source cannot change what the channel does to the class."""
        return {"exact": self.victim()}

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """Signals of all copies; the loss only says that it has no gradient."""
        bits = self._bits(self.error_free_predictions(batch, snr_db))
        y, _, _ = self.link.received(np.tile(bits, self.copies), snr_db, batch.link_seed(snr_db))
        y = np.asarray(y).reshape(len(bits), -1, y.shape[-1])

        def loss(*_: Any) -> Any:
            raise UserError(
                f"over-the-air attack on {self.name!r}: a decided class has no gradient; attack a learned scheme, or use "
                "the control 'gaussian'"
            )

        return AirSurface(y, loss, ())

    @cached_property
    def _layout(self) -> AirLayout:
        blocks = coded_uses(self.link.transmitter, copies=self.settings.repetitions)
        return AirLayout(self.link.framing.num_channel_uses, 0, blocks)

    def air_layouts(self, batch: Batch) -> list[AirLayout]:
        """One code word and its copies, the same for every image."""
        return [self._layout] * len(batch.labels)
