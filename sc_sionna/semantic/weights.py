"""Weights on disk: ``NAME.weights.h5`` in half precision beside ``NAME.json`` with every setting, metric and SHA-256.

Both files are data, and either may come from elsewhere: they are checked before they are believed. The description holds
every setting, since a default of today says nothing of a codec trained yesterday. The weights must be the numbers that
this description needs, laid out plainly, finite, and not larger than their file: nothing that is read can grow.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.core import strict_json
from sc_sionna.core.atomic import make_folder, remove_scratch, write_bytes, write_text
from sc_sionna.core.errors import UserError
from sc_sionna.core.lock import ProcessLock
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.semantic.h5_layout import REMEDY, half_precision, numbers_in, plain_arrays
from sc_sionna.settings import CodecSettings, Preset, settings_hash

PACKAGED = Path(__file__).parent.parent / "weights"
FORMAT = 2
MakeCodec = Callable[[CodecSettings], SemanticCodec]
FIELDS = ("format", "preset", "metric", "command", "sha256", "description_sha256")
MAX_DESCRIPTION = 2**24  # bytes; the noise energy of many patches is the longest setting


def weights_name(preset: str, system: str) -> str:
    """Stem of the files that hold the weights of a system trained under a preset."""
    return f"{preset}-{system}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex, whatever its size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_weights(folder: Path, preset: Preset, model: SemanticCodec, metric: dict[str, Any], command: str) -> Path:
    """Write weights and their description; each file is replaced atomically, the description last.

    Raises
    ------
    UserError
        The folder cannot be written, another process writes the same weights, or a weight is not finite in half precision:
        neither file is touched then.
    """
    make_folder(folder)
    name = weights_name(preset.name, preset.system)
    path, described = folder / f"{name}.weights.h5", folder / f"{name}.json"
    _refuse_non_finite(path, model, "train with a smaller learning rate", np.float16)
    lock = folder / f".{name}.lock"
    held = ProcessLock(lock, path, "training", "choose another --out")
    try:
        for file in (path, described):
            remove_scratch(file)
        content = half_precision(model, folder / f".{name}.scratch")
        description = sealed(
            {
                "format": FORMAT,
                "preset": preset.model_dump(),
                "metric": metric,
                "command": command,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
        write_bytes(path, content)
        write_text(described, json.dumps(description, indent=2, allow_nan=False) + "\n")
    finally:
        lock.unlink(missing_ok=True)  # at worst another one writes both files once more; each is whole at any moment
        held.release()
    return path


def sealed(description: dict[str, Any]) -> dict[str, Any]:
    """A description with the SHA-256 of all its other entries, which finds damage; it is no signature."""
    content = {name: value for name, value in description.items() if name != "description_sha256"}
    return content | {"description_sha256": settings_hash(content)}


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
    damaged = f"{described}: truncated or not a weights description"
    try:
        size = described.stat().st_size
        if size > MAX_DESCRIPTION:
            raise ValueError(f"{size} bytes, at most {MAX_DESCRIPTION}")
        description = strict_json.loads(described.read_bytes())
        version = description["format"]
        if version != FORMAT:
            raise UserError(
                f"{described}: format {str(version)[:20]}, this version reads {FORMAT}; train the weights again"
            )
        odd = sorted(set(FIELDS) ^ set(description))
        if odd:
            raise ValueError(f"{odd[0]!r} is {'missing' if odd[0] in FIELDS else 'unknown'}")
        dict(description["metric"])
        if sealed(description) != description:
            raise UserError(f"{described}: SHA-256 of its own entries differs (altered); {REMEDY}")
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{damaged} ({error}); {REMEDY}") from None
    try:
        preset = Preset.from_stored(description["preset"])
    except UserError as error:
        raise UserError(f"{damaged} ({error}); {REMEDY}") from None
    try:
        digest = file_digest(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from None
    if digest != description["sha256"]:
        raise UserError(f"{path}: SHA-256 differs from {described.name} (truncated or altered); {REMEDY}")
    return preset, description


def identity(preset: Preset, description: dict[str, Any]) -> str:
    """SHA-256 of what stored weights are, hex: every setting and the digest of the numbers.

    preset, description : from :func:`read_description`. Who continues work on these weights compares this; the metric and
        the command, which change no output, are left out.
    """
    return settings_hash({"preset": preset.model_dump(mode="json"), "weights": description["sha256"]})


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

    Raises
    ------
    UserError
        The files are missing, altered or of another version, or hold other numbers than the settings ask for, numbers that
        are not finite, or numbers that are compressed or kept in another file.
    """
    preset, _ = read_description(folder, preset_name, system)
    preset = preset.with_(codec=preset.codec.with_(**(changes or {})))
    path = (folder or PACKAGED) / f"{weights_name(preset_name, system)}.weights.h5"
    return _build(make_codec, preset, path), preset


