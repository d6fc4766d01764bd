"""The state of a training run between epochs: written atomically, without pickle, so that SIGKILL loses one epoch."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from sc_sionna.core.atomic import write_bytes
from sc_sionna.core.errors import UserError


def save(path: Path, model: keras.Model, optimizer: Any, state: dict[str, Any], best: list[np.ndarray] | None) -> None:
    """Model and optimiser variables, the best weights so far, and ``state`` (JSON) as one ``.npz``."""
    arrays = {f"model/{i}": keras.ops.convert_to_numpy(v.value) for i, v in enumerate(model.variables)}
    arrays |= {f"optimizer/{i}": keras.ops.convert_to_numpy(v.value) for i, v in enumerate(optimizer.variables)}
    arrays |= {f"best/{i}": value for i, value in enumerate(best or [])}
    buffer = io.BytesIO()
    np.savez(buffer, state=np.frombuffer(json.dumps(state).encode(), dtype=np.uint8), **arrays)
    write_bytes(path, buffer.getvalue())


def load_state(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """State and arrays of a checkpoint; UserError if the file is truncated or no checkpoint."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return json.loads(arrays.pop("state").tobytes()), arrays
    except Exception as error:  # zipfile, zlib and NumPy each raise their own kinds
        raise UserError(f"{path}: truncated or no checkpoint ({error}); delete it to train from the start") from None


def restore(variables: list[Any], arrays: dict[str, np.ndarray], group: str) -> None:
    """Assign the arrays of ``group`` to variables in order."""
    for i, variable in enumerate(variables):
        variable.assign(arrays[f"{group}/{i}"])
