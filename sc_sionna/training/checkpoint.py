"""The state of a training run between epochs: one file, replaced atomically, so that SIGKILL loses one epoch.

It holds the model, the optimiser, the best weights so far, and as JSON the inputs of the run, where it stands and the whole
log. Nothing is unpickled. A file from elsewhere can be no larger in memory than on disk, and has to fit the model.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from pydantic import Field

from sc_sionna.core import strict_json
from sc_sionna.core.atomic import write_bytes
from sc_sionna.core.errors import UserError
from sc_sionna.settings import Settings
from sc_sionna.settings.training import MAX_EPOCHS

FORMAT = 2
SPACE_OF_STATE = 2**26  # bytes for inputs and log, beside the arrays
REMEDY = "use --fresh to train from the start"


class State(Settings):
    """Where a run stands; written as JSON beside the arrays."""

    format: Literal[2] = Field(description="the version of the checkpoint")
    inputs: dict[str, Any] = Field(description="everything that the weights follow from")
    stage: int = Field(ge=0, le=16, description="how many stages have ended")
    epoch: int = Field(ge=0, le=MAX_EPOCHS, description="how many epochs of the present stage have ended")
    best_metric: float | None = Field(ge=-1e30, le=1e30, description="the best validation of the present or last stage")
    best_content: dict[str, Any] = Field(description="what the payload carried then")
    seconds: float = Field(ge=0, le=1e10, description="the time spent so far")
    log: tuple[dict[str, Any], ...] = Field(description="a line for each epoch of all stages")


def save(
    path: Path, model: keras.Model, optimizer: Any | None, state: dict[str, Any], best: list[np.ndarray] | None
) -> None:
    """Model and optimiser variables, the best weights so far, and ``state`` (see :class:`State`) as one ``.npz``.

    optimizer : None between stages, each of which has its own
    """
    arrays = {f"model/{i}": keras.ops.convert_to_numpy(v.value) for i, v in enumerate(model.variables)}
    for i, v in enumerate(optimizer.variables if optimizer is not None else []):
        arrays[f"optimizer/{i}"] = keras.ops.convert_to_numpy(v.value)
    arrays |= {f"best/{i}": value for i, value in enumerate(best or [])}
    buffer = io.BytesIO()
    np.savez(buffer, state=np.frombuffer(json.dumps(state, allow_nan=False).encode(), dtype=np.uint8), **arrays)
    write_bytes(path, buffer.getvalue())


def load(path: Path, model: keras.Model) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """State and arrays of a checkpoint of ``model``, whose size bounds what is read; UserError as :func:`read`."""
    return read(path, 16 * sum(math.prod(v.shape) * 8 for v in model.variables) + SPACE_OF_STATE)


def read(path: Path, limit: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """State (see :class:`State`) and arrays of a checkpoint of at most ``limit`` bytes.

    Raises
    ------
    UserError
        The file is truncated, altered, of another version, larger or no checkpoint.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise ValueError(f"{size} bytes, at most {limit} for this codec")
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len({info.filename for info in members}) < len(members):
                raise ValueError("an array occurs twice")
            arrays = {info.filename.removesuffix(".npy"): _array(archive, info) for info in members}
        state = State.from_stored(strict_json.loads(arrays.pop("state").tobytes()))
    except Exception as error:  # zipfile, zlib, struct and NumPy each raise their own kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: truncated or no checkpoint of this version ({reason}); {REMEDY}") from None
    return state.model_dump(), arrays


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """One array, whose header is held against its size in the archive before it is read; reading checks its CRC."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename!r} is compressed")
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read_header(file)
        if dtype.kind not in "fiub" or (by_column and len(shape) > 1):
            raise ValueError(f"{info.filename!r} is no plain array of numbers")
        if file.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ValueError(f"{info.filename!r} states another size than it has")
        return np.frombuffer(file.read(), dtype).reshape(shape)


def restore(path: Path, variables: Sequence[Any], arrays: dict[str, np.ndarray], group: str) -> None:
    """Assign the arrays of ``group`` to variables in order.

    Raises
    ------
    UserError
        They are not the variables' in number, shape, type, or not finite; ``path`` is the file that the error names.
    """
    found = group_of(arrays, group)
    wrong = len(found) != len(variables) or any(
        value.shape != tuple(variable.shape) or value.dtype.name != variable.dtype
        for value, variable in zip(found, variables, strict=True)
    )
    if wrong or not all(np.isfinite(value).all() for value in found):
        raise UserError(
            f"{path}: {group!r} holds other arrays than this codec, or numbers that are not finite; {REMEDY}"
        )
    for value, variable in zip(found, variables, strict=True):
        variable.assign(value)


def group_of(arrays: dict[str, np.ndarray], group: str) -> list[np.ndarray]:
    """The arrays of one group, in order."""
    count = sum(name.startswith(f"{group}/") for name in arrays)
    return [arrays[name] for i in range(count) if (name := f"{group}/{i}") in arrays]
