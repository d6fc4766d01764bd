"""A scheme and an attack from outside the package, as a user would write them: nothing else knows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.phy.budget import Budget, digital_budget
from sc_sionna.phy.link import DigitalLink
from sc_sionna.schemes import AirSurface, Batch, SchemeSpec, Surroundings

BITS, REPEATS = 4, 16  # a class out of ten, said again and again


class NearestMean:
    """Classifies at the transmitter by the nearest mean training image and sends the class."""

    gradient, payload = "none", "label"
    over_the_air = trained = random = False
    changeable = ()

    def __init__(self, name: str, link: DigitalLink, means: np.ndarray) -> None:
        self.name, self.link, self.means = name, link, means

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> NearestMean:
        train = load(surroundings.preset, "train")
        images = to_float(train.pixels)
        means = [images[train.labels == label].mean(axis=0) for label in range(len(train.classes))]
        return cls(spec.label, DigitalLink(surroundings.link, BITS * REPEATS), np.stack(means))

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        distances = ((batch.images[:, None] - self.means) ** 2).sum(axis=(2, 3, 4))
        return distances.argmin(axis=1)

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        word = (self.error_free_predictions(batch, snr_db)[:, None] >> np.arange(BITS)) & 1  # -> [B, 4]
        bits = np.tile(word, (1, REPEATS)).astype(np.int32)  # -> [B, 64]
        received = self.link(bits, snr_db, batch.link_seed(snr_db), interference=interference)
        votes = np.asarray(received.bits).reshape(len(bits), REPEATS, BITS).mean(axis=1) > 0.5
        return {"predictions": (votes << np.arange(BITS)).sum(axis=1)}

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        return {"images": len(batch.labels), "correct": int((outputs["predictions"] == batch.labels).sum())}

    def budget(self, images: np.ndarray) -> Budget:
        return digital_budget(self.link.framing, float(BITS * REPEATS))

    def victim(self) -> Any:
        raise UserError(f"{self.name}: the nearest mean has no gradient")

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Any]:
        return {}

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        raise UserError(f"{self.name}: the nearest mean has no gradient at the receiver")

    def forget(self) -> None:
        pass


class Grey:
    """Mixes every image with grey; ``share`` 1 leaves nothing of it."""

    def __init__(self, victim: Any, share: float) -> None:
        self.share = share

    def __call__(self, images: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return (1.0 - self.share) * images + np.float32(0.5 * self.share)
