"""The folder of one training run: a lock, the checkpoint and the log, which follows from the checkpoint.

The checkpoint holds every line of the log, and ``log.jsonl`` is written from it: killed between the two, a run neither
loses a line nor has one twice. A run goes on only from a checkpoint of the same inputs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

from sc_sionna.core.atomic import make_folder, remove_scratch, write_text
from sc_sionna.core.code_identity import code_identity
from sc_sionna.core.errors import UserError
from sc_sionna.core.lock import ProcessLock
from sc_sionna.data.common import Images
from sc_sionna.settings import Preset
from sc_sionna.training import checkpoint
from sc_sionna.training.calibration_file import remove_left_over

LIBRARIES = ("keras", "numpy", "scikit-learn", "sionna", "tensorflow", "torch")


def inputs_of(
    preset: Preset,
    train: Images,
    val: Images,
    start_from: str | None,
    calibration: str | None,
    modules: Iterable[str],
) -> dict[str, Any]:
    """Everything that trained weights follow from, as JSON; a checkpoint of other inputs is not continued.

    start_from : :func:`~sc_sionna.semantic.weights.file_identity` of the weights that the run starts from, or None
    calibration : :attr:`TrainingChannel.calibration_sha256`
    modules : names of the modules that train; with all that they import, and the plug-ins that ``preset`` names, they are
        compared file by file
    """
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    inputs = {
        "settings": preset.model_dump(mode="json"),
        "training images": {"count": len(train), "sha256": train.sha256()},
        "validation images": {"count": len(val), "sha256": val.sha256()},
        "start_from": start_from,
        "calibration": calibration,
        "backend": keras.backend.backend(),
        "floatx": keras.config.floatx(),
        "versions": versions,
        **code_identity(modules, [preset]),
    }
    return json.loads(json.dumps(inputs))


class RunFolder:
    """Lock, checkpoint and log of a run in ``path``, which is made."""

    def __init__(self, path: Path) -> None:
        self.path, self.checkpoint, self.log = path, path / "checkpoint.npz", path / "log.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No other training has the folder meanwhile; what a killed one left half-written is removed.

        Raises
        ------
        UserError
            Another process trains there, or the folder cannot be written.
        """
        make_folder(self.path)
        lock = ProcessLock(self.path / ".lock", self.path, "training", "choose another --run-dir")
        try:
            for file in (self.checkpoint, self.log):
                remove_scratch(file)
            remove_left_over(self.path)
            yield
        finally:
            lock.release()

    def forget(self) -> None:
        """Remove checkpoint and log, and nothing else: the folder may hold more."""
        for file in (self.checkpoint, self.log):
            file.unlink(missing_ok=True)

    def save(
        self, model: keras.Model, optimizer: Any | None, state: dict[str, Any], best: list[np.ndarray] | None
    ) -> None:
        """Write the checkpoint, then the log from it."""
        checkpoint.save(self.checkpoint, model, optimizer, state, best)
        self._write_log(state["log"])

    def load(
        self, model: keras.Model, inputs: dict[str, Any], stages: list[tuple[str, int]]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """State and arrays to go on from, with the log brought up to them; None where nothing has been trained yet.

        Raises
        ------
        UserError
            The checkpoint is damaged, or of other inputs; the line says which.
        """
        if not self.checkpoint.is_file():
            return None
        state, arrays = checkpoint.load(self.checkpoint, model)
        difference = first_difference(state["inputs"], inputs)
        if difference is not None:
            name, old, new = difference
            kind = "settings" if name.startswith("settings.") else "inputs"
            raise UserError(
                f"{self.checkpoint}: belongs to other {kind} ({name.removeprefix('settings.')} was {old}, now {new}); use "
                "--fresh, or another --run-dir"
            )
        self._check(state, arrays, stages)
        self._write_log(state["log"])
        return state, arrays

    def _check(self, state: dict[str, Any], arrays: dict[str, np.ndarray], stages: list[tuple[str, int]]) -> None:
        stage, epoch = state["stage"], state["epoch"]
        done = sum(epochs for _, epochs in stages[:stage]) + epoch
        within = stage < len(stages) and 0 < epoch <= stages[stage][1]
        groups = {name.partition("/")[0] for name in arrays}
        expected = {"model", "optimizer"} if within else {"model"}
        if within and state["best_metric"] is not None:
            expected |= {"best"}
        ran = [(name, i + 1) for name, epochs in stages[:stage] for i in range(epochs)]
        ran += [(stages[stage][0], i + 1) for i in range(epoch)] if within else []
        if (epoch and not within) or stage > len(stages) or done != len(state["log"]) or groups != expected:
            raise UserError(
                f"{self.checkpoint}: contradicts itself (stage {stage}, epoch {epoch}, {len(state['log'])} log "
                f"lines, arrays of {', '.join(sorted(groups)) or 'nothing'}); {checkpoint.REMEDY}"
            )

        logged = [(line.get("stage"), line.get("epoch")) for line in state["log"]]
        best, last = state["best_metric"], state["log"][-1].get("best_val") if within else None
        if logged != ran or (within and (None if best is None else round(best, 5)) != last):
            raise UserError(
                f"{self.checkpoint}: contradicts its own log, whose lines are of other epochs or another best validation; "
                f"{checkpoint.REMEDY}"
            )

    def _write_log(self, lines: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if not self.log.is_file() or self.log.read_text(errors="replace") != text:
            write_text(self.log, text)


def log_line(line: dict[str, Any]) -> dict[str, Any]:
    """A line as the log keeps it: numbers to five digits, None for one that is not finite, which JSON has no word for."""
    return {
        name: (round(value, 5) if math.isfinite(value) else None) if isinstance(value, float) else value
        for name, value in line.items()
    }


def first_difference(old: Any, new: Any, name: str = "") -> tuple[str, str, str] | None:
    """Dotted name, old and new value of the first entry in which two JSON values differ; None where they are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            found = first_difference(old.get(key), new.get(key), f"{name}.{key}".lstrip("."))
            if found is not None:
                return found
        return None
    return None if old == new else (name, _short(old), _short(new))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
