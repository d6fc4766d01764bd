"""The one training loop: masked pre-training, then the task with the channel in the loop (Algorithms 2 and 3).

Every scheme runs the same steps, less what its settings leave out: semantic noise against the present weights (Eq. 7),
kept patches, the channel's error, weight perturbation (Eq. 10), and a descent on the sum of all terms of Eq. (12), (16)
and (17), or one descent after the other on the terms that each stage of Algorithm 3 names. Randomness of an epoch comes
from (seed, stage, epoch) alone, so a killed run goes on as if it was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core import rng
from sc_sionna.core.backend import compile_function
from sc_sionna.core.errors import UserError
from sc_sionna.data.common import Images, to_float
from sc_sionna.semantic.codebook import usage
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.semantic.content import payload_content, variance_within
from sc_sionna.semantic.weights import file_identity, place, warm_start
from sc_sionna.settings import Preset, TrainSettings
from sc_sionna.training import checkpoint
from sc_sionna.training.augment import augment
from sc_sionna.training.channel import TrainingChannel, random_arrivals
from sc_sionna.training.optimizer import make_optimizer, precision
from sc_sionna.training.run_folder import RunFolder, inputs_of, log_line
from sc_sionna.training.step import make_step, stages_of

EVAL_BATCH = 256


class Trainer:
    """Trains the codec of a preset; ``run()`` returns the model with the weights of the best validation epoch.

    preset : settings of the scheme
    train, val : images of the training and the validation split
    run_dir : folder of the checkpoint, the log (one JSON line per epoch) and a calibration measured on the way; locked
        while ``run()`` is at work
    report : called with each epoch's log line
    start_from : weights of a trained codec to start from instead of the pre-training stage, or None
    workers : parts of a batch whose gradients are computed side by side (PyTorch alone); changes results by rounding only
    finished : called with the task of each stage but the last when it ends; the model has its best weights then
    fresh : forget an earlier run in ``run_dir`` when this one begins
    code : what the caller knows of the code that runs; a run is continued only with the same
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
        code: Any = None,
        workers: int = 1,
    ) -> None:
        self.preset, self.train, self.val, self.report, self.finished = preset, train, val, report, finished
        self.settings: TrainSettings = preset.train
        self.folder, self.fresh, self.workers = RunFolder(run_dir), fresh, workers
        rng.set_global_seeds(self.settings.seed, "weights")
        with precision(self.settings.precision):
            self.model = SemanticCodec(preset.codec).initialise()
        # the epoch, counted over all stages, before which the codebook is taken from the features; None where it is there
        self.codebook_epoch = None if self.model.codebook is None else self.settings.continuous_epochs
        if start_from is not None:
            taken = warm_start(self.model, start_from)
            if self.model.codebook is not None and place(self.model.codebook.vectors) in taken:
                self.codebook_epoch = None
        self.masking = make_masking(preset.codec)
        self.channel = TrainingChannel(preset, self.model, run_dir)
        self.attack = self._make_attack()
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
        self.best: list[np.ndarray] | None = None
        started = None if start_from is None else file_identity(start_from)
        self._forwards: dict[bool, Callable[..., Any]] = {}
        self.state: dict[str, Any] = {
            "format": checkpoint.FORMAT,
            "inputs": inputs_of(preset, train, val, started, self.channel.calibration_sha256, code),
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
        settings = SourceAttackSettings(epsilon=s.attack_epsilon, steps=s.attack_steps, batch_size=s.batch_size)
        return SourceAttack(CodecVictim(self.model, self.masking, snr_db=s.snr_db), settings)

    # ------------------------------------------------------------------ one epoch

    def _optimizer(self, epochs: int, task: str = "classify") -> Any:
        steps = math.ceil(len(self.train) / self.settings.batch_size) * len(stages_of(self.settings, task))
        return make_optimizer(self.model, self.settings, epochs, steps)

    def _batches(self, generator: np.random.Generator) -> Iterator[tuple[np.ndarray, ...]]:
        order = generator.permutation(len(self.train))
        for start in range(0, len(order), self.settings.batch_size):
            chosen = order[start : start + self.settings.batch_size]
            pixels = augment(self.train.pixels[chosen], self.settings.shift, self.settings.flip, generator)
            yield to_float(pixels), self.train.labels[chosen]

    def _ramp(self, share: float, task: str, epoch: int) -> float:
        """From 0 to 1 over the first ``share`` of a stage's epochs."""
        epochs = share * dict(self.stages)[task]
        return min(1.0, epoch / epochs) if epochs else 1.0

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
        for clean, labels in self._batches(generator):
            images = clean if attack is None else attack.craft(clean, labels, generator).images
            keep = self.masking(len(images), generator)
            snr_db = self.channel.draw_snr(len(images), generator)
            # masked pre-training is error-free: with the channel in it the encoder settles on means
            error = self.channel.error(images, keep, snr_db, generator, error_free=task == "reconstruct")
            if ramp < 1.0 and error is not None:
                error *= generator.random(error.shape) < ramp
            dropout = self.settings.token_dropout if task == "classify" else 0.0
            arrived = random_arrivals(len(images), keep.shape[1], dropout, generator)
            (terms, indices, batch_features), finite = step(clean, images, labels, keep, snr_db, error, arrived)
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

    def _forward(self, quantise: bool) -> Callable[..., Any]:
        if quantise not in self._forwards:
            model = self.model
            self._forwards[quantise] = compile_function(
                lambda *inputs: model(*inputs, quantise=quantise, training=False)
            )
        return self._forwards[quantise]

    def validate(self, task: str, quantise: bool = True) -> float:
        """Accuracy (or minus the reconstruction error) on the validation split, with fixed draws of the training channel.

        Under adversarial training it is the accuracy on images with semantic noise of the full strength.
        """
        s, forward = self.settings, self._forward(quantise)
        total = 0.0
        for start in range(0, len(self.val), EVAL_BATCH):
            clean = to_float(self.val.pixels[start : start + EVAL_BATCH])
            labels = self.val.labels[start : start + EVAL_BATCH]
            images = clean
            if self.attack is not None and task == "classify":
                images = self.attack.craft(clean, labels, rng.generator(s.seed, "validation attack", start)).images
            for repeat in range(s.val_repeats):
                generator = rng.generator(s.seed, "validation", repeat, start)
                keep = self.masking(len(images), generator)
                snr_db = self.channel.draw_snr(len(images), generator)
                error = self.channel.error(images, keep, snr_db, generator, error_free=task == "reconstruct")
                outputs = forward(images, keep, snr_db, error)
                if task == "classify":
                    total += float((ops.convert_to_numpy(outputs["logits"]).argmax(-1) == labels).sum())
                else:
                    squared = (ops.convert_to_numpy(outputs["image"]) - clean) ** 2
                    total -= float(squared.mean(axis=(1, 2, 3)).sum())
        return total / (s.val_repeats * len(self.val))

    def inspect(self, task: str, quantise: bool = True) -> dict[str, Any]:
        """What the payload of the validation split carries, error-free, with one draw of the mask for each image.

        ``variance_within`` of the features, the numbers of :func:`payload_content` where they are quantised, and
        ``val_error_free``, the accuracy, for classification. Before there is a classifier the entropy of an index is that
        given its position alone. Nothing for a codec without a link.
        """
        if self.channel.payload == 0:
            return {}
        found: dict[str, list[np.ndarray]] = {"features": [], "indices": [], "keep": [], "predicted": []}
        for start in range(0, len(self.val), EVAL_BATCH):
            images = to_float(self.val.pixels[start : start + EVAL_BATCH])
            generator = rng.generator(self.settings.seed, "validation", 0, start)
            keep = self.masking(len(images), generator)
            outputs = self._forward(quantise)(images, keep, self.channel.draw_snr(len(images), generator), None)
            values = {name: ops.convert_to_numpy(outputs[name]) for name in ("features", "indices") if name in outputs}
            predicted = ops.convert_to_numpy(outputs["logits"]).argmax(-1)
            values |= {"keep": keep, "predicted": predicted if task == "classify" else np.zeros_like(predicted)}
            for name, value in values.items():
                found[name].append(value)
        predicted = np.concatenate(found["predicted"])
        line: dict[str, Any] = {"variance_within": variance_within(np.concatenate(found["features"]))}
        if task == "classify":
            line["val_error_free"] = float((predicted == self.val.labels).mean())
        if found["indices"]:
            line |= payload_content(np.concatenate(found["indices"]), np.concatenate(found["keep"]), predicted)
        return line

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
            if (
                stored is not None and first > 0
            ):  # before its first epoch a stage has an optimiser of its own, still fresh
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
        metric = self.validate(task, quantise)
        content = self.inspect(task, quantise)
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
