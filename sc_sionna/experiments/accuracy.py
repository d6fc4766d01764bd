"""The main job: how well several systems perform their task, and their error rates, against SNR, over one link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from sc_sionna.attacks.threats import KNOWLEDGE, Threat
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import Images, to_float
from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.experiments.noise import SemanticNoise
from sc_sionna.figures.curves import plot_accuracy_vs_snr
from sc_sionna.phy.channels import make_channel
from sc_sionna.schemes import Batch, Scheme, describe_scheme, make_scheme, parse_system
from sc_sionna.schemes.jpeg import JpegSettings
from sc_sionna.settings import LinkSettings, Settings
from sc_sionna.sweep import Point, Record, StopRule
from sc_sionna.sweep.metrics import merge
from sc_sionna.tasks import make_task

Draw = Callable[[Record, Path], None]


class AccuracySettings(SweepSettings):
    """Everything that the counts of an accuracy sweep depend on, besides the weights (named by their SHA-256)."""

    kind: Literal["accuracy"] = "accuracy"
    preset: str = Field("digits", description="the preset whose trained systems are compared")
    dataset: str = Field("digits", description="the data set of the test images")
    systems: tuple[str, ...] = Field(
        ("masked-vqvae", "jpeg-ldpc"),
        min_length=1,
        description="the systems that are compared: SCHEME, SCHEME@VARIANT or SCHEME[setting=value,...]",
    )
    snr_db: tuple[float, ...] = Field((-9, -6, -3, 0, 3, 6, 9, 12, 15, 18), min_length=1, description="the SNRs in dB")
    max_images: int | None = Field(None, ge=1, description="the number of test images; null for all")
    batch_size: int = Field(128, ge=1, le=4096, description="images per Monte-Carlo batch")
    link: LinkSettings = Field(default_factory=LinkSettings)
    jpeg: JpegSettings = Field(default_factory=JpegSettings)
    decoding: Literal["hard", "soft"] = Field(
        "hard", description="codebook vectors of hard indices, or posterior means from the decoder's soft output"
    )
    clean: bool = Field(True, description="false to leave out the points without semantic noise")
    threats: dict[str, Threat] = Field(default_factory=dict, description="semantic noise by the name in the record")
    left_out: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="by threat, the systems that it is not run on"
    )
    stop: StopRule = Field(default_factory=StopRule)
    seed: int = Field(1, ge=0, description="the run seed")

    @model_validator(mode="after")
    def _check(self) -> AccuracySettings:
        for name in self.systems:
            parse_system(name)
        if len(set(self.systems)) < len(self.systems):
            raise ValueError(f"systems = {', '.join(self.systems)}: one occurs twice; name each once")
        if not self.clean and not self.threats:
            raise ValueError(
                "clean = False: without threats nothing is left to run; name a threat, or set clean = true"
            )
        self._check_gradients()
        for threat, names in self.left_out.items():
            unknown = [name for name in names if name not in self.systems]
            if threat not in self.threats or unknown:
                what, known = (unknown[0], self.systems) if threat in self.threats else (threat, tuple(self.threats))
                raise ValueError(f"left_out: {what!r} is not compared; choose {', '.join(known) or 'a threat first'}")
        return self

    def _check_gradients(self) -> None:
        """ValueError where a system has no gradient with respect to the received signals that a threat needs."""
        for threat in (name for name, t in self.threats.items() if t.kind == "over-the-air"):
            attacked = [name for name in self.systems if name not in self.left_out.get(threat, ())]
            schemes = {name: parse_system(name).scheme for name in attacked}
            entropy_coded = [name for name, scheme in schemes.items() if scheme.startswith("jpeg")]
            if entropy_coded:
                raise ValueError(
                    f"threat {threat!r}: entropy-coded bits of {entropy_coded[0]!r} have no gradient over the air; name it "
                    "in left_out, or use the control 'gaussian'"
                )
            if self.link.crc != "none" and any(scheme.startswith("masked") for scheme in schemes.values()):
                raise ValueError(
                    f"link.crc = {self.link.crc!r}: the gradient of threat {threat!r} needs index payloads without a CRC; "
                    "set crc = 'none', or use the control 'gaussian'"
                )


class AccuracyExperiment(Experiment):
    """Points (system, SNR, threat); all see the same test images, each once, and at an SNR the same fading and noise.

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
        described = {name: describe_scheme(name, settings.preset, weights) for name in settings.systems}
        self.described = {name: preset for name, (preset, _) in described.items()}
        self.codec = next(iter(described.values()))[0].codec
        tasks = dict.fromkeys(preset.codec.task for preset, _ in described.values())
        if len(tasks) > 1:
            raise UserError(f"systems: trained for different tasks, {' and '.join(tasks)}; compare those of one task")
        self.task = make_task(self.codec)
        if self.task.metric is None:
            raise UserError(f"task = {self.codec.task!r}: no sweep can count what it does; compare classifiers")
        self.metric = self.task.metric
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
        self._systems: dict[str, Scheme] = {}
        self.noise = SemanticNoise(settings.threats, settings.seed, lambda count: self._train().head(count))

    def weights_settings(self) -> dict[str, Settings]:
        return dict(self.described)

    def crafted(self, point: Point, batch: int) -> str | None:
        if point.threat is None:
            return None
        return self.noise.sha256(self.system(point.system), point.threat, self.batch(batch))

    def made_with(self) -> dict[str, Any]:
        """With the training images, where the mean image of JPEG or an attacker over the air takes them."""
        s = self.settings
        trained_on = any(name.startswith("jpeg-ldpc") for name in s.systems) or any(t.air for t in s.threats.values())
        return super().made_with() | ({"train_images_sha256": self._train().sha256()} if trained_on else {})

    def inputs(self) -> dict[str, Any]:
        return {"weights_sha256": self.weights_sha256, "images_sha256": self.images.sha256()}

    def points(self) -> list[Point]:
        s = self.settings
        threats = [*([None] if s.clean else []), *s.threats]
        return [
            Point(name, snr_db, threat)
            for snr_db in s.snr_db
            for threat in threats
            for name in s.systems
            if name not in s.left_out.get(threat or "", ())
        ]

    def system(self, name: str) -> Scheme:
        """A system with its weights, built when first asked for."""
        if name not in self._systems:
            s = self.settings
            self._systems[name] = make_scheme(
                name, s.preset, s.link, s.jpeg, self._mean_image, self.weights, s.decoding
            )
        return self._systems[name]

    def prepare(self) -> None:
        for name in self.settings.systems:
            self.system(name)

    def _train(self) -> Images:
        return load(self.settings.dataset, "train", self.data_dir, self.codec.image_size)

    def _mean_image(self) -> np.ndarray:
        return np.round(self._train().pixels.mean(axis=0)).astype(np.uint8)

    def batch(self, number: int) -> Batch:
        rows = slice(number * self.settings.batch_size, (number + 1) * self.settings.batch_size)
        images, labels = self.task.pose(
            to_float(self.images.pixels[rows]),
            self.images.labels[rows],
            rng.generator(self.settings.seed, "task", number),
        )
        return Batch(images, labels, number, self.settings.seed)

    def evaluate(self, point: Point, batch: int) -> Mapping[str, int]:
        system, images = self.system(point.system), self.batch(batch)
        interference = None
        if point.threat is not None:
            images = replace(images, images=self.noise.images(system, point.threat, images), clean=images.images)
            interference = self.noise.interference(system, point.threat, images, point.snr_db)
        return system.counts(images, system.transmit(images, point.snr_db, interference))

    def budgets(self) -> dict[str, dict[str, Any]]:
        return {name: self.system(name).budget(self.images.pixels).model_dump() for name in self.settings.systems}

    def notes(self) -> dict[str, Any]:
        """The metric of guessing and of every system without errors on the air; what the attackers knew and did.

        ``channel_mean_energy`` is the E|h|² that was measured when the channel model was built, before any normalisation.
        """
        notes: dict[str, Any] = {
            "channel_mean_energy": make_channel(self.settings.link).mean_energy,
            "chance": self.task.chance,
            "error_free_accuracy": {name: self.error_free(name) for name in self.settings.systems},
        }
        if self.settings.threats:
            notes["attacker_knows"] = {name: KNOWLEDGE[t.kind] for name, t in self.settings.threats.items()}
            notes["realised_ssnr_db"] = self._realised_ssnr_db()
        return notes | (self.more_notes(self) if self.more_notes else {})

    def _realised_ssnr_db(self) -> dict[str, dict[str, float]]:
        """By threat over the air and system; the same whether the sweep was resumed or not."""
        found: dict[str, dict[str, float]] = {}
        for name, threat in dict.fromkeys((p.system, p.threat) for p in self.points() if p.threat is not None):
            ratio = self.noise.realised_ssnr_db(self.system(name), threat)
            if ratio is not None:
                found.setdefault(threat, {})[name] = ratio
        return found

    def error_free(self, name: str, threat: Threat | None = None) -> float:
        """The metric over all images where nothing goes wrong on the air, under noise at the transmitter if given."""
        system, top = self.system(name), max(self.settings.snr_db)
        batches = [self.batch(number) for number in range(self.max_batches or 0)]
        if threat is not None:
            noise = SemanticNoise({"error-free": threat}, self.settings.seed, lambda count: self._train().head(count))
            batches = [replace(b, images=noise.images(system, "error-free", b), clean=b.images) for b in batches]
        value = self.metric.value(
            merge(*(self.task.counts(system.error_free_predictions(b, top), b.targets(self.task)) for b in batches))
        )
        assert value is not None
        return value

    def draw(self, record: Record, path: Path) -> None:
        if self.figure is not None:
            self.figure(record, path)
            return

        s = self.settings
        title = f"{self.images.name}: task accuracy over {s.link.channel} {s.link.num_tx_ant}x{s.link.num_rx_ant}"
        title += f", {s.link.num_streams} streams, {s.link.modulation}"
        plot_accuracy_vs_snr(record, path, title)
