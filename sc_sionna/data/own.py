"""A data set that a class of the user's own makes, named ``module:Class``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.core.plugins import make
from sc_sionna.data.common import Images


def load_own(name: str, split: str, data_dir: str | Path | None) -> Images:
    """What ``Class(data_dir)(split)`` gives, checked; the images bear the name of the setting.

    Parameters
    ----------
    name
        ``module:Class``, of a module that the user has allowed.
    split
        ``train``, ``val`` or ``test``; that no image is in two of them is the class's to see to.
    data_dir
        Handed to the class, None where the user gave none.

    Raises
    ------
    UserError
        A class that cannot be imported or built, and what is not one split of square uint8 images with their labels.
    """
    given: Any = make(name, {}, "dataset", data_dir)(split)
    if not isinstance(given, Images):
        raise UserError(f"dataset = {name!r}: gave {type(given).__name__} for {split!r}; return sc_sionna.data.Images")
    pixels, labels, classes = np.asarray(given.pixels), np.asarray(given.labels), tuple(given.classes)
    square = pixels.ndim == 4 and pixels.shape[1] == pixels.shape[2] and pixels.shape[3] == 3
    if pixels.dtype != np.uint8 or not square or len(pixels) == 0:
        raise UserError(
            f"dataset = {name!r}: gave pixels of {pixels.dtype} {list(pixels.shape)} for {split!r}; uint8 [M, H, H, 3] is "
            "wanted, with at least one image"
        )
    if labels.dtype.kind not in "iu" or labels.shape != pixels.shape[:1]:
        raise UserError(
            f"dataset = {name!r}: gave labels of {labels.dtype} {list(labels.shape)} for {len(pixels)} images of {split!r}; "
            "a whole number for each image is wanted"
        )
    if labels.min() < 0 or labels.max() >= len(classes):
        raise UserError(
            f"dataset = {name!r}: gave labels from {labels.min()} to {labels.max()} for {split!r}, and the names of "
            f"{len(classes)} classes; label a class by its place among the names"
        )
    return Images(name, split, pixels, labels.astype(np.int32), classes)
