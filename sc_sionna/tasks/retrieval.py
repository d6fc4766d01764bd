"""Image retrieval: an embedding, a metric-learning loss, recall at k by exact nearest neighbours.

The head, the loss, the loss of semantic noise and the scores are complete, and the training loop runs them. No scheme
transmits for this task yet, so it is not in the table of tasks: recall needs a gallery, and a sweep counts a batch alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers, ops

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.settings import CodecSettings
from sc_sionna.tasks.base import NoiseLoss, Task, need

TEMPERATURE = 0.1  # τ of the contrastive loss: the value of Khosla et al.
BLOCK = 512  # queries compared with the whole gallery at a time


class EmbeddingHead(layers.Layer):
    """A hidden layer and a linear one on the mean token, scaled to length 1: ``[B, P, dim] -> [B, E]`` in float32.

    E is ``decoder.head_dim``.
    """

    def __init__(self, settings: CodecSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden = layers.Dense(settings.decoder.head_dim, activation="gelu", name="hidden")
        self.out = layers.Dense(settings.decoder.head_dim, dtype="float32", name="out")

    def call(self, tokens: Tensor) -> Tensor:
        """Unit vectors of tokens."""
        return to_unit(self.out(self.hidden(ops.mean(tokens, axis=1))))


def to_unit(vectors: Tensor) -> Tensor:
    """Vectors ``[B, E]`` scaled to length 1."""
    return vectors * ops.rsqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True) + 1e-12)


def supervised_contrastive(embeddings: Tensor, labels: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Supervised contrastive loss, Khosla et al. (2020, arXiv:2004.11362), (2): a scalar.

    With unit embeddings z ``[B, E]``, P(i) the other images of i's class and A(i) all other images of the batch::

        L = mean_i  -1/|P(i)| Σ_{p in P(i)} log( exp(z_i·z_p / τ) / Σ_{a in A(i)} exp(z_i·z_a / τ) )

    over the images i that have another of their class in the batch; 0 where none has.
    """
    similarity = ops.matmul(embeddings, ops.transpose(embeddings)) / temperature
    count = ops.shape(embeddings)[0]
    others = 1.0 - ops.eye(count, dtype="float32")
    same = ops.cast(ops.equal(labels[:, None], labels[None, :]), "float32") * others
    log_p = similarity - ops.logsumexp(similarity - 1e9 * (1.0 - others), axis=1, keepdims=True)
    positives = ops.sum(same, axis=1)
    per_image = -ops.sum(same * log_p, axis=1) / ops.maximum(positives, 1.0)
    counted = ops.cast(positives > 0, "float32")
    return ops.sum(per_image * counted) / ops.maximum(ops.sum(counted), 1.0)


def embedding_of(outputs: dict[str, Any]) -> Tensor:
    """The unit vector that retrieval compares, ``[B, E]``.

    It is the head's, or lies along the mean token where a codec has no head for retrieval.
    """
    if "embedding" in outputs:
        return outputs["embedding"]
    return to_unit(ops.mean(ops.cast(need(outputs, "tokens", "retrieval"), "float32"), axis=1))


def away_from_clean(outputs: dict[str, Any], labels: Tensor, reference: Tensor) -> Tensor:
    """1 − cosine similarity of the query's embedding to that of the clean image: ``[B]``."""
    return 1.0 - ops.sum(embedding_of(outputs) * reference, axis=-1)


RETRIEVAL = NoiseLoss(away_from_clean, reference=embedding_of, flat_at_clean=True)


def nearest_others(
    queries: np.ndarray, gallery: np.ndarray, count: int, own: np.ndarray | None = None, block: int = BLOCK
) -> np.ndarray:
    """Positions of the ``count`` gallery vectors most similar to each query, best first, int64 ``[Q, count]``; exact.

    queries, gallery : unit vectors float32 ``[Q, E]`` and ``[G, E]``, compared by their inner product
    own : int ``[Q]``, the position in the gallery of the query's own image, which does not count; None where it has none
    block : queries at a time, which bounds the memory and changes no result

    Equally similar ones come in the order of the gallery. UserError for an empty gallery, one with fewer than ``count``
    images to choose from, and for a vector that is not finite.
    """
    choices = len(gallery) - (own is not None)
    if not 1 <= count <= choices:
        raise UserError(
            f"k = {count}: a gallery of {len(gallery)} images has {max(choices, 0)} to choose from; lower k"
        )
    for name, vectors in (("query", queries), ("gallery image", gallery)):
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise UserError(f"embedding of {name} {bad[0]}: not a finite number; train with a lower learning rate")
    found = np.empty((len(queries), count), np.int64)
    for start in range(0, len(queries), block):
        rows = slice(start, start + block)
        # the sums of each pair in one order, whatever the block: a matrix product rounds by its shape
        similarity = np.einsum("qe,ge->qg", queries[rows], gallery)
        if own is not None:
            similarity[np.arange(len(similarity)), own[rows]] = -np.inf
        found[rows] = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return found


def hits_at(
    nearest: np.ndarray, labels: np.ndarray, gallery_labels: np.ndarray, ks: Sequence[int]
) -> dict[int, np.ndarray]:
    """For each k, whether one of a query's k nearest images is of its class: bool ``[Q]``.

    nearest : from :func:`nearest_others`, with at least max(ks) columns
    """
    right = gallery_labels[nearest] == labels[:, None]
    return {k: right[:, :k].any(axis=1) for k in ks}


def average_precision_at_r(
    nearest: np.ndarray, labels: np.ndarray, gallery_labels: np.ndarray, relevant: np.ndarray
) -> np.ndarray:
    """Average precision at R of each query, float64 ``[Q]``; its mean is mAP@R (Musgrave et al. 2020, arXiv:2003.08505).

    With R = ``relevant`` ``[Q]`` the number of images of the query's class in the gallery, P(i) the share of them among
    the i nearest: 1/R Σ_{i <= R} P(i) · [image i is of the class]. ``nearest`` has at least max(R) columns.
    """
    right = gallery_labels[nearest] == labels[:, None]
    ranks = np.arange(1, right.shape[1] + 1)
    precision = np.cumsum(right, axis=1) / ranks
    within = ranks <= relevant[:, None]
    return (precision * right * within).sum(axis=1) / relevant


class Retrieval(Task):
    """Images of the same class among those of a gallery, by the cosine similarity of embeddings.

    Labels are the classes that training draws together; those of the evaluation may be others, so they are not the classes
    of Eq. (15) and the codec has no feature importance modules. Named as ``sc_sionna.tasks.retrieval:Retrieval`` it can be
    trained; a sweep of it is a UserError.
    """

    output = "embedding"
    score_name = "recall at 1"
    noise_loss = "retrieval"

    def heads(self) -> dict[str, layers.Layer]:
        """The embedding, whose weights are stored under ``embed``."""
        return {"embedding": EmbeddingHead(self.settings, name="embed")}

    def loss(self, outputs: dict[str, Any], targets: Tensor, label_smoothing: float) -> Tensor:
        """:func:`supervised_contrastive`."""
        return supervised_contrastive(outputs[self.output], targets)

    def score(self, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Recall at 1 with every other image as the gallery: 1 where the nearest one is of the same class, else 0."""
        nearest = nearest_others(predictions, predictions, 1, own=np.arange(len(predictions)))
        return hits_at(nearest, targets, targets, (1,))[1].astype(np.float32)
