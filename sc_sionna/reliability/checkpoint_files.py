"""Damaged and hostile checkpoints: refused in one line, or the training ends bitwise where it would have ended."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.data import load
from sc_sionna.reliability.damage import MEMORY, cut, flip, peak_memory
from sc_sionna.reliability.hostile import VALUES, nested
from sc_sionna.reliability.outcome import Outcome
from sc_sionna.reliability.training_kills import SHORT, TINY
from sc_sionna.reliability.trap import MODULE, Trap
from sc_sionna.settings.presets import make_preset
from sc_sionna.training.loop import Trainer

Random = np.random.Generator
Case = Callable[[Path, Random], object]
Arrays = dict[str, np.ndarray]
STAGES = {"pretrain_epochs": 1, "epochs": 3, "attack_epsilon": 0.0}
LAST = 3  # epochs after which the checkpoint is taken, so that one is left


class _Stopped(Exception):
    pass


class Foreign:
    """Unpickling it imports the trap."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return __import__, (MODULE,)


def damage_checkpoints(count: int, random: Random, folder: Path) -> Outcome:
    """Go on with ``count`` damaged copies of a tiny training's checkpoint; the kinds of damage take turns."""
    outcome = Outcome("checkpoints")
    preset = make_preset("digits", "masked-vqvae", codec=TINY, train=SHORT | STAGES)
    images = load("digits", "train").head(32), load("digits", "val").head(16)

    def end(run: Path, report: Callable[[dict[str, Any]], None] = lambda line: None) -> list[bytes]:
        model = Trainer(preset, *images, run, report).run()
        return [value.tobytes() for value in model.get_weights()]

    lines: list[dict[str, Any]] = []

    def stop(line: dict[str, Any]) -> None:
        lines.append(line)
        if len(lines) == LAST:
            raise _Stopped

    work = folder / "run"
    expected = end(folder / "whole")
    try:
        end(work, stop)
    except _Stopped:
        whole = (work / "checkpoint.npz").read_bytes()
    (folder / "trap").mkdir()
    cases = list(_CASES.items())
    with Trap(folder / "trap") as trap:
        for number in range(count):
            case, damage = cases[number % len(cases)]
            shutil.rmtree(work)
            work.mkdir()
            path = work / "checkpoint.npz"
            path.write_bytes(whole)
            damage(path, random)
            memory = peak_memory()
            outcome.add(case, lambda: end(work) == expected)
            trap.report(case, outcome)
            if peak_memory() - memory > MEMORY:
                outcome.intrusion(case, f"took {peak_memory() - memory:.0f} MB")
            left = {file.name for file in work.iterdir()} - {"checkpoint.npz", "log.jsonl", ".lock"}
            if left:
                outcome.intrusion(case, f"left {sorted(left)[0]}")
    return outcome


def _write(path: Path, arrays: Arrays, **options: Any) -> None:
    buffer = io.BytesIO()
    (np.savez_compressed if options.get("compressed") else np.savez)(buffer, **arrays)  # type: ignore[arg-type]
    path.write_bytes(buffer.getvalue())


def _read(path: Path) -> Arrays:
    with np.load(path) as file:
        return dict(file)


def _array(change: Callable[[np.ndarray, Random], np.ndarray]) -> Case:
    """Put another array in the place of a random one; the zip's own sums are right again."""

    def damage(path: Path, random: Random) -> None:
        arrays = _read(path)
        names = sorted(set(arrays) - {"state"})
        name = names[int(random.integers(len(names)))]
        arrays[name] = change(arrays[name].copy(), random)
        _write(path, arrays)

    return damage


def _holding(value: float) -> Case:
    def change(array: np.ndarray, random: Random) -> np.ndarray:
        if array.dtype.kind != "f":
            return np.full(array.shape, value)
        array.flat[int(random.integers(array.size))] = value
        return array

    return _array(change)


def _state(change: Callable[[dict[str, Any], Random], Any]) -> Case:
    """Change the state, or write a text in its place; the zip's own sums are right again."""

    def damage(path: Path, random: Random) -> None:
        arrays = _read(path)
        state = json.loads(arrays["state"].tobytes())
        changed = change(state, random)
        text = changed if isinstance(changed, str) else json.dumps(state)
        arrays["state"] = np.frombuffer(text.encode(errors="surrogatepass"), np.uint8)
        _write(path, arrays)

    return damage


def _any_value(state: dict[str, Any], random: Random) -> None:
    """A hostile value anywhere."""
    holder: Any = state
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[int(random.integers(len(keys)))]
        if not isinstance(holder[key], dict | list) or not holder[key] or random.random() < 0.2:
            holder[key] = VALUES[int(random.integers(len(VALUES)))]
            return
        holder = holder[key]


