"""The one training loop: masked pre-training, then the task with the channel in the loop (Algorithms 2 and 3).

Every scheme runs the same steps, less what its settings leave out: semantic noise against the present weights (Eq. 7),
kept patches, the channel's error, weight perturbation (Eq. 10), and a descent on the sum of all terms of Eq. (12), (16)
and (17), or one descent after the other on the terms that each stage of Algorithm 3 names. Randomness of an epoch comes
from (seed, stage, epoch) alone, so a killed run goes on as if it was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core import rng
from sc_sionna.core.atomic import write_text
from sc_sionna.core.backend import compile_function
from sc_sionna.core.errors import UserError
from sc_sionna.data.common import Images, to_float
from sc_sionna.semantic.codebook import usage
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.settings import Preset, TrainSettings, settings_hash
from sc_sionna.tasks import make_codec, make_task, noise_loss, warm_start
from sc_sionna.training import checkpoint
from sc_sionna.training.augment import augment
from sc_sionna.training.channel import TrainingChannel
from sc_sionna.training.step import make_step, stages_of

EVAL_BATCH = 256


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Build layers under a Keras precision policy and restore the previous one."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


class Trainer:
    """Trains the codec of a preset; ``run()`` returns the model with the weights of the best validation epoch.

    The stages are called "reconstruct", masked pre-training, and "classify", the codec's task, whichever it is: random
    streams, logs and checkpoints know them by these names.

    preset : settings of the scheme
    train, val : images of the training and the validation split
    run_dir : folder of the checkpoint, the log (one JSON line per epoch) and a calibration measured on the way
    report : called with each epoch's log line
    start_from : weights of a trained codec to start from instead of the pre-training stage, or None
    """

    def __init__(
        self,
        preset: Preset,
        train: Images,
        val: Images,
        run_dir: Path,
        report: Callable[[dict[str, Any]], None] = lambda line: None,
        start_from: Path | None = None,
    ) -> None:
        self.preset, self.train, self.val, self.report = preset, train, val, report
        self.settings: TrainSettings = preset.train
        self.run_dir = run_dir
        rng.set_global_seeds(self.settings.seed, "weights")
        with precision(self.settings.precision):
            self.model = make_codec(preset.codec).initialise()
        self.task = make_task(preset.codec)
        self.warm = start_from is not None
        if start_from is not None:
            warm_start(self.model, start_from)
        self.masking = make_masking(preset.codec)
        self.channel = TrainingChannel(preset, self.model, run_dir)
        self.attack = self._make_attack()
        pretrain = 0 if start_from is not None else self.settings.pretrain_epochs
        self.stages = [("reconstruct", pretrain), ("classify", self.settings.epochs)]
        self.best: list[np.ndarray] | None = None
        self.state: dict[str, Any] = {
            "settings": settings_hash(preset.model_dump()),
            "stage": 0,
            "epoch": 0,
            "best_metric": None,
            "seconds": 0.0,
        }

    def _make_attack(self) -> SourceAttack | None:
        """The inner maximisation of Eq. (9), in inference mode, by an attacker who knows neither mask nor channel."""
        s = self.settings
        if s.attack_epsilon == 0:
            return None
        settings = SourceAttackSettings(
            epsilon=s.attack_epsilon,
            steps=s.attack_steps,
            batch_size=s.batch_size,
            loss=self.task.noise_loss,
            random_start=noise_loss(self.task.noise_loss).flat_at_clean,
        )
        return SourceAttack(CodecVictim(self.model, self.masking, snr_db=s.snr_db), settings)

    # ------------------------------------------------------------------ one epoch

    def _optimizer(self, epochs: int, task: str = "classify") -> Any:
        s = self.settings
        steps = math.ceil(len(self.train) / s.batch_size) * len(stages_of(s, task))
        warmup = int(min(s.warmup_epochs, epochs / 2) * steps)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else s.learning_rate,
            max(1, epochs * steps - warmup),
            alpha=0.01,
            warmup_target=s.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=s.weight_decay, global_clipnorm=s.clip_norm)
        # the codebook, positions, norms and biases live on scales of their own
        optimizer.exclude_from_weight_decay(
            var_list=[v for v in self.model.trainable_variables if len(v.shape) < 2 or not v.path.endswith("kernel")]
        )
        return optimizer

    def _batches(self, generator: np.random.Generator) -> Iterator[tuple[np.ndarray, ...]]:
        order = generator.permutation(len(self.train))
        for start in range(0, len(order), self.settings.batch_size):
            chosen = order[start : start + self.settings.batch_size]
            pixels = augment(self.train.pixels[chosen], self.settings.shift, self.settings.flip, generator)
            yield self.task.pose(to_float(pixels), self.train.labels[chosen], generator)

    def _ramp(self, share: float, task: str, epoch: int) -> float:
        """From 0 to 1 over the first ``share`` of a stage's epochs."""
        epochs = share * dict(self.stages)[task]
        return min(1.0, epoch / epochs) if epochs else 1.0

    def _epoch(self, step: Callable[..., Any], task: str, epoch: int) -> dict[str, Any]:
        generator = rng.generator(self.settings.seed, "epoch", task, epoch)
        sums: dict[str, float] = {}
        counts = np.zeros(self.preset.codec.codebook.size, np.int64)
        features = None
        steps = skipped = 0
        ramp = self._ramp(self.settings.channel_ramp, task, epoch)
        attack = None
        if self.attack is not None and task == "classify":
            attack = self.attack.at(
                self.settings.attack_epsilon * self._ramp(self.settings.epsilon_warmup, task, epoch + 1)
            )
        for clean, labels in self._batches(generator):
            images = clean if attack is None else attack(clean, labels, generator)
            labels = self.task.targets(clean, labels)
            keep = self.masking(len(images), generator)
            # masked pre-training is error-free: with the channel in it the encoder settles on means
            error = self.channel.error(images, keep, generator, error_free=task == "reconstruct")
            if ramp < 1.0 and error is not None:
                error *= generator.random(error.shape) < ramp
            snr_db = np.full(len(images), self.settings.snr_db, np.float32)
            (terms, indices, batch_features), finite = step(clean, images, labels, keep, snr_db, error)
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + float(value)
            if indices is not None:
                counts += np.bincount(ops.convert_to_numpy(indices).ravel(), minlength=len(counts))
                features = batch_features
            steps, skipped = steps + 1, skipped + (finite == 0.0)
        line: dict[str, Any] = {name: value / steps for name, value in sums.items()}
        if skipped:
            line["skipped_steps"] = skipped
        if features is not None:
            assert self.model.codebook is not None
            line |= usage(counts)
            sample = ops.convert_to_numpy(features).reshape(-1, self.preset.codec.code_dim)
            last = epoch + 1 >= dict(self.stages)[task]  # a code moved after the last step would be untrained
            revive = self.preset.codec.codebook.revive and not last
            line["codes_replaced"] = self.model.codebook.replace_unused(counts, sample, generator) if revive else 0
        return line

    # ------------------------------------------------------------------ validation and the whole run

    def validate(self, task: str) -> float:
        """The task's score (or minus the masked reconstruction error) on the validation split, fixed draws.

        Under adversarial training it is the score on images with semantic noise of the full strength.
        """
        s = self.settings
        total = 0.0
        targets: list[np.ndarray] = []
        answers: list[list[np.ndarray]] = [[] for _ in range(s.val_repeats)]
        snr_db = np.full(EVAL_BATCH, s.snr_db, np.float32)
        for start in range(0, len(self.val), EVAL_BATCH):
            clean = to_float(self.val.pixels[start : start + EVAL_BATCH])
            labels = self.val.labels[start : start + EVAL_BATCH]
            clean, labels = self.task.pose(clean, labels, rng.generator(s.seed, "validation task", start))
            targets.append(self.task.targets(clean, labels))
            images = clean
            if self.attack is not None and task == "classify":
                images = self.attack(clean, labels, rng.generator(s.seed, "validation attack", start))
            for repeat in range(s.val_repeats):
                generator = rng.generator(s.seed, "validation", repeat, start)
                keep = self.masking(len(images), generator)
                error = self.channel.error(images, keep, generator, error_free=task == "reconstruct")
                outputs = self._forward(images, keep, snr_db[: len(images)], error)
                if task == "classify":
                    answers[repeat].append(self.task.prediction(ops.convert_to_numpy(outputs[self.task.output])))
                else:
                    squared = (ops.convert_to_numpy(outputs["image"]) - clean) ** 2
                    total -= float(squared.mean(axis=(1, 2, 3)).sum())
        if task == "classify":
            wanted = np.concatenate(targets)
            total = sum(float(self.task.score(np.concatenate(parts), wanted).sum()) for parts in answers)
        return total / (s.val_repeats * len(self.val))

    def _initialise_codebook(self) -> None:
        if self.model.codebook is None:
            return
        generator = rng.generator(self.settings.seed, "codebook")
        chosen = generator.choice(len(self.train), min(len(self.train), 512), replace=False)
        keep = self.masking(len(chosen), generator)
        snr_db = np.full(len(chosen), self.settings.snr_db, np.float32)
        features, _ = self.model.encode(to_float(self.train.pixels[chosen]), keep, snr_db)
        sample = ops.convert_to_numpy(features).reshape(-1, self.preset.codec.code_dim)
        self.model.codebook.initialise_from(sample, generator)

    def run(self) -> SemanticCodec:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self._forward = compile_function(lambda *inputs: self.model(*inputs, training=False))
        stored = self._resume()
        if stored is None and not self.warm:
            self._initialise_codebook()
        for number, (task, epochs) in enumerate(self.stages):
            if number < self.state["stage"] or epochs == 0:
                continue
            optimizer = self._optimizer(epochs, task)
            optimizer.build(self.model.trainable_variables)
            first = 0
            if stored is not None and number == self.state["stage"]:
                first = self.state["epoch"]
                checkpoint.restore(optimizer.variables, stored, "optimizer")
            step = make_step(self.model, self.settings, task, optimizer)
            for epoch in range(first, epochs):
                self._train_epoch(step, optimizer, task, number, epoch, epochs)
            self._take_best()
            stored = None
            self.state |= {"stage": number + 1, "epoch": 0}
            if number + 1 < len(self.stages):
                self.state["best_metric"] = None
            checkpoint.save(self.run_dir / "checkpoint.npz", self.model, optimizer, self.state, None)
        return self.model

    def _train_epoch(
        self, step: Callable[..., Any], optimizer: Any, task: str, number: int, epoch: int, epochs: int
    ) -> None:
        started = time.monotonic()
        line = self._epoch(step, task, epoch)
        metric = self.validate(task)
        if self.state["best_metric"] is None or metric >= self.state["best_metric"]:
            self.state["best_metric"] = metric
            self.best = [ops.convert_to_numpy(v.value).copy() for v in self.model.variables]
        self.state["seconds"] += time.monotonic() - started
        self.state |= {"stage": number, "epoch": epoch + 1}
        checkpoint.save(self.run_dir / "checkpoint.npz", self.model, optimizer, self.state, self.best)
        line = {"stage": task, "epoch": epoch + 1, "epochs": epochs, **line, "val": metric}
        line |= {"best_val": self.state["best_metric"], "seconds": round(self.state["seconds"], 1)}
        self._log(line)
        self.report(line)

    def _log(self, line: dict[str, Any]) -> None:
        path = self.run_dir / "log.jsonl"
        rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()}
        write_text(path, (path.read_text() if path.is_file() else "") + json.dumps(rounded) + "\n")

    def _take_best(self) -> None:
        if self.best is not None:
            for variable, value in zip(self.model.variables, self.best, strict=True):
                variable.assign(value)
        self.best = None

    def _resume(self) -> dict[str, np.ndarray] | None:
        path = self.run_dir / "checkpoint.npz"
        if not path.is_file():
            return None
        state, arrays = checkpoint.load_state(path)
        if state["settings"] != self.state["settings"]:
            raise UserError(f"{path}: belongs to other settings; use --fresh, or another --run-dir")
        self.state = state
        checkpoint.restore(self.model.variables, arrays, "model")
        count = sum(name.startswith("best/") for name in arrays)
        self.best = [arrays[f"best/{i}"] for i in range(count)] or None
        return arrays