def _build(make_codec: MakeCodec, preset: Preset, path: Path) -> SemanticCodec:
    """The codec of ``preset`` with the weights of ``path``, which are compared with it before anything is read."""
    stored = plain_arrays(path)
    # the description asks for a model of this size before its exact shapes are known: memory follows the file
    few = 8 * numbers_in(stored) + 2**24
    if preset.codec.num_weights > few:
        raise UserError(
            f"{path}: holds {numbers_in(stored)} numbers, its description asks for about {preset.codec.num_weights}; "
            f"{REMEDY}"
        )
    model = make_codec(preset.codec).initialise()
    wanted = Counter((tuple(v.shape), _stored_dtype(v.dtype)) for v in model.variables)
    found = Counter(stored)
    if wanted != found:
        shape, dtype = next(iter((found - wanted) or (wanted - found)))
        raise UserError(
            f"{path}: other numbers than its description asks for ({len(stored)} arrays for {len(model.variables)}; "
            f"{dtype} {list(shape)} {'is one too many' if found - wanted else 'is missing'}); {REMEDY}"
        )
    try:
        model.load_weights(path)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
    ) as error:  # h5py and Keras each raise their own kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: its arrays are not those of the codec's layers ({reason}); {REMEDY}") from None
    _refuse_non_finite(path, model, REMEDY)
    return model


def _stored_dtype(dtype: str) -> str:
    return "float16" if dtype == "float32" else dtype


def _refuse_non_finite(path: Path, model: SemanticCodec, remedy: str, as_type: Any = None) -> None:
    """UserError where a weight is NaN or infinite, ``as_type`` if given: half precision ends at 65,504."""
    for variable in model.variables:
        value = ops.convert_to_numpy(variable.value)
        if not np.issubdtype(value.dtype, np.floating):
            continue
        with np.errstate(over="ignore"):
            bad = np.count_nonzero(~np.isfinite(value if as_type is None else value.astype(as_type)))
        if bad:
            where = f"{place(variable)} {list(value.shape)}"
            limit = "" if as_type is None else f" of at most {np.finfo(as_type).max:g} in size"
            raise UserError(f"{path}: {bad} weights of {where} are not finite numbers{limit}; {remedy}")


def warm_start(make_codec: MakeCodec, model: SemanticCodec, path: Path) -> set[str]:
    """Take from stored weights every variable that ``model`` has under the same name and shape; returns their names.

    A scheme starts so from one that lacks its modules, or has others. UserError for weights that cannot be used, and where
    not even the encoder fits.
    """
    preset, _ = _described_beside(path)
    stored = {place(v): v for v in _build(make_codec, preset, path).variables}
    taken: set[str] = set()
    for variable in model.variables:
        other = stored.get(place(variable))
        if other is not None and tuple(other.shape) == tuple(variable.shape):
            variable.assign(other.value)
            taken.add(place(variable))
    if len(taken) < len(model.encoder.variables) // 2:
        raise UserError(
            f"{path}: only {len(taken)} of {len(model.variables)} variables fit; start from weights of the same "
            "width and depth"
        )
    return taken


def file_identity(path: Path) -> str:
    """:func:`identity` of the weights in a ``.weights.h5`` file with its description beside it."""
    return identity(*_described_beside(path))


def _described_beside(path: Path) -> tuple[Preset, dict[str, Any]]:
    name = path.name.removesuffix(".weights.h5")
    described = path.parent / f"{name}.json"
    if not path.is_file() or not described.is_file() or name == path.name:
        raise UserError(
            f"{path}: no {described.name} beside it, which says what the weights are; name packaged weights, a file "
            "NAME.weights.h5"
        )
    return _read(path.parent, name)


def place(variable: Any) -> str:
    """Path of a variable below its model, whose own name may be numbered."""
    return str(variable.path).partition("/")[2]
