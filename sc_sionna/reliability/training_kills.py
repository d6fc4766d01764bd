"""SIGKILL in the middle of trainings: the weights that come out are bitwise those of a training that nobody killed.

A process that has imported everything but run nothing forks a child for each run, so that a run costs only its own time.
Half of the children are killed by a timer at a random moment, a quarter right before any of their steps to the disk, with
a scratch file whole or half-written or between checkpoint and log, and a quarter right before a step at the end of a
stage: between weights and their description, or between these and the checkpoint that says that the stage has ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError

KILLS_PER_TRAINING = 4
STEPS_OF_EPOCH = 4  # to the disk: sync and change of name, each of checkpoint and log
STEPS_OF_STAGE_END = 6  # the same of weights, their description and the checkpoint
LARGEST_CHECKPOINT = 2**26  # bytes
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
STAGES: dict[str, Any] = {"pretrain_epochs": 8, "continuous_epochs": 4, "epochs": 6}
STEPS_TO_DISK = STEPS_OF_EPOCH * (STAGES["pretrain_epochs"] + STAGES["epochs"]) + 2 * STEPS_OF_STAGE_END
UNTOUCHED = "before the first checkpoint"


def train(folder: Path, at_stage_end: Callable[[], None] = lambda: None) -> None:
    """Pre-training without and with the quantiser, then adversarial fine-tuning of a tiny codec on 64 digits.

    folder : where run and weights go
    at_stage_end : called before the weights of each of the two stages are written
    """
    from sc_sionna.data import load
    from sc_sionna.semantic.weights import save_weights
    from sc_sionna.settings.presets import make_preset
    from sc_sionna.training.loop import Trainer

    preset = make_preset("digits", "masked-vqvae+at", codec=TINY, train=SHORT | STAGES)

    def keep(task: str) -> None:
        at_stage_end()
        save_weights(folder / "weights" / "pretrained", preset, trainer.model, {}, task)

    images = load("digits", "train").head(64), load("digits", "val").head(32)
    trainer = Trainer(preset, *images, folder / "run", finished=keep)
    model = trainer.run()
    at_stage_end()
    save_weights(folder / "weights", preset, model, {}, "classify")


def kill_trainings(kills: int, random: np.random.Generator, folder: Path) -> dict[str, Any]:
    """Kill trainings ``kills`` times, let each end, and compare it with one that nobody killed.

    Returns
    -------
    dict
        ``kills``; ``trainings``; ``where``, the kills by the stage that they fell in; ``log_behind``, the kills between a
        checkpoint and its line of the log; ``scratch_seen``, those that left a half-written file; and what must be 0:
        ``other_weights``, ``log_lines_lost_or_doubled``, ``files_left``.
    """
    with _Nursery() as nursery:
        _finish(nursery, folder / "first")  # which also waits for imports and cold files
        started = time.monotonic()
        _finish(nursery, folder / "reference")
        whole_run = time.monotonic() - started
        expected = outcome_of(folder / "reference")
        timer = max(whole_run - _seconds_of_epochs(folder / "reference"), 0.0), whole_run  # from the first epoch on
        if outcome_of(folder / "first") != expected:
            raise UserError(f"{folder}: two trainings that nobody kills differ, so killed ones cannot be compared")
        result: dict[str, Any] = {
            "kills": 0, "trainings": 0, "where": {}, "log_behind": 0, "scratch_seen": 0, "other_weights": 0,
            "log_lines_lost_or_doubled": 0, "files_left": 0,
        }  # fmt: skip
        while result["kills"] < kills:
            place = folder / f"training{result['trainings']}"
            _kill_one(nursery, place, min(KILLS_PER_TRAINING, kills - result["kills"]), random, timer, result)
            found = outcome_of(place)
            result["trainings"] += 1
            result["other_weights"] += found["arrays"] != expected["arrays"]
            result["log_lines_lost_or_doubled"] += found["log"] != expected["log"]
            result["files_left"] += len(set(found["files"]) ^ set(expected["files"]))
    return result


def _kill_one(
    nursery: _Nursery,
    folder: Path,
    kills: int,
    random: np.random.Generator,
    timer: tuple[float, float],
    result: dict[str, Any],
) -> None:
    """Run one training with up to ``kills`` interruptions to its end, those by time within ``timer``, and count by place."""
    for _ in range(kills):
        way = random.random()
        if way < 0.5:
            ended = nursery.run(folder, seconds=float(random.uniform(*timer)))
        elif way < 0.75:
            ended = nursery.run(folder, step=int(random.integers(1, STEPS_TO_DISK + 1)))
        else:
            ended = nursery.run(folder, step=int(random.integers(1, STEPS_OF_STAGE_END + 1)), at_stage_end=True)
        if ended != -signal.SIGKILL:  # it was faster than the timer, or had fewer steps left: this training is over
            break
        result["kills"] += 1
        place, log_behind = _reached(folder)
        result["where"][place] = result["where"].get(place, 0) + 1
        result["log_behind"] += log_behind
        result["scratch_seen"] += any(_is_scratch(path) for path in folder.rglob("*"))
    _finish(nursery, folder)


def _seconds_of_epochs(folder: Path) -> float:
    """The time that an uninterrupted training spent in its epochs: all of it but reading data and building the codec."""
    last = (folder / "run" / "log.jsonl").read_text().splitlines()[-1]
    return float(json.loads(last)["seconds"])


def _finish(nursery: _Nursery, folder: Path) -> None:
    """Let a training end, which it does at once where it has ended before."""
    if nursery.run(folder) != 0:
        raise UserError(f"{folder}: a training does not end, or not go on after a kill; see what it printed")


def _reached(folder: Path) -> tuple[str, bool]:
    """What a killed training was at, by its checkpoint, and whether the log lacked a line that the checkpoint has."""
    from sc_sionna.training import checkpoint

    run = folder / "run"
    if not (run / "checkpoint.npz").is_file():
        return UNTOUCHED, False
    state, _ = checkpoint.read(run / "checkpoint.npz", LARGEST_CHECKPOINT)
    log = run / "log.jsonl"
    lines = len(log.read_text().splitlines()) if log.is_file() else 0
    return _place(state["stage"], state["epoch"]), lines < len(state["log"])


def _place(stage: int, epoch: int) -> str:
    """The part of a training that comes after ``epoch`` epochs of stage number ``stage``."""
    if stage == 0 and epoch < STAGES["continuous_epochs"]:
        return "in the continuous epochs"
    if stage == 0:
        return "in pre-training" if epoch < STAGES["pretrain_epochs"] else "at the end of pre-training"
    if stage == 1 and epoch == 0:
        return "in the first adversarial epoch"
    return (
        "in adversarial training" if stage == 1 and epoch < STAGES["epochs"] else "at the end of adversarial training"
    )


def _is_scratch(path: Path) -> bool:
    return path.name.startswith(".") and path.name != ".lock"


def outcome_of(folder: Path) -> dict[str, Any]:
    """What a training left: bytes of every array, log lines without times, and the names of its files."""
    from sc_sionna.training import checkpoint

    arrays: dict[str, bytes] = {}
    for path in sorted((folder / "weights").rglob("*.weights.h5")):
        arrays[str(path.relative_to(folder))] = path.read_bytes()
    _, last = checkpoint.read(folder / "run" / "checkpoint.npz", LARGEST_CHECKPOINT)
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

    def run(self, folder: Path, step: int = 0, seconds: float = 0.0, at_stage_end: bool = False) -> int:
        """Train in ``folder``; the exit code, or the signal as a negative number.

        step : die before this step to the disk; 0 for none
        seconds : die after this time; 0 for never
        at_stage_end : count steps only from when the weights of a stage are about to be written
        """
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: PT018
        self._process.stdin.write(json.dumps([str(folder), step, seconds, at_stage_end]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _serve() -> None:
    """Read orders from standard input, fork a child for each, and write how it ended."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import sc_sionna.semantic.weights
    import sc_sionna.settings.presets
    import sc_sionna.training.loop  # noqa: F401  # imports TensorFlow; nothing runs in it, or a fork would inherit its threads

    for order in sys.stdin:
        folder, step, seconds, at_stage_end = json.loads(order)
        child = os.fork()
        if child == 0:
            _live(Path(folder), step, seconds, at_stage_end)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _live(folder: Path, step: int, seconds: float, at_stage_end: bool) -> None:
    """Be the child: train, and die as ordered. Does not return."""
    os.dup2(2, 1)  # standard output carries the answers of the parent
    if step and not at_stage_end:
        _die_before(step)
    watch = threading.Timer(seconds or LONGEST_RUN, os.kill, (os.getpid(), signal.SIGKILL))
    watch.daemon = True
    watch.start()
    try:
        train(folder, (lambda: _die_before(step)) if at_stage_end else (lambda: None))
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
