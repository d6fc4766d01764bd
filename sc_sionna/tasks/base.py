"""What a downstream task is: everything by which one task differs from another, in one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.settings import CodecSettings
from sc_sionna.sweep.metrics import Counts, Metric
from sc_sionna.sweep.per_image import Hits


@dataclass(frozen=True)
class NoiseLoss:
    """A loss that semantic noise maximises, Eq. (4): ``loss(outputs, labels, reference) -> [B]``, in ``keras.ops``.

    loss : of the codec's named outputs, int32 labels ``[B]`` and the reference ``[B, ...]``, one value per image
    reference : what of the outputs on the clean image the noisy ones are compared with, ``outputs -> [B, ...]``; None
        where that is the clean image itself, or where the labels are enough
    flat_at_clean : whether the gradient is zero at the clean image, so that an attack has to start beside it
    """

    loss: Callable[[dict[str, Any], Tensor, Tensor], Tensor]
    reference: Callable[[dict[str, Any]], Tensor] | None = None
    flat_at_clean: bool = False

    def __call__(self, outputs: dict[str, Any], labels: Tensor, reference: Tensor) -> Tensor:
        """The loss of each image ``[B]``."""
        return self.loss(outputs, labels, reference)


def need(outputs: dict[str, Any], name: str, loss: str) -> Tensor:
    """An output by its name; UserError where the attacked system does not make it."""
    if name not in outputs:
        raise UserError(
            f"loss = {loss!r}: needs the output {name!r}, the system has {', '.join(outputs)}; choose another"
        )
    return outputs[name]


class Task(ABC):
    """A downstream task at the receiver: head, losses, score, counts and metric.

    A fourth task is one class in one file, which ``codec.task`` names as ``module:Class``. The codec up to the tokens, the
    link, the training loop, the attacks and the sweep are the same for all tasks.

    Parameters
    ----------
    settings : of the codec that the task's head is a part of

    Attributes
    ----------
    output : name of the codec's output that answers the task, a key of :meth:`heads` or ``image``
    metric : the value of a point of a sweep, of the counts that :meth:`counts` gives; None where a sweep cannot count what
        the task does
    score_name : the mean of :meth:`score` in words, for the description of weights
    noise_loss : name of the loss that semantic noise maximises by default, a built-in one or ``module:NAME`` of a
        :class:`NoiseLoss`
    labels_are_classes : whether the labels are the classes z of Eq. (15). The auxiliary loss of the feature importance
        modules is written for classes; a task without them can have none of these modules
    """

    output: ClassVar[str]
    metric: ClassVar[Metric | None] = None
    score_name: ClassVar[str]
    noise_loss: ClassVar[str]
    labels_are_classes: ClassVar[bool] = False

    def __init__(self, settings: CodecSettings) -> None:
        self.settings = settings
        if settings.importance.layers and not self.labels_are_classes:
            raise UserError(
                f"importance.layers = {settings.importance.layers}: the loss of feature importance modules, Eq. (15), is "
                f"written for classes, which the task {settings.task!r} does not have; set importance.layers = []"
            )

    @property
    def chance(self) -> float | None:
        """The metric's value of guessing; None where there is no such value."""
        return None

    # ---------------------------------------------------------------- the network

    @abstractmethod
    def heads(self) -> Mapping[str, keras.layers.Layer]:
        """New layers from tokens ``[B, P, decoder_dim]`` to the task's outputs, by the name of the output.

        A layer's own name is where its weights are stored. The codec has the linear layer to pixels, ``image``, of masked
        pre-training anyway.
        """

    @abstractmethod
    def loss(self, outputs: dict[str, Any], targets: Tensor, label_smoothing: float) -> Tensor:
        """Training loss, a scalar: the first term of Eq. (12), in ``keras.ops``."""

    def logged(self, outputs: dict[str, Any], targets: Tensor) -> dict[str, Any]:
        """Scalars that the training log shows beside the losses, in ``keras.ops``."""
        return {}

    # ---------------------------------------------------------------- images and what is asked of them

    def pose(
        self, images: np.ndarray, labels: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images float32 ``[B, H, W, 3]`` and int32 labels ``[B]`` of a data set as the task poses them.

        By default as they are. A task that makes its own labels, say by turning the image, does so here, before any noise.
        """
        return images, labels

    def targets(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What the output is compared with, ``[B, ...]``: the labels, unless a task says otherwise.

        images : clean, as posed
        """
        return labels

    # ---------------------------------------------------------------- the answer

    def prediction(self, output: np.ndarray) -> np.ndarray:
        """The receiver's answer ``[B, ...]`` from the output ``[B, ...]``, which by default it is."""
        return output

    @abstractmethod
    def score(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """How good each answer is, float32 ``[M]``, larger is better; its mean chooses the best epoch on validation.

        predictions, targets : of the whole validation split, so that a score may depend on other images
        """

    def counts(self, predictions: np.ndarray, targets: np.ndarray) -> Counts:
        """Integers of a batch of a sweep, which add over batches: ``images``, and those of ``metric``.

        By default the images, and how many are in each of the :meth:`hits`.
        """
        return {"images": len(targets)} | {name: int(x.sum()) for name, x in self.hits(predictions, targets).items()}

    def hits(self, predictions: np.ndarray, targets: np.ndarray) -> Hits:
        """Which images a count of :meth:`counts` is of, bool ``[B]`` by the name of the count; by default none.

        They are stored image by image, so that differences between schemes are judged on pairs of the same image. A task
        that counts without them is compared by its counts.
        """
        return {}

    def scores(self, predictions: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
        """Real-valued scores of a batch of a sweep by their names, one float32 per image ``[B]``; by default none.

        They are stored image by image; a task whose ``metric`` is :class:`~sc_sionna.sweep.scores.MeanScore` names one here.
        """
        return {}
