"""What every scheme takes and gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from sc_sionna.attacks.victim import Victim
from sc_sionna.core import rng
from sc_sionna.core.backend import compile_function
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.budget import Budget
from sc_sionna.phy.layout import AirLayout
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import LinkSettings
from sc_sionna.tasks import NoiseLoss, Task, load_codec, make_task, noise_loss

if TYPE_CHECKING:  # it is built on this contract
    from sc_sionna.schemes.spec import SchemeSpec

BatchKey = tuple[int, int, str]
# Settings of the codec on which no weight's shape depends
CHANGEABLE = (
    "masking.ratio",
    "masking.rule",
    "masking.noise_energy",
    "masking.temperature",
    "importance.threshold",
    "importance.form",
    "similarity.threshold",
)
SOURCE = "source"  # the group of a conventional source codec's settings, which are no settings of the network
CHUNK = 128  # images per forward pass; parts are padded to it so that one graph serves them all


@dataclass(frozen=True)
class Batch:
    """Images of one Monte-Carlo batch; ``index`` and the run seed name every random draw made for it."""

    images: np.ndarray  # float32 [B, H, W, 3] in [0, 1]
    labels: np.ndarray  # int32 [B]
    index: int
    run_seed: int
    clean: np.ndarray | None = None  # the images before semantic noise; None where ``images`` have none

    @cached_property
    def key(self) -> BatchKey:
        """What systems keep their work under; other images under an old index, attacked ones say, are not taken for it."""
        return self.run_seed, self.index, hashlib.sha256(self.images.tobytes()).hexdigest()

    def rows(self, rows: np.ndarray) -> Batch:
        """Some of the images, to be counted; what is drawn for a batch is drawn for all of them."""
        clean = None if self.clean is None else self.clean[rows]
        return replace(self, images=self.images[rows], labels=self.labels[rows], clean=clean)

    def targets(self, task: Task) -> np.ndarray:
        """What the task's answers are compared with, ``[B, ...]``; of the clean images, whatever noise was added."""
        return task.targets(self.images if self.clean is None else self.clean, self.labels)

    def link_seed(self, snr_db: float) -> np.ndarray:
        """The same for all systems at this SNR, so that they see the same fading and noise."""
        return rng.seed_words(self.run_seed, "link", float(snr_db), self.index)


class AirSurface(NamedTuple):
    """What an attacker at the receiver has collected: signals, and how a change of them changes the loss.

    received : complex ``[B, U, rx]``
    loss : ``loss(y [B, U, rx, 2], *inputs)`` gives the task's loss per image ``[B]``, differentiable in y
    """

    received: np.ndarray
    loss: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]


Gradient = Literal["none", "surrogate", "straight-through", "exact"]
Payload = Literal["indices", "analog", "stream", "label"]
Decoding = Literal["hard", "soft"]


@dataclass(frozen=True)
class Surroundings:
    """Everything that schemes of one run share.

    preset : name of the preset whose trained weights are used
    link : settings of the physical layer
    mean_image : gives the mean training image uint8 ``[H, W, 3]``, which is shown in place of a lost stream
    weights : folder of the trained weights, None for the package's
    decoding : of codebook indices, "hard" or "soft"
    """

    preset: str
    link: LinkSettings
    mean_image: Callable[[], np.ndarray]
    weights: Path | None = None
    decoding: Decoding = "hard"

    def codec(self, spec: SchemeSpec) -> SemanticCodec:
        """The codec with the stored weights that a scheme names, and its overrides."""
        return load_codec(self.preset, spec.stored_as, spec.folder(self.weights), spec.codec_overrides)[0]


