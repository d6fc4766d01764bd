"""The one training loop: masked pre-training, then the task with the channel in the loop (Algorithm 2 and 3).

Every scheme runs the same steps, less what its settings leave out: semantic noise against the present weights, Eq. (7),
kept patches, the channel's error, weight perturbation, Eq. (10), and a descent on the sum of all terms of Eq. (12), (16)
and (17), or one descent after the other on the terms that each stage of Algorithm 3 names. Randomness of an epoch comes
from (seed, stage, epoch) alone, so a killed run goes on as if it was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.data.common import Images, to_float
from sc_sionna.semantic.codebook import usage
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.semantic.weights import file_identity, place
from sc_sionna.settings import Preset, TrainSettings
from sc_sionna.tasks import make_codec, make_task, noise_loss, warm_start
from sc_sionna.training import checkpoint
from sc_sionna.training.augment import augment
from sc_sionna.training.channel import TrainingChannel, random_arrivals
from sc_sionna.training.decoded import DecodedPictures
from sc_sionna.training.optimizer import make_optimizer, precision
from sc_sionna.training.run_folder import RunFolder, inputs_of, log_line
from sc_sionna.training.step import make_step, stages_of
from sc_sionna.training.validation import Validation


class Trainer:
    """Trains the codec of a preset; ``run()`` returns the model with the weights of the best validation epoch.

    The stages are called "reconstruct", masked pre-training, and "classify", the codec's task, whichever it is: random
    streams, logs and checkpoints know them by these names.

    preset : settings of the scheme
    train, val : images of the training and the validation split
    run_dir : folder of the checkpoint, the log (one JSON line per epoch) and a calibration measured on the way; locked
        while ``run()`` is at work
    report : called with each epoch's log line
    start_from : weights of a trained codec to start from instead of the pre-training stage, or None
    workers : parts of a batch whose gradients are computed side by side (PyTorch alone); changes results by rounding only
    finished : called with the task of each stage but the last when it ends; the model has its best weights then
    fresh : forget an earlier run in ``run_dir`` when this one begins
    """

    def __init__(
        self,
        preset: Preset,
        train: Images,
        val: Images,
        run_dir: Path,
        report: Callable[[dict[str, Any]], None] = lambda line: None,
        start_from: Path | None = None,
        finished: Callable[[str], None] = lambda task: None,
        fresh: bool = False,
        workers: int = 1,
    ) -> None:
        self.preset, self.train, self.val, self.report, self.finished = preset, train, val, report, finished
        self.settings: TrainSettings = preset.train
        self.folder, self.fresh, self.workers = RunFolder(run_dir), fresh, workers
        rng.set_global_seeds(self.settings.seed, "weights")
        with precision(self.settings.precision):
            self.model = make_codec(preset.codec).initialise()
        self.task = make_task(preset.codec)
        # the epoch, counted over all stages, before which the codebook is taken from the features; None where it is there
        self.codebook_epoch = None if self.model.codebook is None else self.settings.continuous_epochs
        if start_from is not None:
            taken = warm_start(self.model, start_from)
            if self.model.codebook is not None and place(self.model.codebook.vectors) in taken:
                self.codebook_epoch = None
        self.masking = make_masking(preset.codec)
        pretrain = 0 if start_from is not None else self.settings.pretrain_epochs
        self.stages = [("reconstruct", pretrain), ("classify", self.settings.epochs)]
        if not any(epochs for _, epochs in self.stages):
            instead = "" if start_from is None else " after --start-from, which takes the place of pre-training"
            raise UserError(f"epochs = 0: nothing to train{instead}; set epochs or pretrain_epochs to at least 1")
        if self.codebook_epoch and self.codebook_epoch >= sum(epochs for _, epochs in self.stages):
            raise UserError(
                f"continuous_epochs = {self.codebook_epoch}: leaves no epoch with the quantiser; set it below the "
                "epochs of all stages"
            )
        self.channel = TrainingChannel(preset, self.model, run_dir, self.folder.locked)
        self.attack = self._make_attack()
        self.decoded = DecodedPictures(self.settings.source_codecs, preset.codec.image_size)
        shown = self.decoded.of(val, rng.generator(self.settings.seed, "validation pictures"))
        self.validation = Validation(
            self.model, self.task, shown, self.settings, self.masking, self.channel, self.attack
        )
        self.best: list[np.ndarray] | None = None
        started = None if start_from is None else file_identity(start_from)
        modules = [cls.__module__ for cls in type(self).__mro__ if cls is not object]  # of a user's subclass too
        self.state: dict[str, Any] = {
            "format": checkpoint.FORMAT,
            "inputs": inputs_of(preset, train, val, started, self.channel.calibration_sha256, modules),
            "stage": 0,
            "epoch": 0,
            "best_metric": None,
            "best_content": {},
            "seconds": 0.0,
            "log": [],
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
        return SourceAttack(CodecVictim(self.model, self.masking, snr_db=s.snr_db), settings)  # Eq. (9): the inner max

    # ------------------------------------------------------------------ one epoch

    def _optimizer(self, epochs: int, task: str = "classify") -> Any:
        steps = math.ceil(len(self.train) / self.settings.batch_size) * len(stages_of(self.settings, task))
        return make_optimizer(self.model, self.settings, epochs, steps)

    def _batches(self, generator: np.random.Generator) -> Iterator[tuple[np.ndarray, ...]]:
        order = generator.permutation(len(self.train))
        for start in range(0, len(order), self.settings.batch_size):
            chosen = order[start : start + self.settings.batch_size]
            pixels = augment(self.train.pixels[chosen], self.settings.shift, self.settings.flip, generator)
            yield self.task.pose(to_float(self.decoded(pixels, generator)), self.train.labels[chosen], generator)

    def _ramp(self, share: float, task: str, epoch: int) -> float:
        """From 0 to 1 over the first ``share`` of a stage's epochs."""
        epochs = share * dict(self.stages)[task]
        return min(1.0, epoch / epochs) if epochs else 1.0

    def _noisy(
        self, attack: SourceAttack | None, batch: tuple[np.ndarray, ...], generator: np.random.Generator
    ) -> np.ndarray:
        """Images with semantic noise against the present weights, or as they are without an attack."""
        clean, labels = batch
        return clean if attack is None else attack.craft(clean, labels, generator).images

    def _inputs(
        self, task: str, ramp: float, batch: tuple[np.ndarray, ...], generator: np.random.Generator, images: np.ndarray
    ) -> tuple[np.ndarray | None, ...]:
        """Targets, kept patches, SNRs, error and arrivals of a batch; ``images`` are those that are sent.

        ramp : the share of the channel's errors that happen, growing over the first epochs
        """
        keep = self.masking(len(images), generator)
        snr_db = self.channel.draw_snr(len(images), generator)
        # masked pre-training is error-free: with the channel in it the encoder settles on means
        error = self.channel.error(images, keep, snr_db, generator, error_free=task == "reconstruct")
        if ramp < 1.0 and error is not None:
            error *= generator.random(error.shape) < ramp
        dropout = self.settings.token_dropout if task == "classify" else 0.0
        arrived = random_arrivals(len(images), keep.shape[1], dropout, generator)
        return self.task.targets(*batch), keep, snr_db, error, arrived

    def _epoch(self, step: Callable[..., Any], task: str, epoch: int, quantise: bool = True) -> dict[str, Any]:
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
        for batch in self._batches(generator):
            craft = partial(self._noisy, attack, batch, generator)
            draw = partial(self._inputs, task, ramp, batch, generator)
            (terms, indices, batch_features), finite = step(batch[0], craft, draw)
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

    def _initialise_codebook(self) -> None:
        """Codebook vectors by k-means from the features of the present encoder."""
        assert self.model.codebook is not None
        generator = rng.generator(self.settings.seed, "codebook")
        chosen = generator.choice(len(self.train), min(len(self.train), 512), replace=False)
        keep = self.masking(len(chosen), generator)
        snr_db = self.channel.draw_snr(len(chosen), generator)
        features, _ = self.model.encode(to_float(self.train.pixels[chosen]), keep, snr_db)
        sample = ops.convert_to_numpy(features).reshape(-1, self.preset.codec.code_dim)
        self.model.codebook.initialise_from(sample, generator)

    def run(self) -> SemanticCodec:
        """Train from the start or from the checkpoint of the same inputs to the end.

        Raises
        ------
        UserError
            The folder cannot be written or is in use, its checkpoint is damaged or of other inputs, or validation was never
            a finite number.
        """
        with self.folder.locked():
            if self.fresh:
                self.folder.forget()
            self._run_stages(self._resume())
        return self.model

    def _run_stages(self, stored: dict[str, np.ndarray] | None) -> None:
        for number, (task, epochs) in enumerate(self.stages):
            if number < self.state["stage"] or epochs == 0:
                continue
            optimizer = self._optimizer(epochs, task)
            optimizer.build(self.model.trainable_variables)
            first = self.state["epoch"] if number == self.state["stage"] else 0
            # before its first epoch a stage has an optimiser of its own, still fresh
            if stored is not None and first > 0:
                checkpoint.restore(self.folder.checkpoint, optimizer.variables, stored, "optimizer")
            step: Callable[..., Any] | None = None
            before = sum(count for _, count in self.stages[:number])
            for epoch in range(first, epochs):
                quantise = self.codebook_epoch is None or before + epoch >= self.codebook_epoch
                if before + epoch == self.codebook_epoch:
                    self._initialise_codebook()
                    # what validation says of features without a quantiser says nothing of those with one
                    step, self.best, self.state["best_metric"] = None, None, None
                step = step or make_step(self.model, self.settings, task, optimizer, quantise, self.workers)
                self._train_epoch(step, optimizer, task, number, epoch, epochs, quantise)
            self._take_best(task)
            stored = None
            self.state |= {"stage": number + 1, "epoch": 0}
            if number + 1 < len(self.stages):
                self.finished(task)
                self.state |= {"best_metric": None, "best_content": {}}
            self.folder.save(self.model, None, self.state, None)

    def _train_epoch(
        self, step: Callable[..., Any], optimizer: Any, task: str, number: int, epoch: int, epochs: int, quantise: bool
    ) -> None:
        started = time.monotonic()
        line = self._epoch(step, task, epoch, quantise)
        metric = self.validation.score(task, quantise)
        content = self.validation.content(task, quantise)
        best = self.state["best_metric"]
        if math.isfinite(metric) and (best is None or metric >= best):
            self.state |= {"best_metric": metric, "best_content": content}
            self.best = [ops.convert_to_numpy(v.value).copy() for v in self.model.variables]
        self.state["seconds"] += time.monotonic() - started
        self.state |= {"stage": number, "epoch": epoch + 1}
        line = {"stage": task, "epoch": epoch + 1, "epochs": epochs, **line, "val": metric, **content}
        line |= {
            "best_val": metric if best is None else self.state["best_metric"],
            "seconds": round(self.state["seconds"], 1),
        }
        self.state["log"] = [*self.state["log"], log_line(line)]
        self.folder.save(self.model, optimizer, self.state, self.best)
        self.report(line)

    def _take_best(self, task: str) -> None:
        if self.best is None:
            raise UserError(
                f"{self.folder.path}: validation of the stage {task!r} was never a finite number; set a smaller "
                "learning_rate, and --fresh"
            )
        for variable, value in zip(self.model.variables, self.best, strict=True):
            variable.assign(value)
        self.best = None

    def _resume(self) -> dict[str, np.ndarray] | None:
        loaded = self.folder.load(self.model, self.state["inputs"], self.stages)
        if loaded is None:
            return None
        self.state, arrays = loaded
        checkpoint.restore(self.folder.checkpoint, self.model.variables, arrays, "model")
        self.best = checkpoint.group_of(arrays, "best") or None
        return arrays
