"""Damaged and hostile files of weights: refused in one line, or the codec that was stored; nothing grows or is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sc_sionna.core import rng
from sc_sionna.reliability.damage import MEMORY, cut, flip, peak_memory
from sc_sionna.reliability.outcome import Outcome
from sc_sionna.reliability.training_kills import SHORT, TINY
from sc_sionna.semantic.weights import file_digest, save_weights, sealed
from sc_sionna.settings.presets import make_preset
from sc_sionna.tasks import load_codec, make_codec

Random = np.random.Generator
Case = Callable[[Path, Path, Random], None]  # damages the description and the weights


def damage_weights(count: int, random: Random, folder: Path) -> Outcome:
    """Load ``count`` damaged copies of a tiny codec's weights; the kinds of damage take turns."""
    outcome = Outcome("weights and their descriptions")
    preset = make_preset("digits", "masked-vqvae", codec=TINY, train=SHORT)
    rng.set_global_seeds(1, "weights to damage")
    path = save_weights(folder, preset, make_codec(preset.codec).initialise(), {}, "none")
    described = path.with_name(path.name.replace(".weights.h5", ".json"))
    whole = {file: file.read_bytes() for file in (path, described)}
    model, _ = load_codec("digits", "masked-vqvae", folder)
    expected = [value.tobytes() for value in model.get_weights()]

    def same() -> bool:
        loaded, found = load_codec("digits", "masked-vqvae", folder)
        return found == preset and [value.tobytes() for value in loaded.get_weights()] == expected

    cases = list(_cases().items())
    for number in range(count):
        name, damage = cases[number % len(cases)]
        for file, content in whole.items():
            file.unlink(missing_ok=True)
            file.write_bytes(content)
        damage(described, path, random)
        before, memory = sorted(folder.rglob("*")), peak_memory()
        outcome.add(name, same)
        if sorted(folder.rglob("*")) != before:
            outcome.intrusion(name, "a file was written")
        if peak_memory() - memory > MEMORY:
            outcome.intrusion(name, f"took {peak_memory() - memory:.0f} MB")
        for file in folder.iterdir():  # what the case has put beside the two
            if file not in whole:
                file.unlink()
    return outcome


def _cut_and_renew(described: Path, weights: Path, random: Random) -> None:
    cut(weights, random)
    _renew(described, weights)


def _cases() -> dict[str, Case]:
    return {
        "a flipped bit of the weights": lambda d, w, random: flip(w, random),
        "a flipped bit of the description": lambda d, w, random: flip(d, random),
        "weights cut short": lambda d, w, random: cut(w, random),
        "a description cut short": lambda d, w, random: cut(d, random),
        "weights cut short, hash renewed": _cut_and_renew,
        **{f"HDF5: {name}": _hostile(change) for name, change in _FILES.items()},
        **{f"description: {name}": _described(change) for name, change in _DESCRIPTIONS.items()},
        **{f"text: {name}": _written(text) for name, text in _TEXTS.items()},
    }


def _renew(described: Path, weights: Path) -> None:
    """Make the hashes fit again, as someone who means harm would."""
    description = json.loads(described.read_text())
    description["sha256"] = file_digest(weights)
    described.write_text(json.dumps(sealed(description)))


def _hostile(change: Callable[[h5py.File, str, Random], None]) -> Case:
    def damage(described: Path, weights: Path, random: Random) -> None:
        with h5py.File(weights, "r+") as file:
            names: list[str] = []
            file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
            change(file, names[int(random.integers(len(names)))], random)
        _renew(described, weights)

    return damage


def _replace(**options: Any) -> Callable[[h5py.File, str, Random], None]:
    """Put another array in the place of one; options are those of ``create_dataset``."""

    def change(file: h5py.File, name: str, random: Random) -> None:
        shape = file[name].shape
        del file[name]
        file.create_dataset(name, **{"shape": shape, "dtype": np.float16, **options})

    return change


def _linked(link: Any) -> Callable[[h5py.File, str, Random], None]:
    def change(file: h5py.File, name: str, random: Random) -> None:
        del file[name]
        file[name] = link

    return change


def _virtual(file: h5py.File, name: str, random: Random) -> None:
    shape = file[name].shape
    del file[name]
    layout = h5py.VirtualLayout(shape=shape, dtype=np.float16)
    layout[...] = h5py.VirtualSource("elsewhere.h5", "x", shape=shape)
    file.create_virtual_dataset(name, layout)


def _holding(value: float) -> Callable[[h5py.File, str, Random], None]:
    def change(file: h5py.File, name: str, random: Random) -> None:
        content = file[name][()]
        content.flat[int(random.integers(content.size))] = value
        file[name][...] = content

    return change


def _cycle(file: h5py.File, name: str, random: Random) -> None:
    file["again"] = file["/"]


def _second_name(file: h5py.File, name: str, random: Random) -> None:
    file["second"] = file[name]