class Scheme(Protocol):
    """The contract of a scheme; a class of the user's own, named ``module:Class``, keeps it too.

    What the rest of the program may ask of a scheme are these values, of the class where they are the same for every
    instance:

    gradient
        The backward pass from the task's loss to the image that ``victim`` offers: ``exact``; ``straight-through`` where a
        quantiser is passed as the identity; ``surrogate`` where something else stands in for a step without derivative;
        ``none``, and no attack that needs a gradient is run on it.
    payload
        What goes over the air: codebook ``indices``, ``analog`` symbols, a ``stream`` of entropy-coded bits, or a ``label``.
    over_the_air
        Whether ``air_surface`` has a gradient at the receiver, which Algorithm 1 needs.
    trained
        Whether stored weights belong to it; their SHA-256 is then in the record.
    weights_of
        The scheme whose weights it takes, where they are not its own; a class may leave it out.
    jammed_by
        The patterns of channel uses that jamming can take here; a class without ``air_layouts`` leaves it out, and is not
        jammed.
    changeable
        Settings of its codec, as ``group.name``, that may be changed at test time: no weight's shape depends on them. Those
        of a conventional source codec have the group ``source``.
    """

    gradient: ClassVar[Gradient]
    payload: ClassVar[Payload]
    over_the_air: ClassVar[bool]
    trained: ClassVar[bool]
    changeable: ClassVar[tuple[str, ...]]
    name: str
    task: Task

    @property
    def random(self) -> bool:
        """Whether the pass that ``victim`` offers draws anything, masks for example.

        An attack averages its gradients over several draws only where there is something to draw.
        """

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> Scheme:
        """The scheme that a value names, with its weights. Nothing else is built later than here."""

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """Named outputs, among them ``predictions`` [B].

        ``interference`` is what an attacker adds at the receive antennas, complex [B, U, rx], or None.
        """

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Predictions [B] if nothing went wrong on the air."""

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """The integers of a batch, see :mod:`sc_sionna.sweep.metrics`."""

    def budget(self, images: np.ndarray) -> Budget:
        """Cost of an image on the air, the mean over uint8 images ``[M, H, W, 3]`` where it varies."""

    def victim(self) -> Victim:
        """The pass from image to class that an attacker at the source differentiates, error-free on the air."""

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """The passes that the adaptive suite attacks, by name, the one that runs first.

        The attacker takes the expectation over their channel at ``snr_db``. ``cache_dir`` keeps error rates of the link that
        the package has not measured.
        """

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """What an attacker at the receiver has and differentiates.

        Where there is no gradient its loss is a UserError, and only noise that needs none can be made of it.
        """

    def air_layouts(self, batch: Batch) -> list[AirLayout]:
        """What the uses of each image carry, as far as code, framing and length say it; nothing that is drawn.

        A class may leave it out together with ``jammed_by``.
        """

    def forget(self) -> None:
        """Drop what was kept of the batches so far."""


def air_loss(scheme: Scheme) -> NoiseLoss:
    """The loss that semantic noise at the receiver maximises; its reference is the clean image."""
    loss = noise_loss(scheme.task.noise_loss)
    if loss.reference is not None:
        raise UserError(
            f"over-the-air attack on {scheme.name!r}: the loss {scheme.task.noise_loss!r} compares with an answer to the "
            "clean image, which an attacker at the receiver does not have; attack at the source"
        )
    return loss


class Predictor:
    """A task's answers in chunks of fixed size.

    task : says which of the decoder's outputs it needs, and what answer follows from it
    decode : from arrays with a row per image to the decoder's named outputs
    """

    def __init__(self, task: Task, decode: Callable[..., dict[str, Any]]) -> None:
        self.task = task
        self.output = compile_function(lambda *inputs: decode(*inputs)[task.output])

    def __call__(self, *inputs: np.ndarray) -> np.ndarray:
        """Answers ``[B, ...]``."""
        parts = []
        for start in range(0, len(inputs[0]), CHUNK):
            part = [x[start : start + CHUNK] for x in inputs]
            size = len(part[0])
            padded = [np.concatenate([x, np.repeat(x[:1], CHUNK - size, axis=0)]) if size < CHUNK else x for x in part]
            parts.append(self.task.prediction(np.asarray(self.output(*padded))[:size]))
        return np.concatenate(parts)


class PicturePredictor(Predictor):
    """A task's answers to pictures ``[B, H, W, 3]`` by a ViT that sees every patch and is told no SNR."""

    def __init__(self, classifier: SemanticCodec) -> None:
        keep = np.tile(np.arange(classifier.settings.num_kept, dtype=np.int32), (CHUNK, 1))
        no_snr = np.zeros(CHUNK, np.float32)
        super().__init__(make_task(classifier.settings), lambda images: classifier(images, keep, no_snr))
