"""Data sets: real images with fixed train / validation / test splits that never leak."""

from __future__ import annotations

from pathlib import Path

from sc_sionna.core.errors import UserError
from sc_sionna.data.cifar10 import load_cifar10
from sc_sionna.data.common import Images
from sc_sionna.data.digits import load_digits_images
from sc_sionna.data.folder import load_folder
from sc_sionna.data.own import load_own

__all__ = ["DATASETS", "Images", "load"]

DATASETS = ("digits", "cifar10")


def load(name: str, split: str, data_dir: str | Path | None = None, image_size: int | None = None) -> Images:
    """Images of one split of a data set.

    name: one of ``DATASETS``, or with ``data_dir`` any image folder ``data_dir/NAME/SPLIT/CLASS/FILE``; or ``module:Class``
        of the user's own, see :mod:`sc_sionna.data.own`.
    split: ``train``, ``val`` (held out of the training set, chooses checkpoints) or ``test`` (reported figures only).
    image_size: the side that every image must have; None accepts the first image's.

    Raises UserError for an unknown data set or split, and for files that cannot be used.
    """
    if split not in ("train", "val", "test"):
        raise UserError(f"split = {split!r}: unknown; choose train, val or test")
    if ":" in name:
        images = load_own(name, split, data_dir)
    elif name == "digits" and data_dir is None:
        images = load_digits_images(split)
    elif data_dir is not None:
        images = load_folder(Path(data_dir), name, split, image_size)
    elif name == "cifar10":
        images = load_cifar10(split)
    else:
        raise UserError(
            f"dataset = {name!r}: unknown; built in are {', '.join(DATASETS)}, or give --data-dir with a folder {name}/"
        )
    if image_size is not None and images.size != image_size:
        raise UserError(
            f"dataset = {name!r}: images of {images.size} x {images.size} pixels, the preset wants {image_size} x "
            f"{image_size}; resize them or choose another preset"
        )
    return images
