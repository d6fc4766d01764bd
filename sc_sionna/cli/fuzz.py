"""``sc-sionna fuzz``: the parts of :mod:`sc_sionna.reliability` with the command line that they need."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from sc_sionna.cli.main import app
from sc_sionna.cli.parsing import parse_changes
from sc_sionna.cli.running import run_line
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line
from sc_sionna.reliability.calibration_files import damage_calibrations
from sc_sionna.reliability.checkpoint_files import damage_checkpoints
from sc_sionna.reliability.hostile import CODE, NAMES, OUT_OF_RANGE, TERMINAL
from sc_sionna.reliability.kills import kill_sweeps
from sc_sionna.reliability.outcome import Outcome, write_table
from sc_sionna.reliability.picture_files import hostile_pictures
from sc_sionna.reliability.stores import flip_bits
from sc_sionna.reliability.training_kills import kill_trainings
from sc_sionna.reliability.trap import MODULE, Trap
from sc_sionna.reliability.weight_files import damage_weights
from sc_sionna.sweep.provenance import git_commit, processor_class

PARTS = {
    "set": 500,
    "commands": 200,
    "records": 200,
    "stores": 1500,
    "weights": 200,
    "checkpoints": 100,
    "calibrations": 100,
    "images": 100,
    "kills": 100,
    "trainings": 60,
}  # part → its size by default
# Parts that damage files in a folder of their own
IN_A_FOLDER: dict[str, Callable[[int, np.random.Generator, Path], Outcome]] = {
    "stores": flip_bits,
    "weights": damage_weights,
    "checkpoints": damage_checkpoints,
    "calibrations": damage_calibrations,
    "images": hostile_pictures,
}
WORDS = ("-1", *OUT_OF_RANGE, *NAMES, *TERMINAL, *CODE, "--", "-", "--nosuch", "digits", "nowhere.json")
SETS = tuple(
    f"{name}={value}"
    for name in ("link.channel", "link.precoder", "codec.masking.rule", "link.nosuch", "nosuch.channel", "link", "=")
    for value in (*CODE, *NAMES, *TERMINAL)
)
SMALL = ["codec.encoder.dim=16", "codec.encoder.depth=1", "codec.encoder.num_heads=2", "codec.decoder.depth=0"]
SMALL += ["train.epochs=1", "train.channel=none", "train.val_repeats=1"]
# command → the words that keep a run of it short, and the options that get hostile values
COMMANDS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "train": (
        ["--max-images", "32", "--quiet", *(x for s in SMALL for x in ("--set", s))],
        (
            "", "--system", "--dataset", "--data-dir", "--start-from", "--max-images", "--set", "--allow-plugins",
            "--run-dir", "--out",
        ),
    ),
    "calibrate": (["--images", "64"], ("", "--snr-db", "--images", "--set", "--out")),
    "noise-energy": (["--max-images", "8"], ("", "--system", "--data-dir", "--weights", "--max-images", "--draws")),
    "validate": (["--scale", "0.01"], ("--scale", "--seed", "")),
    "bench": (["--quick"], ("",)),
    "replay": ([], ("", "--max-images", "--weights", "--data-dir", "--allow-plugins")),
    "run": (
        ["accuracy_vs_snr", "--max-images", "4", "--quiet", "--systems", "masked-vqvae", "--snr-db", "40"],
        (
            "--snr-db", "--systems", "--dataset", "--set", "--max-images", "--weights", "--data-dir", "--out",
            "--allow-plugins", "",
        ),
    ),
}  # fmt: skip
WRITTEN = ("runs", "results")  # what the commands make by default


def fuzz(parts: list[str], sizes: dict[str, int | None], seed: int, out: Path | None, arguments: list[str]) -> int:
    """Run the parts, print their table, write it if asked; 0 only if no case went wrong."""
    for part in parts:
        if part not in PARTS:
            raise UserError(f"fuzz {part!r}: unknown; choose {', '.join(PARTS)}, or none for all")
    outcomes, notes = [], []
    for part in parts or list(PARTS):
        began, size = time.monotonic(), sizes.get(part) or PARTS[part]
        outcome, note = _run(part, size, rng.generator(seed, "fuzz", part))
        outcomes.append(outcome)
        notes += [f"- {outcome.part}: {note}"] if note else []
        print(f"{outcome.row()} {time.monotonic() - began:.0f} s", flush=True)
        for fault in outcome.faults:
            print(f"  {one_line(fault)}")
    if out is not None:
        commit = git_commit() or {"hash": "unknown"}
        made = {"processor": processor_class(), "commit": commit["hash"][:12]}
        write_table(out, outcomes, notes, " ".join(["python -m sc_sionna", *arguments]), made)
        print(one_line(f"written to {out}"))
    return 0 if all(outcome.faultless for outcome in outcomes) else 1


def _run(part: str, size: int, random: np.random.Generator) -> tuple[Outcome, str]:
    if part == "kills":
        return kill_sweeps(size, random)
    if part in IN_A_FOLDER:
        with tempfile.TemporaryDirectory() as folder:
            return IN_A_FOLDER[part](size, random, Path(folder)), ""
    if part == "trainings":
        with tempfile.TemporaryDirectory() as folder:
            return killed_trainings(kill_trainings(size, random, Path(folder)))
    if part == "records":
        from sc_sionna.reliability.records import fuzz_records  # which needs Sionna; trainings are killed without it

        return fuzz_records(size, random), ""
    if part == "set":
        from sc_sionna.reliability.values import fuzz_values

        return fuzz_values(size, random, parse_changes), ""
    return fuzz_commands(size, random), ""


def killed_trainings(found: dict[str, Any]) -> tuple[Outcome, str]:
    """The counts of killed trainings as an outcome, and where the kills fell, in words."""
    outcome = Outcome("trainings, SIGKILL", cases=found["kills"])
    wrong = {name: found[name] for name in ("other_weights", "log_lines_lost_or_doubled", "files_left") if found[name]}
    outcome.silent = sum(wrong.values())
    outcome.harmless = outcome.cases if not wrong else 0
    outcome.faults += [f"{count} of {found['trainings']} trainings: {name}" for name, count in wrong.items()]
    where = ", ".join(f"{count} {place}" for place, count in sorted(found["where"].items()))
    left = f"{found['scratch_seen']} left a half-written file, which the next run removed, and {found['log_behind']} a "
    left += "log that lacked the checkpoint's last line, which the next run added"
    backend = f"Keras on {keras.backend.backend()}"
    return outcome, f"{found['kills']} SIGKILLs in {found['trainings']} trainings, {backend} ({where}); {left}"


def fuzz_commands(count: int, random: np.random.Generator) -> Outcome:
    """Hostile words in every place of a command line, in this process and in an empty folder."""
    outcome = Outcome("command lines")
    with tempfile.TemporaryDirectory() as folder, Trap(Path(folder)) as trap:
        for _ in range(count):
            name = tuple(COMMANDS)[int(random.integers(len(COMMANDS)))]
            usual, places = COMMANDS[name]
            place = places[int(random.integers(len(places)))]
            words = SETS if place == "--set" else WORDS
            word = words[int(random.integers(len(words)))]
            hostile = [word] if place == "" else [place, word]
            first = ["digits"] if name in ("train", "calibrate", "noise-energy") and place != "" else []
            arguments = [*first, *usual, *hostile]
            case = f"{name} {' '.join(hostile)}"[:60]
            outcome.add(case, partial(_invoke, [name, *arguments]))
            named = (place == "--set" and word.endswith("=fuzz_trap:Trap")) or word == MODULE
            written = list(WRITTEN)
            if place in ("--out", "--run-dir"):  # an empty word names the folder that the command runs in
                written += [word.split("/")[0]] if word else [path.name for path in trap.here.iterdir()]
            trap.report(case, outcome, named, tuple(written))
    return outcome


def _invoke(arguments: list[str]) -> bool:
    """Run a command line; a refusal is raised as the error that it printed."""
    out, errors = io.StringIO(), io.StringIO()
    code: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            run_line(app, arguments)
        except SystemExit as ended:
            code = ended.code
    if any(not (c.isprintable() or c == "\n") for c in out.getvalue() + errors.getvalue()):
        raise ArithmeticError("an unprintable character on the terminal")
    if code == 2 and errors.getvalue().startswith("error: ") and errors.getvalue().count("\n") == 1:
        raise UserError(errors.getvalue()[:-1])
    if code not in (0, 1, None):
        raise ArithmeticError(f"exit code {code}, stderr {errors.getvalue()[:100]!r}")
    return True