def _deep(file: h5py.File, name: str, random: Random) -> None:
    file.create_group("/".join(["g"] * 500))


def _renamed(file: h5py.File, name: str, random: Random) -> None:
    file.move(name, f"{name}x")


def _missing(file: h5py.File, name: str, random: Random) -> None:
    del file[name]


_FILES: dict[str, Callable[[h5py.File, str, Random], None]] = {
    "a link to another file": _linked(h5py.ExternalLink("elsewhere.h5", "/x")),
    "a link within the file": _linked(h5py.SoftLink("/classify")),
    "a link to a system file": _linked(h5py.ExternalLink("/etc/passwd", "/")),
    "8 GB of zeros in a kilobyte": _replace(
        shape=(65536, 65536), chunks=(4096, 4096), compression="gzip", fillvalue=0.0
    ),
    "8 GB never written": _replace(shape=(65536, 65536)),
    "compressed": _replace(chunks=True, compression="gzip", data=None),
    "kept in another file": _replace(external=[("elsewhere.bin", 0, h5py.h5f.UNLIMITED)]),
    "a view of another file": _virtual,
    "texts for numbers": _replace(dtype=h5py.string_dtype()),
    "double precision": _replace(dtype=np.float64),
    "whole numbers": _replace(dtype=np.int16),
    "pairs for numbers": _replace(dtype=np.dtype([("a", np.float16), ("b", np.float16)])),
    "another shape": _replace(shape=(7, 3)),
    "not a number": _holding(np.nan),
    "infinity": _holding(np.inf),
    "a group that holds itself": _cycle,
    "an array of two names": _second_name,
    "500 groups deep": _deep,
    "another name": _renamed,
    "one array less": _missing,
}


def _described(change: Callable[[dict[str, Any], Random], object]) -> Case:
    def damage(described: Path, weights: Path, random: Random) -> None:
        description = json.loads(described.read_text())
        change(description, random)
        described.write_text(json.dumps(sealed(description)))

    return damage


def _leaf(description: dict[str, Any], random: Random) -> tuple[dict[str, Any], str]:
    """A random numeric setting: the group that it is in, and its name."""
    found: list[tuple[dict[str, Any], str]] = []

    def collect(group: dict[str, Any]) -> None:
        for name, value in group.items():
            if isinstance(value, dict):
                collect(value)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                found.append((group, name))

    collect(description["preset"])
    return found[int(random.integers(len(found)))]


def _set_leaf(value: Any) -> Callable[[dict[str, Any], Random], None]:
    def change(description: dict[str, Any], random: Random) -> None:
        group, name = _leaf(description, random)
        group[name] = value

    return change


def _drop_leaf(description: dict[str, Any], random: Random) -> None:
    group, name = _leaf(description, random)
    del group[name]


def _sizes(**sizes: int) -> Callable[[dict[str, Any], Random], None]:
    return lambda description, random: description["preset"]["codec"]["encoder"].update(sizes)


_DESCRIPTIONS: dict[str, Callable[[dict[str, Any], Random], object]] = {
    "a setting is missing": _drop_leaf,
    "a group is missing": lambda d, random: d["preset"].pop(str(random.choice(["codec", "link", "train"]))),
    "an unknown setting": lambda d, random: d["preset"]["codec"].update({"\x1b[2J\nevil": 1}),
    "an unknown entry": lambda d, random: d.update(more=1),
    "a text for a number": _set_leaf("\x1b[31m\n"),
    "a table for a number": _set_leaf({"a": {}}),
    "a huge number": _set_leaf(10**25),
    "a negative number": _set_leaf(-(10**9)),
    "4,096 wide, 64 deep": _sizes(dim=4096, depth=64),
    "4,096 wide": _sizes(dim=4096),
    "65,536 classes": lambda d, random: d["preset"]["codec"].update(num_classes=65536),
    "65,536 codewords of 4,096": lambda d, random: (
        d["preset"]["codec"].update(code_dim=4096),
        d["preset"]["codec"]["codebook"].update(size=65536),
    ),
    "patches of one pixel": lambda d, random: d["preset"]["codec"].update(image_size=1024, patch_size=1),
    "another version": lambda d, random: d.update(format=3),
    "the settings as a text": lambda d, random: d.update(preset="all"),
    "the metric as a list": lambda d, random: d.update(metric=[1, 2]),
    "another digest": lambda d, random: d.update(sha256="0" * 64),
}


def _written(text: str) -> Case:
    def write(described: Path, weights: Path, random: Random) -> None:
        described.write_text(text)

    return write


_TEXTS = {
    "nothing": "",
    "100,000 brackets": "[" * 100_000,
    "100,000 braces": '{"a":' * 100_000,
    "5,000 digits": '{"format": ' + "9" * 5000 + "}",
    "NaN": '{"format": NaN}',
    "a list": "[2]",
    "a key twice": '{"format": 2, "format": 2}',
}
