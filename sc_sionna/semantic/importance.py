"""The feature importance module, FIM (Sec. IV-A, Eq. (13) to (16); its ancestor: Bai et al. 2021, arXiv:2103.08307)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.semantic.masking import scatter_kept


class FeatureImportance(layers.Layer):
    """Learns how important each patch position's feature is and re-weights the feature map with it.

    ``call(tokens [B, N, M], keep [B, N], snr_db [B], labels [B] or None)`` returns

    * the re-weighted tokens w_n f_n ``[B, N, M]``,
    * the class scores p^l before the softmax of Eq. (15) ``[B, C]``, whose cross entropy is the term of Eq. (16),
    * the weights w_n ``[B, N]``.

    Features are bound to the P patch positions, so that masking and importance combine: feature n is the token at
    position n, and where nothing is sent it is zero. Eq. (13) is the mean of a token over its M entries.

    The auxiliary network. Eq. (14) reads one column of W^l per feature, so no layer may mix features before W^l. "FC
    layers and ReLU" is therefore read as a stage of its own for each feature, a_n = ReLU(α_n f̂_n + ν_n μ + β_n), with the
    SNR μ = snr_db / 10 as second input, followed by the one fully-connected layer W^l ``[C, P + 1]`` on [μ, a_1 ... a_P].

    The weights. ``importance="mean"`` is Eq. (14), ŵ_n = mean over the classes c of w_n(c): the same for every image, so
    both ends know it. The softmax of Eq. (15) is blind to a number added to all classes, hence the cross entropy of
    Eq. (16) has no gradient along that mean: it is the task's loss, through the re-weighted tokens, that trains ŵ.
    ``importance="class"`` takes the row of the predicted class instead, the ancestor's rule; the true label replaces
    the prediction only if it is given *and* the call is in training mode, never at test.

    Deviation: the paper's softmax over N features shrinks each of them about N-fold. Here it runs over the P positions
    and is multiplied by P, so the mean weight is 1, and a fresh FIM changes little.

    Arithmetic is float32 under every precision policy.
    """

    def __init__(self, num_patches: int, num_classes: int, importance: str = "mean", **kwargs: Any) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.num_patches = num_patches
        self.by_class = importance == "class"
        self.matrix = layers.Dense(num_classes, use_bias=False, dtype="float32", name="scores")  # its kernel is W^l, T

    def build(self, *_: Any) -> None:
        """Create the trainable values of every patch position and the matrix of class scores."""
        shape = (self.num_patches,)
        self.scale = self.add_weight(shape=shape, initializer="ones", name="scale")
        self.snr_gain = self.add_weight(shape=shape, initializer="zeros", name="snr_gain")
        self.offset = self.add_weight(shape=shape, initializer="zeros", name="offset")
        self.matrix.build((None, self.num_patches + 1))

    def table(self) -> Tensor:
        """The weights of all positions by row of W^l: ``[C, P]`` of mean 1, or their one row ``[1, P]`` of Eq. (14)."""
        rows = ops.transpose(ops.convert_to_tensor(self.matrix.kernel)[1:])  # [C, P]
        if not self.by_class:
            rows = ops.mean(rows, axis=0, keepdims=True)  # Eq. (14)
        return self.num_patches * keras.activations.softmax(rows, axis=-1)

    def scores(self, tokens: Tensor, keep: Tensor, snr_db: Tensor) -> Tensor:
        """p^l before its softmax: ``[B, C]``."""
        snr = ops.reshape(ops.cast(snr_db, "float32") / 10.0, (-1, 1))
        pooled = ops.mean(tokens, axis=-1)  # Eq. (13): [B, N]
        scale, gain, offset = (ops.take(v, keep, axis=0) for v in (self.scale, self.snr_gain, self.offset))
        active = ops.relu(scale * pooled + gain * snr + offset)
        placed = scatter_kept(active[..., None], keep, ops.zeros((1,)), self.num_patches)[..., 0]  # [B, P]
        return self.matrix(ops.concatenate([snr, placed], axis=-1))  # Eq. (15): W f̂, whose softmax is p^l

    def call(
        self, tokens: Tensor, keep: Tensor, snr_db: Tensor, labels: Tensor | None = None, training: bool | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The weights are those of the true class in training, else of the predicted one."""
        tokens = ops.cast(tokens, "float32")
        scores = self.scores(tokens, keep, snr_db)
        row = ops.cast(labels, "int32") if training and labels is not None else ops.argmax(scores, axis=-1)
        row = row if self.by_class else ops.zeros_like(row)
        weights = ops.take_along_axis(ops.take(self.table(), row, axis=0), keep, axis=1)
        return tokens * weights[..., None], scores, weights


def sent_features(weights: Tensor, threshold: float) -> Tensor:
    """Which of the kept features are sent, bool ``[B, N]``: weight at least the threshold; the largest one always."""
    return ops.greater_equal(weights, ops.minimum(threshold, ops.max(weights, axis=-1, keepdims=True)))


def candidate_positions(tables: Sequence[np.ndarray], threshold: float, num_patches: int) -> np.ndarray:
    """Positions whose weight reaches the threshold in every FIM, for some class: int32, increasing.

    tables : the FIMs' :meth:`FeatureImportance.table`, each ``[C or 1, P]``. They do not depend on the image, so both ends
        know the positions without side information. UserError where there is none.
    """
    largest = np.min([table.max(axis=0) for table in tables], axis=0) if tables else np.full(num_patches, np.inf)
    candidates = np.flatnonzero(largest >= threshold).astype(np.int32)
    if len(candidates) == 0:
        limit = math.floor(1000 * largest.max()) / 1000
        raise UserError(
            f"importance.threshold = {threshold:g}: sends nothing, the largest weight of a patch position is "
            f"{largest.max():.4g} (the mean is 1); set it to at most {limit:g}"
        )
    return candidates
