"""How good a codec is on the validation split while it is trained, and what its payload carries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.attacks.source import SourceAttack
from sc_sionna.core import rng
from sc_sionna.core.backend import compile_function
from sc_sionna.data.common import Images, to_float
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.semantic.content import payload_content, variance_within
from sc_sionna.semantic.masking import Masking
from sc_sionna.settings import TrainSettings
from sc_sionna.tasks import Task
from sc_sionna.training.channel import TrainingChannel

EVAL_BATCH = 256


class Validation:
    """Passes over the validation split with draws that are the same after every epoch.

    Parameters
    ----------
    model, task, masking, channel, attack : those of training; the attack is None for training without semantic noise
    images : the validation split
    settings : of the training
    """

    def __init__(
        self,
        model: SemanticCodec,
        task: Task,
        images: Images,
        settings: TrainSettings,
        masking: Masking,
        channel: TrainingChannel,
        attack: SourceAttack | None,
    ) -> None:
        self.model, self.task, self.images, self.settings = model, task, images, settings
        self.masking, self.channel, self.attack = masking, channel, attack
        self._forwards: dict[bool, Callable[..., Any]] = {}

    def forward(self, quantise: bool) -> Callable[..., Any]:
        """The compiled pass at inference; without ``quantise`` past codebook and channel."""
        if quantise not in self._forwards:
            model = self.model
            self._forwards[quantise] = compile_function(
                lambda *inputs: model(*inputs, quantise=quantise, training=False)
            )
        return self._forwards[quantise]

    def score(self, task: str, quantise: bool = True) -> float:
        """The task's score (or minus the reconstruction error) on the validation split, with fixed channel draws.

        Under adversarial training it is the score on images with semantic noise of the full strength.
        """
        s, forward = self.settings, self.forward(quantise)
        total = 0.0
        targets: list[np.ndarray] = []
        answers: list[list[np.ndarray]] = [[] for _ in range(s.val_repeats)]
        for start in range(0, len(self.images), EVAL_BATCH):
            clean = to_float(self.images.pixels[start : start + EVAL_BATCH])
            labels = self.images.labels[start : start + EVAL_BATCH]
            clean, labels = self.task.pose(clean, labels, rng.generator(s.seed, "validation task", start))
            targets.append(self.task.targets(clean, labels))
            images = clean
            if self.attack is not None and task == "classify":
                images = self.attack.craft(clean, labels, rng.generator(s.seed, "validation attack", start)).images
            for repeat in range(s.val_repeats):
                generator = rng.generator(s.seed, "validation", repeat, start)
                keep = self.masking(len(images), generator)
                snr_db = self.channel.draw_snr(len(images), generator)
                error = self.channel.error(images, keep, snr_db, generator, error_free=task == "reconstruct")
                outputs = forward(images, keep, snr_db, error)
                if task == "classify":
                    answers[repeat].append(self.task.prediction(ops.convert_to_numpy(outputs[self.task.output])))
                else:
                    squared = (ops.convert_to_numpy(outputs["image"]) - clean) ** 2
                    total -= float(squared.mean(axis=(1, 2, 3)).sum())
        if task == "classify":
            wanted = np.concatenate(targets)
            total = sum(float(self.task.score(np.concatenate(parts), wanted).sum()) for parts in answers)
        return total / (s.val_repeats * len(self.images))

    def content(self, task: str, quantise: bool = True) -> dict[str, Any]:
        """What the payload of the validation split carries, error-free, with one draw of the mask for each image.

        ``variance_within`` of the features, the numbers of :func:`payload_content` where they are quantised, and
        ``val_error_free``, the task's mean score, once the task is trained. Where the answers are no classes, and before
        there is a classifier, the entropy of an index is that given its position alone. Nothing for a codec without a link.
        """
        if self.channel.payload == 0:
            return {}
        names = ("features", "indices", "keep", "predicted", "targets")
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for start in range(0, len(self.images), EVAL_BATCH):
            rows = slice(start, start + EVAL_BATCH)
            posed = rng.generator(self.settings.seed, "validation task", start)
            images, labels = self.task.pose(to_float(self.images.pixels[rows]), self.images.labels[rows], posed)
            generator = rng.generator(self.settings.seed, "validation", 0, start)
            keep = self.masking(len(images), generator)
            outputs = self.forward(quantise)(images, keep, self.channel.draw_snr(len(images), generator), None)
            values = {name: ops.convert_to_numpy(outputs[name]) for name in ("features", "indices") if name in outputs}
            predicted = self.task.prediction(ops.convert_to_numpy(outputs[self.task.output]))
            values |= {"keep": keep, "predicted": predicted, "targets": self.task.targets(images, labels)}
            for name, value in values.items():
                found[name].append(value)
        predicted = np.concatenate(found["predicted"])
        line: dict[str, Any] = {"variance_within": variance_within(np.concatenate(found["features"]))}
        if task == "classify":
            line["val_error_free"] = float(
                self.task.score(predicted, np.concatenate(found["targets"])).mean(dtype=float)
            )
        if found["indices"]:
            known = task == "classify" and self.task.labels_are_classes
            classes = predicted if known else np.zeros(len(self.images), np.int64)
            line |= payload_content(np.concatenate(found["indices"]), np.concatenate(found["keep"]), classes)
        return line
