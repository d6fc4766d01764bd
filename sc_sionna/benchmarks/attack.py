"""A step of the source attack beside a plain training step and its forward and backward pass, in one run.

All three work on the same 64 digits with the masked VQ-VAE of the preset, each with masks (and errors) drawn anew.
Repetitions are interleaved, so that a busy machine slows all, and medians are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.benchmarks.timing import Goal, interleaved
from sc_sionna.core import rng
from sc_sionna.core.atomic import scratch_folder
from sc_sionna.core.backend import compile_function, value_and_grad
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.settings.presets import make_preset
from sc_sionna.training.loop import Trainer
from sc_sionna.training.losses import task_losses
from sc_sionna.training.step import make_step

BATCH = 64
ATTACK_STEPS = 5  # of one call, which is timed as a whole: projection and the checks of its input are in it
GOAL = Goal("a step of the attack costs <= {limit} forward and backward passes", 1.3, at_most=True)
ATTACK, TRAINING, PASS = "attack step", "training step", "forward and backward"


@dataclass(frozen=True)
class AttackBench:
    """Median seconds of a step by name, over ``repetitions``."""

    repetitions: int
    seconds: dict[str, float]

    @property
    def ratio(self) -> float:
        """Cost of a step of the attack in forward and backward passes."""
        return self.seconds[ATTACK] / self.seconds[PASS]


def bench_attack(quick: bool = False, seed: int = 1) -> AttackBench:
    """Measure the steps, about half a minute on two cores (``quick``: a third of that, noisier)."""
    repetitions = 10 if quick else 60
    preset = make_preset("digits", "masked-vqvae", train={"batch_size": BATCH})
    data = load("digits", "train")
    with scratch_folder() as scratch:
        trainer = Trainer(preset, data, load("digits", "val"), scratch)
    model, snr_db = trainer.model, np.full(BATCH, preset.train.snr_db, np.float32)
    optimizer = trainer._optimizer(preset.train.epochs)
    optimizer.build(model.trainable_variables)
    step = make_step(model, preset.train, "classify", optimizer)
    images, labels = to_float(data.head(BATCH).pixels), data.head(BATCH).labels
    victim = CodecVictim(model, trainer.masking, snr_db=preset.train.snr_db)
    attack = SourceAttack(victim, SourceAttackSettings(epsilon=0.05, steps=ATTACK_STEPS, batch_size=BATCH))

    def both_passes(images: Any, labels: Any, keep: Any, snr_db: Any, error: Any) -> Any:
        def loss() -> tuple[Any, Any]:
            outputs = model(images, keep, snr_db, error, training=True)
            terms = task_losses(model, outputs, images, labels, keep, "classify", preset.train.label_smoothing)
            total = sum(terms.values())
            return total, total

        return value_and_grad(loss, model.trainable_variables)

    passes = compile_function(both_passes)

    def drawn(generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        keep = trainer.masking(BATCH, generator)
        error = trainer.channel.error(images, keep, snr_db, generator)
        assert error is not None
        return images, labels, keep, snr_db, error

    # the results are read in each, so that no work is still under way when the clock is
    runs: dict[str, Callable[[np.random.Generator], Any]] = {
        PASS: lambda g: ops.convert_to_numpy(passes(*drawn(g))[1][-1]),
        TRAINING: lambda g: step(images, lambda: images, lambda _: drawn(g)[1:])[1],
        ATTACK: lambda g: attack.craft(images, labels, g),
    }

    def way(name: str) -> Callable[[int], Any]:
        return lambda repetition: runs[name](rng.generator(seed, "bench attack", name, repetition))

    timing = interleaved({name: way(name) for name in runs}, repetitions, warm_up=2)
    return AttackBench(repetitions, timing.seconds | {ATTACK: timing.seconds[ATTACK] / ATTACK_STEPS})


def format_attack(bench: AttackBench) -> str:
    """The measurements as a Markdown table with the goal."""
    lines = [
        f"Source attack, Eq. (7), on the masked VQ-VAE of the digits, {BATCH} images a step, medians of {bench.repetitions} "
        "interleaved repetitions",
        "",
        "| | ms | steps per second | times the training steps | forward and backward passes |",
        "|---|---|---|---|---|",
    ]
    for name, seconds in bench.seconds.items():
        lines.append(
            f"| {name} | {1e3 * seconds:.1f} | {1 / seconds:.1f} | {bench.seconds[TRAINING] / seconds:.2f} | "
            f"{seconds / bench.seconds[PASS]:.2f} |"
        )
    lines += ["", GOAL.line(bench.ratio, 2)]
    return "\n".join(lines)
