"""Local image folders ``DATA_DIR/NAME/SPLIT/CLASS/FILE``, the layout that any image-folder loader reads.

The class folders of ``train``, sorted by name, are the label space of every split: a split that lacks a class keeps the
labels of the others, one that has a class more is refused. Folders whose names begin with ``.``, ``_`` or ``@`` are no
classes (system folders). Beside the class folders only files without an image's suffix may lie (lists, licences); they are
not read. In a class folder every file is read, or refused by name: an unknown suffix, a folder within a class, a link to
nothing. Hidden files and the system's own (``Thumbs.db``, ``desktop.ini``) are left out. Suffixes are compared in lower
case. What becomes of a file's properties is in :mod:`sc_sionna.data.picture`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.data.common import Images, check_validation_share, part_of_train
from sc_sionna.data.picture import SUFFIXES, read_image

MAX_IMAGES = 2_000_000  # of a split
MAX_BYTES = 8 * 2**30  # of a split's decoded pixels, which are kept in memory
SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
LAYOUT = "the layout is DATA_DIR/NAME/SPLIT/CLASS/FILE"
_NAME = re.compile(r"\w[\w.+-]*")  # of a data set: a folder, never a path


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What a folder holds, sorted by name; UserError where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"{folder}: cannot be listed ({reason}); check the folder and its permissions") from None


def class_folders(folder: Path) -> tuple[str, ...]:
    """Names of the class folders of a split, sorted; UserError for a picture beside them, which has no class."""
    names = []
    for entry in _entries(folder):
        if entry.name[0] in "._@":
            continue
        if Path(entry.path).is_dir():
            names.append(entry.name)
        elif Path(entry.name).suffix.lower() in SUFFIXES:
            raise UserError(f"{entry.path}: an image beside the class folders; {LAYOUT}, move it into its class")
    return tuple(names)


def image_files(folder: Path) -> list[Path]:
    """The images of a class folder, sorted by name; UserError for anything else in it."""
    files = []
    for entry in _entries(folder):
        path = Path(entry.path)
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM_FILES:
            continue
        if path.is_dir():
            raise UserError(f"{path}: a folder within a class; {LAYOUT}, move its images up or remove it")
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(f"{path}: not an image by its suffix ({', '.join(sorted(SUFFIXES))}); remove or convert it")
        files.append(path)
        if len(files) > MAX_IMAGES:
            raise UserError(f"{folder}: more than {MAX_IMAGES} images, which is the most that are read; split it")
    return files


def split_folder(root: Path, split: str) -> Path:
    """The folder that a split is taken from: ``train``, or for ``test`` that folder, or ``val`` where there is none."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; {LAYOUT}, check --data-dir")
    folder = root / "train"
    if split == "test":
        folder = root / "test" if (root / "test").is_dir() else root / "val"
    for wanted in (folder, root / "train"):
        if not wanted.is_dir():
            why = "" if wanted == folder else ", and the class folders of train name the labels of every split"
            raise UserError(f"{wanted}: no such folder; {LAYOUT}{why}")
    return folder


def load_folder(data_dir: Path, name: str, split: str, image_size: int | None = None) -> Images:
    """One split of an image folder; classes are the sorted class folders of ``train``, whatever the split.

    ``val`` is 10 % of every class of the ``train`` folder, held out by a fixed seed; ``test`` is the folder ``test``, or
    ``val`` where the data set calls its test part so.

    Raises
    ------
    UserError for a folder or file that the rules above refuse, classes too small for the validation split, and more images
    than fit.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"dataset = {name!r}: a folder's name is wanted, of letters, digits, '.', '+', '-' and '_'")
    root = data_dir / name
    folder = split_folder(root, split)
    classes, present = class_folders(root / "train"), class_folders(folder)
    unknown = sorted(set(present) - set(classes))
    if unknown:
        raise UserError(
            f"{folder / unknown[0]}: a class that {root / 'train'} lacks, which names the labels of every split; remove it, "
            "or name it with a leading '_' if it is no class"
        )
    files = {class_name: image_files(folder / class_name) for class_name in present}
    paths = [path for class_name in classes for path in files.get(class_name, [])]
    if not paths:
        raise UserError(f"{folder}: no images in it (looked for {', '.join(sorted(SUFFIXES))} in class folders)")
    all_labels = np.repeat(np.arange(len(classes)), [len(files.get(c, [])) for c in classes]).astype(np.int32)
    if split != "test":
        check_validation_share(all_labels, classes, str(folder))
    chosen = np.arange(len(paths)) if split == "test" else part_of_train(all_labels, split)
    first = read_image(paths[int(chosen[0])], image_size)
    if len(chosen) * first.nbytes > MAX_BYTES:
        raise UserError(
            f"{folder}: {len(chosen)} images of {len(first)} x {len(first)} pixels take {len(chosen) * first.nbytes} bytes, "
            f"at most {MAX_BYTES} are read; use fewer or smaller images"
        )
    pixels = np.empty((len(chosen), *first.shape), dtype=np.uint8)
    for row, position in enumerate(chosen):
        pixels[row] = read_image(paths[int(position)], len(first))
    return Images(name, split, pixels, all_labels[chosen], classes)
