"""What every data set returns, and the fixed validation split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError

SPLIT_SEED = 2022  # fixed for ever: a changed split would leak test images into trained weights
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Images:
    """Square RGB images ``pixels`` uint8 ``[M, H, H, 3]``, ``labels`` int32 ``[M]`` and the class names."""

    name: str
    split: str
    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> int:
        """Height and width of an image in pixels."""
        return int(self.pixels.shape[1])

    def mean_image(self) -> np.ndarray:
        """The mean of all images, uint8 ``[H, H, 3]``."""
        return np.round(self.pixels.mean(axis=0)).astype(np.uint8)

    def head(self, count: int | None) -> Images:
        """The first ``count`` images in a fixed shuffled order, so that a part still holds every class."""
        return self if count is None or count >= len(self) else self.shuffled(count)

    def shuffled(self, count: int | None = None) -> Images:
        """In that order always: image folders come class by class, and a sweep may stop before its last batch."""
        chosen = rng.generator(SPLIT_SEED, self.name, self.split, "head").permutation(len(self))[:count]
        return Images(self.name, self.split, self.pixels[chosen], self.labels[chosen], self.classes)

    def sha256(self) -> str:
        """Names the pixels and labels, so that a record or a store is not continued on other images."""
        return hashlib.sha256(self.pixels.tobytes() + self.labels.tobytes()).hexdigest()


def to_float(pixels: np.ndarray) -> np.ndarray:
    """uint8 pixels to float32 in [0, 1]."""
    return pixels.astype(np.float32) / 255.0


def validation_positions(labels: np.ndarray, share: float = VALIDATION_SHARE) -> np.ndarray:
    """Positions of the validation part: the same share of every class, drawn once with a fixed seed, sorted."""
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = rng.generator(SPLIT_SEED, "validation", int(label)).permutation(len(members))
        chosen.append(members[order[: round(share * len(members))]])
    return np.sort(np.concatenate(chosen))


def check_validation_share(labels: np.ndarray, classes: tuple[str, ...], where: str) -> None:
    """UserError for a class of which the validation split would hold no image.

    labels : of the training folder, ``[M]``; classes : names by label; where : the folder, for the message
    """
    counts = np.bincount(labels, minlength=len(classes))
    least = next(count for count in range(1, 10**6) if round(VALIDATION_SHARE * count) > 0)
    short = np.flatnonzero(counts < least)
    if len(short):
        raise UserError(
            f"{where}: class {classes[short[0]]!r} has {counts[short[0]]} images; the validation split takes "
            f"{100 * VALIDATION_SHARE:g} % of every class, so at least {least} are needed; add images or remove the class"
        )


def part_of_train(labels: np.ndarray, split: str) -> np.ndarray:
    """Positions of ``train`` or ``val`` within a public training set."""
    held_out = validation_positions(labels)
    return held_out if split == "val" else np.setdiff1d(np.arange(len(labels)), held_out)
