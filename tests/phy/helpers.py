"""What the tests of the physical layer share."""

from __future__ import annotations

from typing import Any

import numpy as np

from sc_sionna.settings import LinkSettings


def settings(**values: Any) -> LinkSettings:
    return LinkSettings(**values)


def random_bits(batch: int, payload: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (batch, payload))


def seed(a: int, b: int = 0) -> np.ndarray:
    return np.array([a, b], np.int32)
