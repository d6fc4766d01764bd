"""How much of an image a payload of indices carries, beyond the class that the receiver makes of it.

A code that repeats the number of the class classifies well and says nothing else about the image. Three numbers tell it
from one that carries content: different indices in an image, the entropy of an index once its position and the predicted
class are known, and the share of the features' variance that lies within images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

COLLAPSED_ENTROPY_BITS = 0.5
COLLAPSED_SHARE_DISTINCT = 1 / 8


def distinct_indices(indices: np.ndarray) -> float:
    """Mean number of different indices in an image's payload ``[M, N]``, between 1 and N."""
    ordered = np.sort(indices, axis=1)
    return float(1.0 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1).mean())


def conditional_entropy(indices: np.ndarray, positions: np.ndarray, classes: np.ndarray) -> float:
    """H(index | position, predicted class) in bits, the mean over all indices sent.

    indices, positions : int ``[M, N]``: what was sent, and the patch position that it stands for
    classes : int ``[M]``: the class that the receiver predicts for each image

    The entropy of the counted frequencies within each pair (position, class), plus Miller and Madow's correction
    (K - 1) / (2 n ln 2) bits for K indices seen among n, weighted by n. Counted frequencies underestimate entropy; the
    correction takes the term of order 1/n away, and what is left still errs downwards where n is not well above the number
    of indices in use: a pair of n samples cannot show more than log2 n bits.
    """
    pair = (classes[:, None].astype(np.int64) * (positions.max() + 1) + positions).ravel()
    size = int(indices.max()) + 1
    cells, counts = np.unique(pair * size + indices.ravel(), return_counts=True)
    pairs = cells // size
    _, start, seen = np.unique(pairs, return_index=True, return_counts=True)  # K of each pair
    total = np.add.reduceat(counts, start)  # n of each pair
    # Σ_pairs (n/M) (-Σ p log2 p + (K-1) / (2 n ln 2)) with p = counts / n
    plug_in = (total * np.log2(total)).sum() - (counts * np.log2(counts)).sum()
    return float((plug_in + ((seen - 1) / (2 * np.log(2))).sum()) / counts.sum())


def variance_within(features: np.ndarray) -> float:
    """Share of the variance of features ``[M, N, D]`` that lies within images, in [0, 1]; 0 where they are all equal.

    The total is the mean squared distance to the mean of all features, the part within images to that of the image's own.
    """
    features = np.asarray(features, np.float64)
    within = np.square(features - features.mean(axis=1, keepdims=True)).mean()
    total = np.square(features - features.mean(axis=(0, 1), keepdims=True)).mean()
    return float(within / total) if total > 0 else 0.0


def payload_content(indices: np.ndarray, positions: np.ndarray, classes: np.ndarray) -> dict[str, Any]:
    """The numbers of a set of payloads ``[M, N]``, and whether they say that the code has collapsed.

    It has where an index keeps less than half a bit once position and predicted class are known, or where an image's N
    indices are fewer than N/8 different ones.
    """
    distinct = distinct_indices(indices)
    entropy = conditional_entropy(indices, positions, classes)
    collapsed = entropy < COLLAPSED_ENTROPY_BITS or distinct < COLLAPSED_SHARE_DISTINCT * indices.shape[1]
    return {"distinct_indices": distinct, "index_entropy_bits": entropy, "collapsed": collapsed}
