"""What every scheme takes and gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from sc_sionna.attacks.victim import Victim
from sc_sionna.core import rng
from sc_sionna.core.backend import compile_function
from sc_sionna.core.errors import UserError
from sc_sionna.phy.budget import Budget
from sc_sionna.tasks import NoiseLoss, Task, noise_loss

BatchKey = tuple[int, int, str]
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
    loss: Callable[..., Any]
    inputs: tuple[Any, ...]


class Scheme(Protocol):
    """A scheme.

    * ``task``: what the receiver does with what arrives
    * ``transmit(batch, snr_db, interference)``: named outputs, among them ``predictions`` [B, ...]; ``interference`` is
      what an attacker adds at the receive antennas, complex [B, U, rx], or None
    * ``error_free_predictions(batch, snr_db)``: predictions [B, ...] where nothing goes wrong on the air
    * ``counts(batch, outputs)``: the integers of a batch, see :mod:`sc_sionna.sweep.metrics`
    * ``budget(images)``: cost of an image on the air, the mean over uint8 images ``[M, H, W, 3]`` where it varies
    * ``victim()``: the pass from image to class that an attacker at the source differentiates
    * ``air_surface(batch, snr_db)``: what an attacker at the receiver has and differentiates; where there is no gradient its
      loss is a UserError, and only noise that needs none can be made of it
    """

    name: str
    task: Task

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]: ...

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray: ...

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]: ...

    def budget(self, images: np.ndarray) -> Budget: ...

    def victim(self) -> Victim: ...

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface: ...


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
