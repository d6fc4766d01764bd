"""A batch in parts whose gradients are computed side by side: what keeps two cores busy with small matrices.

Threads within an operation meet after every one of its thousands of short operations; parts of a batch meet once a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.core.backend import BACKEND
from sc_sionna.core.errors import UserError

Gradients = Callable[..., tuple[Any, Any, list[Any]]]


def in_parts(gradients_of: Gradients, workers: int) -> Gradients:
    """``gradients_of`` over the ``workers`` parts of its inputs at once: the same means and gradients to rounding.

    gradients_of : ``(*inputs [B, ...] or None) -> (named means, indices or None, features), finite, gradients``; the
        gradients are those of a mean over the batch, and zero where ``finite`` is 0

    PyTorch alone, which gives the interpreter free during an operation; TensorFlow spreads its graph over cores itself.
    """
    if workers == 1:
        return gradients_of
    if BACKEND != "torch":
        raise UserError(
            f"workers = {workers}: parts of a batch run side by side under KERAS_BACKEND=torch; leave it at 1"
        )
    pool = ThreadPoolExecutor(workers)

    def combined(*inputs: Any) -> tuple[Any, Any, list[Any]]:
        count = len(inputs[0])
        number = min(workers, count)
        split: list[list[Any]] = [[None] * number if x is None else np.array_split(x, number) for x in inputs]
        shares = [len(part) / count for part in split[0]]
        found = list(pool.map(gradients_of, *split))
        finite = 1.0
        for _, part_finite, _ in found:
            finite = finite * part_finite

        def mean(values: Sequence[Any]) -> Any:
            return sum(share * value for share, value in zip(shares, values, strict=True))

        gradients = [
            None if parts[0] is None else finite * mean(parts) for parts in zip(*(g for *_, g in found), strict=True)
        ]
        terms, indices, features = zip(*(aux for aux, *_ in found), strict=True)
        aux = (
            {name: mean([part[name] for part in terms]) for name in terms[0]},
            None if indices[0] is None else ops.concatenate(indices, axis=0),
            ops.concatenate(features, axis=0),
        )
        return aux, finite, gradients

    return combined
