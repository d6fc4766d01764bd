"""The main job: how well several schemes perform their task, and their error rates, against SNR, over one link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.attacks.jamming import candidates
from sc_sionna.attacks.threats import Threat
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import Images, to_float
from sc_sionna.experiments.accuracy_settings import AccuracySettings, can_attack
from sc_sionna.experiments.base import Experiment
from sc_sionna.experiments.noise import SemanticNoise
from sc_sionna.figures.curves import plot_task_vs_snr
from sc_sionna.phy.awgn_table import awgn_sha256
from sc_sionna.phy.channels import make_channel
from sc_sionna.phy.mode_table import table_sha256
from sc_sionna.schemes import Batch, Scheme, describe_scheme, make_scheme
from sc_sionna.schemes.adaptive import AdaptiveScheme
from sc_sionna.settings import Settings
from sc_sionna.sweep import Outcome, Point, Record
from sc_sionna.sweep.metrics import merge
from sc_sionna.sweep.scores import joined, summarised
from sc_sionna.tasks import make_task

Draw = Callable[[Record, Path], None]
VALIDATION_IMAGES, VALIDATION_INDEX = 500, 2**31 - 1  # the index names draws; no batch of a sweep has it


class AccuracyExperiment(Experiment):
    """Points (scheme, SNR, threat); all see the same test images, each once, and at an SNR the same fading and noise.

    settings : what is compared
    data_dir : folder with DATASET/SPLIT/CLASS/FILE images, or None for the built-in data set
    weights : folder of the trained weights, or None for those of the package
    figure : draws a record, where that is not accuracy against SNR
    more_notes : what that figure needs beside the points, see :meth:`notes`
    """

    def __init__(
        self,
        settings: AccuracySettings,
        data_dir: Path | None = None,
        weights: Path | None = None,
        figure: Draw | None = None,
        more_notes: Callable[[AccuracyExperiment], dict[str, Any]] | None = None,
    ) -> None:
        self.settings, self.data_dir, self.weights = settings, data_dir, weights
        self.figure, self.more_notes = figure, more_notes
        described = {spec.label: describe_scheme(spec, settings.preset, weights) for spec in settings.schemes}
        self.described = {name: preset for name, (preset, _) in described.items()}
        self.codec = next(iter(described.values()))[0].codec
        tasks = dict.fromkeys(preset.codec.task for preset, _ in described.values())
        if len(tasks) > 1:
            raise UserError(f"systems: trained for different tasks, {' and '.join(tasks)}; compare those of one task")
        self.task = make_task(self.codec)
        if self.task.metric is None:
            raise UserError(f"task = {self.codec.task!r}: no sweep can count what it does; compare classifiers")
        self.metric = self.task.metric
        settings.stop.check(self.metric)
        self.weights_sha256 = {name: description["sha256"] for name, (_, description) in described.items()}
        test = load(settings.dataset, "test", data_dir, self.codec.image_size)
        self.images = test.shuffled(settings.max_images)
        if self.task.labels_are_classes and len(self.images.classes) != self.codec.num_classes:
            raise UserError(
                f"dataset = {settings.dataset!r}: {len(self.images.classes)} classes, the weights of "
                f"{settings.preset!r} know {self.codec.num_classes}; choose the data set they were trained on"
            )
        self.max_batches = -(-len(self.images) // settings.batch_size)
        self.data_set = f"{settings.dataset}, {len(self.images)} test images"
        self.specs = {spec.label: spec for spec in settings.schemes}
        self.threats = {threat.label: threat for threat in settings.threats}
        self._schemes: dict[str, Scheme] = {}
        self.noise = SemanticNoise(settings.seed, lambda count: self._train().head(count))

    def weights_settings(self) -> dict[str, Settings]:
        """Settings of the trained weights of every scheme that has some, by its label."""
        return dict(self.described)

    def crafted(self, point: Point, batch: int) -> str | None:
        """SHA-256 of the noisy images, or of the noise at the receiver, that the batch was evaluated on."""
        if point.threat is None:
            return None
        return self.noise.sha256(self._schemes[point.system], self.threats[point.threat], self.batch(batch))

    def made_with(self) -> dict[str, Any]:
        """With the training images, where the mean image of JPEG or an attacker over the air takes them."""
        streams = any(spec.scheme_class.payload == "stream" for spec in self.settings.schemes)
        trained_on = streams or any(threat.where == "receiver" for threat in self.settings.threats)
        return super().made_with() | ({"train_images_sha256": self._train().sha256()} if trained_on else {})

    def inputs(self) -> dict[str, Any]:
        """SHA-256 of every scheme's weights, of the test images, and of the table by which a link chooses its mode."""
        found = {"weights_sha256": self.weights_sha256, "images_sha256": self.images.sha256()}
        link = self.settings.link
        if link.adapts in ("rank", "mcs"):
            assert link.channel_uses is not None
            found["mode_table_sha256"] = awgn_sha256() if link.by_realisation else table_sha256(link.channel_uses)
            if link.target_bler is None:
                found["validation_images_sha256"] = self._validation().sha256()
        return found

    def points(self) -> list[Point]:
        """Every scheme at every SNR, without and with each threat that can be used against it."""
        s = self.settings
        threats = [*([None] if s.clean else []), *s.threats]
        return [
            Point(spec.label, snr_db, threat.label if threat else None)
            for snr_db in s.snr_db
            for threat in threats
            for spec in s.schemes
            if threat is None or can_attack(threat, spec.scheme_class)
        ]

    def scheme(self, label: str) -> Scheme:
        """A scheme with its weights; :meth:`prepare` builds all, nothing in a sweep builds one."""
        if label not in self._schemes:
            s = self.settings
            self._schemes[label] = make_scheme(
                self.specs[label], s.preset, s.link, self._mean_image, self.weights, s.decoding
            )
        return self._schemes[label]

    def prepare(self) -> None:
        """Build every scheme, an adaptive one in all its modes, and ask whether its framing has what a pattern needs."""
        for label, spec in self.specs.items():
            scheme = self.scheme(label)
            if isinstance(scheme, AdaptiveScheme):
                scheme.prepare(self.settings.snr_db, self._validation_batch)
            for threat in (t for t in self.settings.threats if can_attack(t, spec.scheme_class)):
                if isinstance(scheme, spec.scheme_class) and not can_attack(threat, type(scheme)):
                    raise UserError(
                        f"threats = {threat.label}: needs a gradient at the receiver, and {label!r} sends streams of "
                        "different lengths, which have none; leave its thresholds out, or run it without the threat"
                    )
                if threat.needs_layout:
                    candidates(threat.attack, scheme.air_layouts(self.batch(0)))

    def _train(self) -> Images:
        return load(self.settings.dataset, "train", self.data_dir, self.codec.image_size)

    def _validation(self) -> Images:
        """Images on which an adaptive link learns what bits are worth."""
        return load(self.settings.dataset, "val", self.data_dir, self.codec.image_size).head(VALIDATION_IMAGES)

    def _validation_batch(self) -> Batch:
        found = self._validation()
        generator = rng.generator(self.settings.seed, "task", "validation")
        images, labels = self.task.pose(to_float(found.pixels), found.labels, generator)
        return Batch(images, labels, VALIDATION_INDEX, self.settings.seed)

    def _mean_image(self) -> np.ndarray:
        return self._train().mean_image()

    def batch(self, number: int) -> Batch:
        """Images of a batch as the task poses them, the same for all schemes, SNRs and threats."""
        rows = slice(number * self.settings.batch_size, (number + 1) * self.settings.batch_size)
        images, labels = self.task.pose(
            to_float(self.images.pixels[rows]),
            self.images.labels[rows],
            rng.generator(self.settings.seed, "task", number),
        )
        return Batch(images, labels, number, self.settings.seed)

    def evaluate(self, point: Point, batch: int) -> Outcome:
        """As the base class, with the task's scores and hits; every network is built before, by :meth:`prepare`."""
        scheme, images, interference = self._schemes[point.system], self.batch(batch), None
        if point.threat is not None:
            threat = self.threats[point.threat]
            images = replace(images, images=self.noise.images(scheme, threat, images), clean=images.images)
            interference = self.noise.interference(scheme, threat, images, point.snr_db)
        outputs = scheme.transmit(images, point.snr_db, interference)
        answers, targets = outputs["predictions"], images.targets(self.task)
        scores, hits = self.task.scores(answers, targets), self.task.hits(answers, targets)
        return Outcome(scheme.counts(images, outputs), scores, hits)

    def forget(self) -> None:
        """Drop what schemes and noise keep of the batches so far."""
        for scheme in self._schemes.values():
            scheme.forget()
        self.noise.forget()

    def budgets(self) -> dict[str, dict[str, Any]]:
        """Cost of an image by scheme, over all test images."""
        return {label: self.scheme(label).budget(self.images.pixels).model_dump() for label in self.specs}

    def notes(self) -> dict[str, Any]:
        """The metric of guessing and of every scheme without errors on the air; what the attackers knew and did.

        ``channel_mean_energy`` is the E|h|² that was measured when the channel model was built, before any normalisation.
        """
        notes: dict[str, Any] = {
            "channel_mean_energy": make_channel(self.settings.link).mean_energy,
            "chance": self.task.chance,
            "error_free_accuracy": {label: self.error_free(label) for label in self.specs},
        }
        if self.settings.link.adaptation != "none":
            notes["modes"] = {label: self._modes(label) for label in self.specs}
        if self.threats:
            notes["attacker_knows"] = {label: threat.knowledge for label, threat in self.threats.items()}
            notes["backward_pass"] = {label: spec.scheme_class.gradient for label, spec in self.specs.items()}
            notes["realised_ssnr_db"] = self._by_threat(self.noise.realised_ssnr_db)
            if any(threat.needs_layout for threat in self.threats.values()):
                notes["jammed_uses"] = self._by_threat(self.noise.jammed_uses)
        return notes | (self.more_notes(self) if self.more_notes else {})

    def _modes(self, label: str) -> dict[str, Any]:
        """By SNR the mode that a scheme's link chose, or where each image has its own the share of every mode."""
        scheme = self.scheme(label)
        if not isinstance(scheme, AdaptiveScheme):
            return {}
        return {f"{snr:g}": scheme.chosen(snr, self._batches) for snr in self.settings.snr_db}

    def _batches(self) -> Iterator[Batch]:
        """All batches of the test images."""
        return map(self.batch, range(self.max_batches or 0))

    def _by_threat(self, told: Callable[[Scheme, Any], Any]) -> dict[str, dict[str, Any]]:
        """What is told of an attacker over the air, by threat and scheme; the same whether the sweep was resumed or not."""
        found: dict[str, dict[str, Any]] = {}
        for label, threat in dict.fromkeys((p.system, p.threat) for p in self.points() if p.threat is not None):
            value = told(self.scheme(label), self.threats[threat])
            if value is not None:
                found.setdefault(threat, {})[label] = value
        return found

    def error_free(self, label: str, threat: Threat | None = None) -> float:
        """The metric over all images where nothing goes wrong on the air, under noise at the transmitter if given."""
        scheme, top = self.scheme(label), max(self.settings.snr_db)
        counts, scores = [], []
        for number in range(self.max_batches or 0):
            batch = self.batch(number)
            if threat is not None:
                batch = replace(batch, images=self.noise.images(scheme, threat, batch), clean=batch.images)
            answers, targets = scheme.error_free_predictions(batch, top), batch.targets(self.task)
            counts.append(self.task.counts(answers, targets))
            scores.append(self.task.scores(answers, targets))
            self.forget()
        found: dict[str, Any] = {**merge(*counts), **summarised(joined(scores))}
        value = self.metric.value(found)
        assert value is not None
        return value

    def draw(self, record: Record, path: Path) -> None:
        """The metric against the SNR, or the figure that the experiment was built with."""
        if self.figure is not None:
            self.figure(record, path)
            return

        s = self.settings
        title = f"{self.images.name}: {self.codec.task} over {s.link.channel} {s.link.num_tx_ant}x{s.link.num_rx_ant}"
        title += f", {s.link.num_streams} streams, {s.link.modulation}"
        plot_task_vs_snr(record, path, title)