def _set(**values: Any) -> Case:
    return _state(lambda state, random: state.update(values))


def _member(change: Callable[[Arrays, Random], object], **options: Any) -> Case:
    def damage(path: Path, random: Random) -> None:
        arrays = _read(path)
        change(arrays, random)
        _write(path, arrays, **options)

    return damage


def _twice(path: Path, random: Random) -> None:
    import warnings

    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile says so
        archive.writestr("model/0.npy", archive.read("model/0.npy"))


def _stated(shape: str) -> Case:
    """A header that states a size which the file has not."""

    def damage(path: Path, random: Random) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
        members["model/0.npy"] = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return damage


def _content(data: Callable[[], bytes]) -> Case:
    return lambda path, random: path.write_bytes(data())


def _no_file(make: Callable[[Path], object]) -> Case:
    def damage(path: Path, random: Random) -> None:
        path.unlink()
        make(path)

    return damage


def _drop(arrays: Arrays, random: Random, group: str) -> None:
    names = [name for name in arrays if name.startswith(group)]
    del arrays[names[int(random.integers(len(names)))]]


def _unequal(state: dict[str, Any], random: Random) -> None:
    state["log"] = state["log"][:-1]


_CASES: dict[str, Case] = {
    "a flipped bit": flip,
    "a flipped bit again": flip,
    "cut short": cut,
    "bytes more": lambda path, random: path.write_bytes(path.read_bytes() + random.bytes(100)),
    "a pickle": _content(lambda: pickle.dumps(Foreign())),
    "a pickled array": _member(lambda arrays, random: arrays.update({"model/0": np.array([Foreign()], object)})),
    "compressed": _member(lambda arrays, random: None, compressed=True),
    "a gigabyte of zeros": _member(
        lambda arrays, random: arrays.update({"model/0": np.zeros(2**26, np.float32)}), compressed=True
    ),
    "an array twice": _twice,
    "a size that it has not": _stated("(1000000, 1000000)"),
    "a size of 4,300 digits": _stated("(" + "9" * 4300 + ",)"),
    "a negative size": _stated("(-1,)"),
    "code for a size": _stated("__import__('fuzz_trap')"),
    "not a number": _holding(np.nan),
    "infinity": _holding(np.inf),
    "double precision": _array(lambda array, random: array.astype(np.float64)),
    "texts": _array(lambda array, random: np.full(array.shape, "x")),
    "another shape": _array(lambda array, random: np.zeros((3, 7), array.dtype)),
    "one array less": _member(partial(_drop, group="model/")),
    "no optimiser": _member(lambda arrays, random: [arrays.pop(n) for n in list(arrays) if n.startswith("optimizer/")]),
    "a best one less": _member(partial(_drop, group="best/")),
    "an unknown array": _member(lambda arrays, random: arrays.update({"../../outside": np.zeros(3)})),
    "no state": _member(lambda arrays, random: arrays.pop("state")),
    **{f"state: a hostile value, {i}": _state(_any_value) for i in range(8)},
    "state: another stage": _set(stage=0),
    "state: another epoch": _set(epoch=1),
    "state: an epoch beyond the last": _set(epoch=50),
    "state: a huge epoch": _set(epoch=10**29),
    "state: a best that was not": _set(best_metric=0.999),
    "state: no best": _set(best_metric=None),
    "state: a log line less": _state(_unequal),
    "state: another order of the log": _state(lambda state, random: state["log"].reverse()),
    "state: an unknown entry": _set(**{"\x1b[2J": 1}),
    "state: other settings": _state(lambda state, random: state["inputs"]["settings"]["train"].update(epochs=4)),
    "state: nested": _state(lambda state, random: state["best_content"].update(a=nested(300))),
    "state: 100,000 brackets": _state(lambda state, random: "[" * 100_000),
    "state: 4,300 digits": _state(lambda state, random: '{"format": ' + "9" * 4300 + "}"),
    "state: NaN": _state(lambda state, random: json.dumps(state)[:-1] + ', "seconds": NaN}'),
    "state: a list": _state(lambda state, random: "[2]"),
    "nothing": _content(lambda: b""),
    "HDF5": _content(lambda: b"\x89HDF\r\n\x1a\n" + bytes(2000)),
    "a folder": _no_file(Path.mkdir),
    "a link to nothing": _no_file(lambda path: path.symlink_to("nowhere")),
    "a link to itself": _no_file(lambda path: path.symlink_to(path.name)),
}
