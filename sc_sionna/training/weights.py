"""Weights on disk: ``NAME.weights.h5`` in half precision beside ``NAME.json`` with settings, metric and SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sc_sionna.atomic import write_text
from sc_sionna.config import Preset
from sc_sionna.errors import UserError
from sc_sionna.semantic.codec import SemanticCodec

PACKAGED = Path(__file__).parent.parent / "weights"
FORMAT = 1


def weights_name(preset: str, system: str) -> str:
    return f"{preset}-{system}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _to_half(source: Path, target: Path) -> None:
    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                value = item[()]
                half = value.astype(np.float16) if value.dtype == np.float32 else value
                new.create_dataset(name, data=half).attrs.update(item.attrs)
            else:
                new.require_group(name).attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)


def save_weights(folder: Path, preset: Preset, model: SemanticCodec, metric: dict[str, Any], command: str) -> Path:
    """Write weights and their description; each file is replaced atomically, the description last."""
    folder.mkdir(parents=True, exist_ok=True)
    name = weights_name(preset.name, preset.system)
    path = folder / f"{name}.weights.h5"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        full, half = Path(scratch) / "full.weights.h5", Path(scratch) / "half.weights.h5"
        model.save_weights(full)
        _to_half(full, half)
        digest = _sha256(half)
        os.replace(half, path)
    description = {
        "format": FORMAT,
        "preset": preset.model_dump(),
        "metric": metric,
        "command": command,
        "sha256": digest,
    }
    write_text(folder / f"{name}.json", json.dumps(description, indent=2) + "\n")
    return path


def read_description(folder: Path | None, preset_name: str, system: str) -> tuple[Preset, dict[str, Any]]:
    """Settings and description of stored weights, in ``folder`` or (None) the package's.

    UserError if they are missing, truncated, of another version or altered.
    """
    folder = folder or PACKAGED
    name = weights_name(preset_name, system)
    described, path = folder / f"{name}.json", folder / f"{name}.weights.h5"
    if not described.is_file() or not path.is_file():
        raise UserError(
            f"weights {name!r}: not in {folder}; train them with "
            f"`python -m sc_sionna train {preset_name} --system {system}`"
        )
    try:
        description = json.loads(described.read_text())
        version = description["format"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(f"{described}: truncated or not a weights description ({error}); restore or train it") from None
    if version != FORMAT:
        raise UserError(f"{described}: format {version}, this version reads {FORMAT}; train the weights again")
    if _sha256(path) != description["sha256"]:
        raise UserError(f"{path}: SHA-256 differs from {described.name} (truncated or altered); restore or train it")
    return Preset(**description["preset"]), description


def load_codec(preset_name: str, system: str, folder: Path | None = None) -> tuple[SemanticCodec, Preset]:
    """A codec with stored weights and the settings that it was trained with; ``folder`` defaults to the package's."""
    preset, _ = read_description(folder, preset_name, system)
    model = SemanticCodec(preset.codec).initialise()
    model.load_weights((folder or PACKAGED) / f"{weights_name(preset_name, system)}.weights.h5")
    return model, preset
