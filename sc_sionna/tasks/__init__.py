"""Downstream tasks, a class each, and codecs with the head of the task that their settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sc_sionna.core.plugins import make, resolve
from sc_sionna.semantic import weights as stored
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import CodecSettings, Preset
from sc_sionna.tasks.base import NoiseLoss, Task
from sc_sionna.tasks.classification import CROSS_ENTROPY, MARGIN, Classification
from sc_sionna.tasks.reconstruction import RECONSTRUCTION, Reconstruction
from sc_sionna.tasks.retrieval import RETRIEVAL

__all__ = [
    "NOISE_LOSSES",
    "TASKS",
    "NoiseLoss",
    "Task",
    "load_codec",
    "make_codec",
    "make_task",
    "noise_loss",
    "warm_start",
]

# Tasks that schemes perform from training to a figure; retrieval.py says what it lacks for that
TASKS: dict[str, type[Task]] = {"classification": Classification, "reconstruction": Reconstruction}
NOISE_LOSSES: dict[str, NoiseLoss] = {
    "cross_entropy": CROSS_ENTROPY,
    "margin": MARGIN,
    "reconstruction": RECONSTRUCTION,
    "retrieval": RETRIEVAL,
}


def make_task(settings: CodecSettings) -> Task:
    """The task that the settings of a codec name; UserError for an unknown one, and settings that it cannot have."""
    task: Task = make(settings.task, TASKS, "task", settings)
    return task


def noise_loss(name: str) -> NoiseLoss:
    """The loss of semantic noise by its name, or ``module:NAME``; UserError for an unknown one."""
    loss: NoiseLoss = resolve(name, NOISE_LOSSES, "loss")
    return loss


def make_codec(settings: CodecSettings) -> SemanticCodec:
    """An untrained codec with the head of its task; its weights exist after ``initialise()``."""
    return SemanticCodec(settings, make_task(settings).heads)


def load_codec(
    preset_name: str, system: str, folder: Path | None = None, changes: dict[str, Any] | None = None
) -> tuple[SemanticCodec, Preset]:
    """As :func:`sc_sionna.semantic.weights.load_codec`, with the head of the task that the stored settings name."""
    return stored.load_codec(make_codec, preset_name, system, folder, changes)


def warm_start(model: SemanticCodec, path: Path) -> set[str]:
    """As :func:`sc_sionna.semantic.weights.warm_start`; the stored codec may have been trained for another task."""
    return stored.warm_start(make_codec, model, path)
