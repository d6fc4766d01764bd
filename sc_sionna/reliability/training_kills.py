"""SIGKILL in the middle of trainings: the weights that come out are bitwise those of a training that nobody killed.

A process that has imported everything but run nothing forks a child for each run, so that a run costs only its own time.
Half of the children are killed by a timer at a random moment, the others right before one of their next steps to the disk:
with a scratch file whole or half-written, between checkpoint and log, between two stages, between weights and description.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError

KILLS_PER_TRAINING = 5
STEPS_TO_DISK = 12  # of the next ones, before one of which a child dies; an epoch takes four
LONGEST_RUN = 300.0  # seconds; a child that takes longer has hung
TINY: dict[str, Any] = {
    "encoder": {"dim": 16, "depth": 1, "num_heads": 2},
    "decoder": {"dim": 16, "depth": 1, "num_heads": 2, "head_dim": 16},
    "codebook": {"size": 16},
    "code_dim": 4,
}
SHORT: dict[str, Any] = {
    "pretrain_epochs": 3, "epochs": 4, "batch_size": 32, "channel": "none", "val_repeats": 1, "attack_epsilon": 0.05,
    "attack_steps": 1, "procedure": "joint", "weight_perturbation": 0.0, "warmup_epochs": 1.0,
}  # fmt: skip


def train(folder: Path) -> None:
    """Masked pre-training and adversarial fine-tuning of a tiny codec on 64 digits, into ``folder``."""
    from sc_sionna.data import load
    from sc_sionna.semantic.weights import save_weights
    from sc_sionna.settings.presets import make_preset
    from sc_sionna.training.loop import Trainer

    preset = make_preset("digits", "masked-vqvae+at", codec=TINY, train=SHORT)

    def keep(task: str) -> None:
        save_weights(folder / "weights" / "pretrained", preset, trainer.model, {}, task)

    images = load("digits", "train").head(64), load("digits", "val").head(32)
    trainer = Trainer(preset, *images, folder / "run", finished=keep)
    save_weights(folder / "weights", preset, trainer.run(), {}, "classify")


def kill_trainings(kills: int, random: np.random.Generator, folder: Path) -> dict[str, Any]:
    """Kill trainings ``kills`` times, let each end, and compare it with one that nobody killed.

    Returns
    -------
    dict
        ``kills``; ``trainings``; ``where``, the kills by what the checkpoint had reached; ``scratch_seen``, the kills that
        left a half-written file; and what must be 0: ``other_weights``, ``log_lines_lost_or_doubled``, ``files_left``.
    """
    with _Nursery() as nursery:
        started = time.monotonic()
        if nursery.run(folder / "reference") != 0:
            raise UserError(f"{folder}: a training that nobody kills does not end; see what it printed")
        whole_run = time.monotonic() - started
        expected = outcome_of(folder / "reference")
        result: dict[str, Any] = {
            "kills": 0, "trainings": 0, "where": {}, "scratch_seen": 0, "other_weights": 0,
            "log_lines_lost_or_doubled": 0, "files_left": 0,
        }  # fmt: skip
        while result["kills"] < kills:
            place = folder / f"training{result['trainings']}"
            _kill_one(nursery, place, min(KILLS_PER_TRAINING, kills - result["kills"]), random, whole_run, result)
            found = outcome_of(place)
            result["trainings"] += 1
            result["other_weights"] += found["arrays"] != expected["arrays"]
            result["log_lines_lost_or_doubled"] += found["log"] != expected["log"]
            result["files_left"] += len(set(found["files"]) ^ set(expected["files"]))
    return result


def _kill_one(
    nursery: _Nursery, folder: Path, kills: int, random: np.random.Generator, whole_run: float, result: dict[str, Any]
) -> None:
    """Run one training with ``kills`` interruptions to its end, and count them by place."""
    while kills:
        if random.random() < 0.5:
            killed = nursery.run(folder, step=int(random.integers(1, STEPS_TO_DISK + 1)))
        else:
            killed = nursery.run(folder, seconds=float(random.uniform(0.2, 0.8) * whole_run))
        if killed == 0:  # it was faster than the timer, or had fewer steps left: this training is over
            break
        kills -= 1
        result["kills"] += 1
        reached = _reached(folder)
        result["where"][reached] = result["where"].get(reached, 0) + 1
        result["scratch_seen"] += any(_is_scratch(path) for path in folder.rglob("*"))
    if nursery.run(folder) != 0:
        raise UserError(f"{folder}: a training that was killed does not go on; see what it printed")


def _reached(folder: Path) -> str:
    """How far the checkpoint of a killed training is."""
    log = folder / "run" / "log.jsonl"
    if not (folder / "run" / "checkpoint.npz").is_file():
        return "before the first epoch"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    if not lines:
        return "between checkpoint and log"
    last = lines[-1]
    if last["epoch"] == last["epochs"]:
        return f"end of {last['stage']}"
    return f"within {last['stage']}"


def _is_scratch(path: Path) -> bool:
    return path.name.startswith(".") and path.name != ".lock"


def outcome_of(folder: Path) -> dict[str, Any]:
    """What a training left: bytes of every array, log lines without times, and the names of its files."""
    from sc_sionna.training import checkpoint

    arrays: dict[str, bytes] = {}
    for path in sorted((folder / "weights").rglob("*.weights.h5")):
        arrays[str(path.relative_to(folder))] = path.read_bytes()
    _, last = checkpoint.read(folder / "run" / "checkpoint.npz", 2**26)
    arrays |= {name: value.tobytes() for name, value in last.items()}
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    for line in lines:
        del line["seconds"]
    files = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    return {"arrays": arrays, "log": lines, "files": sorted(files)}


class _Nursery:
    """A process that has imported the training and forks a child for each run."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", f"from {__name__} import _serve; _serve()"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> _Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("")  # its end of input

    def run(self, folder: Path, step: int = 0, seconds: float = 0.0) -> int:
        """Train in ``folder``; the exit code, or the signal as a negative number.

        step : die before this step to the disk; 0 for none
        seconds : die after this time; 0 for never
        """
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: PT018
        self._process.stdin.write(json.dumps([str(folder), step, seconds]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _serve() -> None:
    """Read orders from standard input, fork a child for each, and write how it ended."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import sc_sionna.semantic.weights
    import sc_sionna.settings.presets
    import sc_sionna.training.loop  # noqa: F401  # imports TensorFlow; nothing runs in it, or a fork would inherit its threads

    for order in sys.stdin:
        folder, step, seconds = json.loads(order)
        child = os.fork()
        if child == 0:
            _live(Path(folder), step, seconds)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _live(folder: Path, step: int, seconds: float) -> None:
    """Be the child: train, and die as ordered. Does not return."""
    os.dup2(2, 1)  # standard output carries the answers of the parent
    if step:
        _die_before(step)
    watch = threading.Timer(seconds or LONGEST_RUN, os.kill, (os.getpid(), signal.SIGKILL))
    watch.daemon = True
    watch.start()
    try:
        train(folder)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def _die_before(step: int) -> None:
    """Kill this process right before its ``step``-th step to the disk: a file's sync or its change of name."""
    left = [step]

    def counted(work: Any) -> Any:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*arguments, **named)

        return wrapped

    for name in ("fsync", "replace"):
        setattr(os, name, counted(getattr(os, name)))


def main(kills: int = 60, seed: int = 1, folder: Path = Path("runs/training-kills")) -> None:
    """Run and print the counts."""
    print(json.dumps(kill_trainings(kills, rng.generator(seed, "training kills"), folder), indent=1))
