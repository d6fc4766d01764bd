"""Damaged and hostile calibrations: refused in one line, or the rates that were stored."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.reliability.checkpoint_files import Foreign
from sc_sionna.reliability.damage import MEMORY, cut, flip, peak_memory
from sc_sionna.reliability.hostile import VALUES, nested
from sc_sionna.reliability.outcome import Outcome
from sc_sionna.reliability.trap import Trap
from sc_sionna.settings import LinkSettings
from sc_sionna.training.calibration_file import resealed, write_calibration
from sc_sionna.training.channel import calibration_key, load_calibrated

Random = np.random.Generator
Case = Callable[[Path, Random], object]
LINK, PAYLOAD, SNR_DB = LinkSettings(num_streams=2, precoder="dft"), 48, 2.0


def damage_calibrations(count: int, random: Random, folder: Path) -> Outcome:
    """Load ``count`` damaged copies of a calibration; the kinds of damage take turns."""
    outcome, store = Outcome("calibrations"), folder / "store"
    path = store / f"{calibration_key(LINK, PAYLOAD)}.json"
    levels = [round(float(x), 6) for x in np.sort(random.random(257)) / 2]
    quantiles = {repr(SNR_DB): levels, "5.0": levels}
    write_calibration(
        path, {"link": LINK.model_dump(), "payload_bits": PAYLOAD, "images": 4096, "quantiles": quantiles}
    )
    whole = path.read_bytes()
    expected = np.array(levels).tobytes()

    def same() -> bool:
        return load_calibrated(LINK, PAYLOAD, SNR_DB, store).quantiles.tobytes() == expected

    cases = list(_CASES.items())
    with Trap(folder) as trap:
        for number in range(count):
            case, damage = cases[number % len(cases)]
            shutil.rmtree(store)
            store.mkdir()
            path.write_bytes(whole)
            damage(path, random)
            before, memory = sorted(store.iterdir()), peak_memory()
            outcome.add(case, same)
            trap.report(case, outcome)
            if sorted(store.iterdir()) != before:
                outcome.intrusion(case, "a file was written")
            if peak_memory() - memory > MEMORY:
                outcome.intrusion(case, f"took {peak_memory() - memory:.0f} MB")
    return outcome


def _table(change: Callable[[dict[str, Any], Random], object], reseal: bool = True) -> Case:
    """Change the table; its hash is right again if ``reseal``."""

    def damage(path: Path, random: Random) -> None:
        table = json.loads(path.read_bytes())
        change(table, random)
        path.write_text(json.dumps(resealed(path, table) if reseal else table), errors="surrogatepass")

    return damage


def _rates(value: Any) -> Case:
    """Another rate at a random place, with the right hash."""

    def change(table: dict[str, Any], random: Random) -> None:
        levels = table["quantiles"][repr(SNR_DB)]
        levels[int(random.integers(len(levels)))] = value

    return _table(change)


def _any_value(table: dict[str, Any], random: Random) -> None:
    names = ["format", "link", "payload_bits", "images", "quantiles"]
    table[names[int(random.integers(len(names)))]] = VALUES[int(random.integers(len(VALUES)))]


def _any_setting(table: dict[str, Any], random: Random) -> None:
    names = list(table["link"])
    table["link"][names[int(random.integers(len(names)))]] = VALUES[int(random.integers(len(VALUES)))]


def _text(text: str) -> Case:
    return lambda path, random: path.write_text(text)


def _renamed(path: Path, random: Random) -> None:
    """The rates of another link under this one's name, by who knows how hashes are made."""
    table = json.loads(path.read_bytes())
    table["link"]["num_streams"] = 1
    path.write_text(json.dumps(resealed(path, table)))


def _folder(path: Path, random: Random) -> None:
    path.unlink()
    path.mkdir()


def _linked(path: Path, random: Random) -> None:
    path.unlink()
    path.symlink_to("nowhere")


_CASES: dict[str, Case] = {
    "a flipped bit": flip,
    "another flipped bit": flip,
    "cut short": cut,
    "bytes more": lambda path, random: path.write_bytes(path.read_bytes() + random.bytes(9)),
    "a changed digit": _table(lambda table, random: table["quantiles"][repr(SNR_DB)].__setitem__(3, 0.4), reseal=False),
    **{f"resealed: a hostile value, {i}": _table(_any_value) for i in range(8)},
    **{f"resealed: a hostile setting, {i}": _table(_any_setting) for i in range(8)},
    "resealed: a negative rate": _rates(-1e-9),
    "resealed: a rate above 1": _rates(1.5),
    "resealed: a rate of NaN": _rates(float("nan")),
    "resealed: a rate without end": _rates(float("inf")),
    "resealed: a rate of 400 digits": _rates(10**400),
    "resealed: a text for a rate": _rates("0.1"),
    "resealed: a list for a rate": _rates([0.1]),
    "resealed: nothing for a rate": _rates(None),
    "resealed: truth for a rate": _rates(True),
    "resealed: nested": _table(lambda table, random: table.update(images=nested(300))),
    "resealed: one rate": _table(lambda table, random: table["quantiles"].update({repr(SNR_DB): [0.1]})),
    "resealed: a number for rates": _table(lambda table, random: table["quantiles"].update({repr(SNR_DB): 0.1})),
    "resealed: a text for rates": _table(lambda table, random: table["quantiles"].update({repr(SNR_DB): "0123"})),
    "resealed: a table for rates": _table(lambda table, random: table["quantiles"].update({repr(SNR_DB): {"0": 1}})),
    "resealed: an SNR of escape codes": _table(lambda table, random: table["quantiles"].update({"\x1b[2J\n": [0, 1]})),
    "resealed: an SNR of NaN": _table(lambda table, random: table["quantiles"].update({"nan": [0, 1]})),
    "resealed: another spelling": _table(lambda table, random: table["quantiles"].update({"2": [0, 1]})),
    "resealed: no SNR": _table(lambda table, random: table.update(quantiles={})),
    "resealed: an unknown entry": _table(lambda table, random: table.update({"\x9b31m": 1})),
    "resealed: an entry less": _table(lambda table, random: table.pop("images")),
    "resealed: another format": _table(lambda table, random: table.update(format=3)),
    "resealed: another payload": _table(lambda table, random: table.update(payload_bits=PAYLOAD + 1)),
    "resealed: of another link": _renamed,
    "a pickle": lambda path, random: path.write_bytes(pickle.dumps(Foreign())),
    "HDF5": lambda path, random: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000)),
    "nothing": _text(""),
    "17 MB": _text(" " * (17 * 2**20)),
    "100,000 brackets": _text("[" * 100_000),
    "4,300 digits": _text('{"format": ' + "9" * 4300 + "}"),
    "NaN": _text('{"format": NaN}'),
    "a list": _text("[2]"),
    "a key twice": _text('{"format": 2, "format": 2}'),
    "a folder": _folder,
    "a link to nothing": _linked,
}
