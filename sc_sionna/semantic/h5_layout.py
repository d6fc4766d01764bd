"""The HDF5 file of weights, written plainly and looked through before it is read.

HDF5 can do more than hold arrays: link to other files, compress a gigabyte into a kilobyte, state arrays that were never
written. Weights use none of that, so a file that does is refused, and nothing that is read can be larger than its file.
"""

from __future__ import annotations

import io
import math
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import SemanticCodec

Array = tuple[tuple[int, ...], str]  # shape and dtype
MAX_DEPTH = 32  # of groups; a codec's layers are nested 6 deep
REMEDY = "restore or train it"


def half_precision(model: SemanticCodec, scratch: Path) -> bytes:
    """The file of a model's weights with float32 as float16; ``scratch`` is a folder that is made and removed.

    Raises
    ------
    UserError
        The scratch folder cannot be written, or its disk is full.
    """
    full = scratch / "full.weights.h5"
    buffer = io.BytesIO()
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # what a killed one left
        scratch.mkdir()
        model.save_weights(full)
        with h5py.File(full, "r") as old, h5py.File(buffer, "w") as new:
            _copy(old, new)
    except (OSError, RuntimeError, ValueError) as error:  # HDF5 has its own words for a full disk
        reason = getattr(error, "strerror", None) or _first_line(error)
        raise UserError(
            f"{scratch.parent}: cannot be written ({reason}); free space or choose another folder"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return buffer.getvalue()


def _copy(old: h5py.File, new: h5py.File) -> None:
    def copy(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            value = item[()]
            half = value.astype(np.float16) if value.dtype == np.float32 else value
            new.create_dataset(name, data=half).attrs.update(item.attrs)
        else:
            new.require_group(name).attrs.update(item.attrs)

    new.attrs.update(old.attrs)
    old.visititems(copy)


def plain_arrays(path: Path) -> list[Array]:
    """Shape and dtype of every array of an HDF5 file, from its headers alone.

    Raises
    ------
    UserError
        The file is not HDF5, or holds links, filters, types other than numbers, or arrays that are kept elsewhere, were
        never written or overlap.
    """
    found: list[Array] = []
    try:
        with h5py.File(path, "r") as file:
            _visit(file, file.name, found, set(), MAX_DEPTH)
        size = path.stat().st_size
        if sum(math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in found) > size:
            raise ValueError(f"its arrays are larger than its {size} bytes")
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise UserError(f"{path}: not a plain file of weights ({_first_line(error)}); {REMEDY}") from None
    return found


def numbers_in(arrays: list[Array]) -> int:
    """How many numbers the arrays hold."""
    return sum(math.prod(shape) for shape, _ in arrays)


def _visit(group: h5py.Group, place: str, found: list[Array], seen: set[tuple[int, int]], depth: int) -> None:
    if depth == 0:
        raise ValueError(f"groups within groups, deeper than {MAX_DEPTH}")
    for name in group:
        where = f"{place.rstrip('/')}/{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{where} is a link")
        item = group[name]
        info = h5py.h5o.get_info(item.id)
        if (info.fileno, info.addr) in seen:  # a second name would let few bytes stand for many, or a group hold itself
            raise ValueError(f"{where} is a second name of another entry")
        seen.add((info.fileno, info.addr))
        if isinstance(item, h5py.Group):
            _visit(item, where, found, seen, depth - 1)
        elif isinstance(item, h5py.Dataset):
            found.append(_plain(item, where))
        else:
            raise ValueError(f"{where} is neither a group nor an array")


def _plain(item: h5py.Dataset, where: str) -> Array:
    created = item.id.get_create_plist()
    if created.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS) or created.get_nfilters():
        raise ValueError(f"{where} is compressed or in pieces")
    if created.get_external_count():
        raise ValueError(f"{where} is kept in another file")
    if item.shape is None or item.dtype.kind not in "fiub":
        raise ValueError(f"{where} is no array of numbers")
    if item.id.get_storage_size() != item.nbytes:
        raise ValueError(f"{where} was never written whole")
    return tuple(item.shape), item.dtype.name


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
