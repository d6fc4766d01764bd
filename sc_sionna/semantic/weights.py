"""Weights on disk: ``NAME.weights.h5`` in half precision beside ``NAME.json`` with settings, metric and SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sc_sionna.core.atomic import make_folder, write_text
from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import CodecSettings, Preset

PACKAGED = Path(__file__).parent.parent / "weights"
FORMAT = 2
MakeCodec = Callable[[CodecSettings], SemanticCodec]


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
    make_folder(folder)
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


def has_weights(folder: Path | None, preset_name: str, system: str) -> bool:
    """Whether both files of stored weights are in ``folder`` or (None) the package's; they may still be damaged."""
    name = weights_name(preset_name, system)
    return all(((folder or PACKAGED) / f"{name}{suffix}").is_file() for suffix in (".json", ".weights.h5"))


def read_description(folder: Path | None, preset_name: str, system: str) -> tuple[Preset, dict[str, Any]]:
    """Settings and description of stored weights, in ``folder`` or (None) the package's.

    UserError if they are missing, truncated, of another version or altered.
    """
    folder = folder or PACKAGED
    name = weights_name(preset_name, system)
    if not has_weights(folder, preset_name, system):
        raise UserError(
            f"weights {name!r}: not in {folder}; train them with "
            f"`python -m sc_sionna train {preset_name} --system {system}`"
        )
    return _read(folder, name)


def _read(folder: Path, name: str) -> tuple[Preset, dict[str, Any]]:
    described, path = folder / f"{name}.json", folder / f"{name}.weights.h5"
    try:
        description = json.loads(described.read_text())
        version = description["format"]
        if version != FORMAT:
            raise UserError(f"{described}: format {version}, this version reads {FORMAT}; train the weights again")
        digest, settings = description["sha256"], dict(description["preset"])
    except UserError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{described}: truncated or not a weights description ({error}); restore or train it") from None
    if _sha256(path) != digest:
        raise UserError(f"{path}: SHA-256 differs from {described.name} (truncated or altered); restore or train it")
    return Preset(**settings), description


def load_codec(
    make_codec: MakeCodec,
    preset_name: str,
    system: str,
    folder: Path | None = None,
    changes: dict[str, Any] | None = None,
) -> tuple[SemanticCodec, Preset]:
    """A codec with stored weights and the settings that it was trained with; ``folder`` defaults to the package's.

    make_codec : makes the untrained codec of settings, with the head of its task
    changes : settings of the codec that differ from those in training; none that changes a weight's shape
    """
    preset, _ = read_description(folder, preset_name, system)
    preset = preset.with_(codec=preset.codec.with_(**(changes or {})))
    model = make_codec(preset.codec).initialise()
    model.load_weights((folder or PACKAGED) / f"{weights_name(preset_name, system)}.weights.h5")
    return model, preset


def warm_start(make_codec: MakeCodec, model: SemanticCodec, path: Path) -> int:
    """Take from stored weights every variable that ``model`` has under the same name and shape; returns how many.

    A scheme starts so from one that lacks its modules, or has others. UserError for weights that cannot be used, and where
    not even the encoder fits.
    """
    name = path.name.removesuffix(".weights.h5")
    described = path.parent / f"{name}.json"
    if not described.is_file():
        raise UserError(
            f"{path}: no {described.name} beside it, which says what the weights are; name packaged weights"
        )
    preset, _ = _read(path.parent, name)
    source = make_codec(preset.codec).initialise()
    source.load_weights(path)
    stored = {_place(v): v for v in source.variables}
    taken = 0
    for variable in model.variables:
        other = stored.get(_place(variable))
        if other is not None and tuple(other.shape) == tuple(variable.shape):
            variable.assign(other.value)
            taken += 1
    if taken < len(model.encoder.variables) // 2:
        raise UserError(
            f"{path}: only {taken} of {len(model.variables)} variables fit; start from weights of the same width and depth"
        )
    return taken


def _place(variable: Any) -> str:
    """Path of a variable below its model, whose own name may be numbered."""
    return str(variable.path).partition("/")[2]
