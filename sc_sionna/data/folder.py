"""Local image folders ``DATA_DIR/NAME/SPLIT/CLASS/FILE``, the layout that any image-folder loader reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from sc_sionna.core.errors import UserError
from sc_sionna.data.common import Images, part_of_train

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm"}


def read_image(path: Path, image_size: int | None = None) -> np.ndarray:
    """One image as uint8 ``[H, H, 3]``; grey and palette images become RGB.

    Raises UserError for an empty, corrupt, non-square or wrong-sized file.
    """
    if path.stat().st_size == 0:
        raise UserError(f"{path}: an empty file (0 bytes), an image is expected; remove or replace it")
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: not a readable image ({error}); remove or replace it") from None
    height, width = pixels.shape[:2]
    wanted = image_size or height
    if (height, width) != (wanted, wanted):
        raise UserError(f"{path}: {height} x {width} pixels, {wanted} x {wanted} wanted; resize or remove it")
    return pixels


def load_folder(data_dir: Path, name: str, split: str, image_size: int | None = None) -> Images:
    """One split of an image folder; classes are the sorted folder names of ``train``.

    ``val`` is 10 % of every class of the ``train`` folder, held out by a fixed seed; ``test`` is the folder ``test``, or
    ``val`` where the data set calls its test part so.
    """
    root = data_dir / name
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; the layout is DATA_DIR/NAME/SPLIT/CLASS/FILE, check --data-dir")
    folder = root / "train"
    if split == "test":
        folder = root / "test" if (root / "test").is_dir() else root / "val"
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; the layout is DATA_DIR/NAME/SPLIT/CLASS/FILE")
    classes = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir()))
    paths: list[Path] = []
    labels: list[int] = []
    for label, class_name in enumerate(classes):
        files = sorted(p for p in (folder / class_name).iterdir() if p.suffix.lower() in SUFFIXES)
        paths += files
        labels += [label] * len(files)
    if not paths:
        raise UserError(f"{folder}: no images in it (looked for {', '.join(sorted(SUFFIXES))} in class folders)")
    all_labels = np.array(labels, dtype=np.int32)
    chosen = np.arange(len(paths)) if split == "test" else part_of_train(all_labels, split)
    first = read_image(paths[int(chosen[0])], image_size)
    pixels = np.empty((len(chosen), *first.shape), dtype=np.uint8)
    for row, position in enumerate(chosen):
        pixels[row] = read_image(paths[int(position)], len(first))
    return Images(name, split, pixels, all_labels[chosen], classes)
