"""Semantic similarity of one image's features (Sec. IV-B): the loss of Eq. (17), and similar features sent once."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from sc_sionna.core.tensor import Tensor


def cosine_similarity(features: Tensor) -> Tensor:
    """FᵀF of the normalised features of each image: ``[B, N, D]`` to ``[B, N, N]``, float32."""
    features = ops.cast(features, "float32")
    unit = features * ops.rsqrt(ops.sum(ops.square(features), axis=-1, keepdims=True) + 1e-12)
    return ops.matmul(unit, ops.transpose(unit, (0, 2, 1)))


def similarity_loss(features: Tensor) -> Tensor:
    """L_s = −‖FᵀF‖ / N, mean over the images, Eq. (17): from −1, all features alike, to −1/√N, all orthogonal.

    The norm is Frobenius', which the paper's notation gives to matrices: the root of the summed squares of all
    similarities. The division by N, its largest value, keeps the weight of the term independent of the masking ratio.
    """
    similarity = cosine_similarity(features)
    return -ops.mean(ops.sqrt(ops.sum(ops.square(similarity), axis=(1, 2)))) / similarity.shape[-1]  # Eq. (17)


def first_similar(features: Tensor, delta: float, sent_mask: Tensor | None = None) -> Tensor:
    """Position of the feature that stands for each feature: int32 ``[B, N]``, n itself where feature n is sent.

    In order of n: a feature whose cosine similarity with an earlier *sent* feature exceeds ``delta`` is not sent, and the
    first such feature stands for it (Sec. IV-B1). Features out of ``sent_mask`` bool ``[B, N]`` stand for themselves alone.
    """
    count = features.shape[1]
    earlier = ops.convert_to_tensor(np.tril(np.ones((count, count), np.float32), -1))
    close = ops.cast(ops.stop_gradient(cosine_similarity(features)) > delta, "float32") * earlier  # [B, n, m < n]
    if sent_mask is not None:
        present = ops.cast(sent_mask, "float32")
        close = close * present[:, :, None] * present[:, None, :]

    def settle(_: Any, sent: Tensor) -> Tensor:
        return 1.0 - ops.minimum(ops.matmul(close, sent), 1.0)

    # after k rounds the first k decisions are final, since each depends on earlier ones alone
    sent = ops.fori_loop(0, count, settle, ops.ones_like(close[:, :, :1]))  # [B, N, 1]
    first = ops.cast(ops.argmax(close * ops.transpose(sent, (0, 2, 1)), axis=-1), "int32")
    return ops.where(sent[..., 0] > 0.5, ops.arange(count, dtype="int32")[None, :], first)


def repeat_bits(representatives: np.ndarray, sent_mask: np.ndarray | None = None) -> np.ndarray:
    """Side information of :func:`first_similar` in bits per image: int64 ``[B]``.

    One bit for each feature after the first says whether it is sent; one that is not is followed by its representative's
    number among the k features sent before it, ceil(log2 k) bits. Features out of ``sent_mask`` cost nothing here.
    """
    representatives = np.asarray(representatives)
    present = np.ones(representatives.shape, bool) if sent_mask is None else np.asarray(sent_mask, bool)
    own = (representatives == np.arange(representatives.shape[1])) & present
    sent_before = np.cumsum(own, axis=1) - own
    number = np.ceil(np.log2(np.maximum(sent_before, 1))).astype(np.int64)
    flags = np.maximum(present.sum(axis=1) - 1, 0)
    return flags + np.where(present & ~own, number, 0).sum(axis=1)
