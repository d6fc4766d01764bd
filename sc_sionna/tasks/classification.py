"""Image classification: the head of Sec. V-A, cross entropy, accuracy."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sc_sionna.core.tensor import Tensor
from sc_sionna.settings import CodecSettings
from sc_sionna.sweep.metrics import ACCURACY
from sc_sionna.sweep.per_image import Hits
from sc_sionna.tasks.base import NoiseLoss, Task, need


class ClassifyHead(layers.Layer):
    """Three fully-connected layers on the mean token (Sec. V-A): ``[B, P, dim] -> logits [B, C]`` in float32.

    num_classes : C; None for the settings' number of classes
    """

    def __init__(self, settings: CodecSettings, num_classes: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fc = [layers.Dense(settings.decoder.head_dim, activation="gelu", name=f"fc{i}") for i in range(2)]
        self.out = layers.Dense(num_classes or settings.num_classes, dtype="float32", name="fc2")

    def call(self, tokens: Tensor) -> Tensor:
        """Logits of tokens."""
        x = ops.mean(tokens, axis=1)
        for layer in self.fc:
            x = layer(x)
        return self.out(x)


def mean_cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of logits ``[B, C]`` against labels int32 ``[B]``, the loss of training."""
    num_classes = logits.shape[-1]
    target = ops.one_hot(labels, num_classes, dtype="float32")
    target = target * (1.0 - label_smoothing) + label_smoothing / num_classes
    return ops.mean(keras.losses.categorical_crossentropy(target, logits, from_logits=True))


def cross_entropy_per_image(outputs: dict[str, Any], labels: Tensor, reference: Tensor | None = None) -> Tensor:
    """−log softmax(logits)[label], the loss of semantic noise: ``[B]``."""
    logits = need(outputs, "logits", "cross_entropy")
    true = ops.sum(logits * ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype), axis=-1)
    return ops.logsumexp(logits, axis=-1) - true


def margin(outputs: dict[str, Any], labels: Tensor, reference: Tensor | None = None) -> Tensor:
    """Largest other logit minus the label's, above 0 for a wrong class: ``[B]``. It never saturates."""
    logits = need(outputs, "logits", "margin")
    true = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return ops.max(logits - 1e9 * true, axis=-1) - ops.sum(logits * true, axis=-1)


def correct(outputs: dict[str, Any], labels: Tensor, reference: Tensor | None = None) -> Tensor:
    """1 where the class is right, else 0: ``[B]``. No loss; averaged over draws it is the accuracy of each image."""
    predicted = ops.argmax(need(outputs, "logits", "correct"), axis=-1)
    return ops.cast(ops.equal(ops.cast(predicted, labels.dtype), labels), "float32")


CROSS_ENTROPY = NoiseLoss(cross_entropy_per_image)
MARGIN = NoiseLoss(margin)


class Classification(Task):
    """The class of an image, of those of its data set."""

    output = "logits"
    metric = ACCURACY
    score_name = "accuracy"
    noise_loss = "cross_entropy"
    labels_are_classes = True

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1.0 / self.settings.num_classes

    def heads(self) -> dict[str, layers.Layer]:
        """The classifier, whose weights are stored under ``classify``."""
        return {"logits": ClassifyHead(self.settings, name="classify")}

    def loss(self, outputs: dict[str, Any], targets: Tensor, label_smoothing: float) -> Tensor:
        """Mean cross entropy."""
        return mean_cross_entropy(outputs[self.output], targets, label_smoothing)

    def logged(self, outputs: dict[str, Any], targets: Tensor) -> dict[str, Any]:
        """Accuracy on the batch."""
        hits = ops.equal(ops.argmax(outputs[self.output], axis=-1), targets)
        return {"train_accuracy": ops.mean(ops.cast(hits, "float32"))}

    def prediction(self, output: np.ndarray) -> np.ndarray:
        """The class with the largest logit, int64 ``[B]``."""
        return output.argmax(-1)

    def score(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """1 where the class is right, else 0."""
        return (predictions == targets).astype(np.float32)

    def hits(self, predictions: np.ndarray, targets: np.ndarray) -> Hits:
        """The ``correct`` ones, which :meth:`counts` counts."""
        return {"correct": predictions == targets}
