"""Robustness under the paper's own attack beside the adaptive suite, with the checks for masked gradients."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from sc_sionna.attacks.ball import random_sign_noise
from sc_sionna.attacks.checks import Finding, backward_pass, findings, gradient_health
from sc_sionna.attacks.source import Crafted, SourceAttack, SourceAttackSettings
from sc_sionna.attacks.suite import APGD_LOSSES, AdaptiveSuite
from sc_sionna.attacks.threats import paper_attack
from sc_sionna.attacks.victim import Victim
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.experiments.audit_settings import AuditSettings
from sc_sionna.experiments.base import Experiment
from sc_sionna.figures.bars import plot_audit
from sc_sionna.schemes import Batch, Scheme, describe_scheme, make_scheme
from sc_sionna.schemes.jpeg_victim import Backward
from sc_sionna.sweep import Outcome, Point, PointRecord, Record
from sc_sionna.sweep.metrics import ACCURACY, Counts
from sc_sionna.sweep.per_image import pack
from sc_sionna.tasks import make_task

WORST = "worst case"
FGSM, RANDOM, SQUARE = "fgsm", "random-sign", "square"
CALIBRATION = Path("runs") / "calibration"  # of the link at SNRs that the package has none for
CURVE = (0.5, 2.0, 4.0)  # ε of the check that accuracy falls towards zero, times the audited one
NO_SURVIVORS = 0.5  # the largest ε of that check: at it any image can be made plain grey
ROBUST = "an image is robust where most of the scoring draws (fresh mask, fading, noise) of the real system are right"
# By bottleneck, the backward passes that are attacked, that of the attack by Eq. (7) first; others have the one
RELAXATIONS: dict[str, tuple[str, ...]] = {
    "codebook": ("straight-through", "soft", "unquantised"),
    "none": get_args(Backward),
}


class AuditExperiment(Experiment):
    """Points (scheme, attack): how many images survive each attack on its own, and in the record all of them together.

    A point counts the robust images as ``correct``, the right ones among all scoring draws as ``draws_correct``, and the
    right draws of image NNNN as ``right_NNNN``, from which the worst case over attacks follows. Further points measure the
    fall over ε, which a check needs; they are not in the record.
    """

    metric = ACCURACY

    def __init__(self, settings: AuditSettings, data_dir: Path | None = None, weights: Path | None = None) -> None:
        self.settings, self.weights = settings, weights
        described = {name: describe_scheme(name, settings.preset, weights) for name in settings.systems}
        self.weights_sha256 = {name: description["sha256"] for name, (_, description) in described.items()}
        self.codecs = {name: preset.codec for name, (preset, _) in described.items()}
        for name, codec in self.codecs.items():
            if not make_task(codec).labels_are_classes:
                raise UserError(
                    f"systems: {name!r} is trained for the task {codec.task!r}; the adaptive attacks of the audit are "
                    "written for classes, choose classifiers"
                )
        codec = next(iter(self.codecs.values()))
        self._data = settings.dataset, data_dir, codec.image_size
        self.test = load(settings.dataset, "test", data_dir, codec.image_size).shuffled(settings.max_images)
        if len(self.test.classes) != codec.num_classes:
            raise UserError(
                f"dataset = {settings.dataset!r}: {len(self.test.classes)} classes, the weights of {settings.preset!r} "
                f"know {codec.num_classes}; choose the data set they were trained on"
            )
        self.images, self.labels = to_float(self.test.pixels), self.test.labels
        self.size = settings.batch_size or len(self.test)
        self.max_batches = -(-len(self.test) // self.size)
        self.data_set = f"{settings.dataset}, {len(self.test)} test images"
        self._schemes: dict[str, Scheme] = {}
        self._victims: dict[str, dict[str, Victim]] = {}
        self._attacks: dict[tuple[str, int], SourceAttack] = {}
        self._suites: dict[str, AdaptiveSuite] = {}
        self._losses: dict[str, np.ndarray] = {}  # before each step of the first attack by Eq. (7), of batch 0

    def inputs(self) -> dict[str, Any]:
        """SHA-256 of every scheme's weights and of the test images."""
        return {"weights_sha256": self.weights_sha256, "images_sha256": self.test.sha256()}

    # ------------------------------------------------------------------ what is attacked, and by what

    def repeats(self, name: str) -> bool:
        """Whether the attacker meets chance: behind JPEG nothing is random before a block is lost, and one draw is all."""
        return self.codecs[name].bottleneck != "none"

    def paper_draws(self, name: str) -> tuple[int, ...]:
        """Draws per gradient for which Eq. (7) is run: one where the scheme draws nothing."""
        return tuple(dict.fromkeys(self.settings.paper_draws)) if self.repeats(name) else (1,)

    def attacks(self, name: str) -> list[str]:
        """Names of the attacks on a scheme, in the order of the record."""
        first, *more = (paper_attack(draws) for draws in self.paper_draws(name))
        relaxations = RELAXATIONS.get(self.codecs[name].bottleneck, ("straight-through",))
        apgd = [f"apgd-{loss}/{relaxation}" for relaxation in relaxations for loss in APGD_LOSSES]
        return [RANDOM, FGSM, first, *more, *apgd, SQUARE]

    def curve(self) -> dict[str, float]:
        """Points of the fall over ε, beside those of the audited ε, and their ε."""
        s = self.settings
        values = {*(min(1.0, f * s.epsilon) for f in CURVE), max(NO_SURVIVORS, s.epsilon)} - {s.epsilon}
        return {f"fall over ε, {epsilon:g}": epsilon for epsilon in sorted(values)}

    def points(self) -> list[Point]:
        """Every scheme, clean, under each attack, and along the curve over ε."""
        s = self.settings
        return [
            Point(name, s.snr_db, attack) for name in s.systems for attack in (None, *self.attacks(name), *self.curve())
        ]

    def scheme(self, name: str) -> Scheme:
        """A scheme with its weights, built once."""
        if name not in self._schemes:
            s = self.settings
            self._schemes[name] = make_scheme(name, s.preset, s.link, self._mean_image, self.weights)
        return self._schemes[name]

    def victims(self, name: str) -> dict[str, Victim]:
        """A scheme by the passes that the adaptive suite attacks, the one that runs first."""
        if name not in self._victims:
            self._victims[name] = self.scheme(name).adaptive_victims(self.settings.snr_db, CALIBRATION)
        return self._victims[name]

    def prepare(self) -> None:
        """Build every scheme with its weights."""
        for name in self.settings.systems:
            self.scheme(name)

    def _mean_image(self) -> np.ndarray:
        dataset, data_dir, size = self._data
        return load(dataset, "train", data_dir, size).mean_image()

    # ------------------------------------------------------------------ one batch of one point

    def evaluate(self, point: Point, batch: int) -> Outcome:
        """How many of the scoring draws of each attacked image are right."""
        rows = slice(batch * self.size, (batch + 1) * self.size)
        images, labels = self.images[rows], self.labels[rows]
        attacked = self._attacked(point.system, point.threat, images, labels, batch)
        right = self.score(self.scheme(point.system), attacked, labels, batch)
        counts = self._summed(right)
        counts |= {f"right_{batch * self.size + i:04d}": int(count) for i, count in enumerate(right)}
        return Outcome(counts, hits={"correct": self.robust(right)})

    def score(self, scheme: Scheme, images: np.ndarray, labels: np.ndarray, number: int = 0) -> np.ndarray:
        """How many of the scoring draws are right, int ``[I]``: the real scheme, the same draws for every attack."""
        right = np.zeros(len(images), np.int64)
        for draw in range(self.settings.scoring_draws):
            batch = Batch(images, labels, number, rng.seed_int(self.settings.seed, "audit score", draw))
            right += scheme.transmit(batch, self.settings.snr_db)["predictions"] == labels
        return right

    def robust(self, right: np.ndarray) -> np.ndarray:
        """Whether more than half of the scoring draws of each image are right: ``right [I]`` to bool ``[I]``."""
        return 2 * right > self.settings.scoring_draws

    def _stream(self, name: str, batch: int = 0) -> np.random.Generator:
        return rng.generator(self.settings.seed, "audit", name, *(("batch", batch) if batch else ()))

    def _attacked(
        self, name: str, attack: str | None, images: np.ndarray, labels: np.ndarray, batch: int
    ) -> np.ndarray:
        """Images ``[I, H, W, 3]`` as the transmitter gets them."""
        s = self.settings
        if attack is None:
            return images
        if attack == RANDOM:
            return random_sign_noise(images, s.epsilon, self._stream(attack, batch))
        draws = {paper_attack(draws): draws for draws in self.paper_draws(name)}
        if attack in draws:
            return self._crafted(name, draws[attack], images, labels, batch).images
        first = self._paper(name, self.paper_draws(name)[0])
        if attack == FGSM:
            return first.at(s.epsilon, 1).craft(images, labels, self._stream(attack, batch)).images
        if attack in self.curve():
            return first.at(self.curve()[attack]).craft(images, labels, self._stream("curve", batch)).images
        if name not in self._suites:
            effort = s.adaptive if self.repeats(name) else s.adaptive.with_(draws=1)
            self._suites[name] = AdaptiveSuite(self.victims(name), effort)
        return self._suites[name].attacks[attack](images, labels, s.epsilon, self._stream(attack, batch))

    def _paper(self, name: str, draws: int) -> SourceAttack:
        """Eq. (7) on a scheme, its compiled pass made once."""
        if (name, draws) not in self._attacks:
            s = self.settings
            values = SourceAttackSettings(epsilon=s.epsilon, steps=s.paper_steps, draws=draws)
            self._attacks[name, draws] = SourceAttack(self.scheme(name).victim(), values)
        return self._attacks[name, draws]

    def _crafted(self, name: str, draws: int, images: np.ndarray, labels: np.ndarray, batch: int) -> Crafted:
        crafted = self._paper(name, draws).craft(images, labels, self._stream(paper_attack(draws), batch))
        if batch == 0 and draws == self.paper_draws(name)[0]:
            self._losses[name] = crafted.losses
        return crafted

    # ------------------------------------------------------------------ the record

    def _counts(self, name: str, attack: str | None) -> Counts:
        return self.results[Point(name, self.settings.snr_db, attack)].counts or {}

    def _right(self, name: str, attack: str | None) -> np.ndarray:
        """Right scoring draws of every image, int ``[I]``."""
        counts = self._counts(name, attack)
        return np.array([counts[f"right_{i:04d}"] for i in range(len(self.test))])

    def point_records(self) -> list[PointRecord]:
        """A point per scheme and attack, and one for what survives them all."""
        records = []
        for name in self.settings.systems:
            shown = [None, *self.attacks(name)]
            worst = np.minimum.reduce([self._right(name, attack) for attack in shown])
            for attack, right in [*((attack, self._right(name, attack)) for attack in shown), (WORST, worst)]:
                records.append(self._point_record(name, attack, right))
        return records

    def _point_record(self, name: str, attack: str | None, right: np.ndarray) -> PointRecord:
        whole, first = self._summed(right), self._summed(right[: self.size])
        return PointRecord(
            system=name, snr_db=self.settings.snr_db, threat=attack, metric=ACCURACY.name, value=ACCURACY.value(whole),
            ci95=ACCURACY.interval(whole), counts=whole, batches=self.max_batches, first_batch=first, stop="maximum",
            outcomes={"correct": pack(self.robust(right))},
        )  # fmt: skip

    def _summed(self, right: np.ndarray) -> Counts:
        return {
            "images": len(right),
            "correct": int(self.robust(right).sum()),
            "draws": self.settings.scoring_draws * len(right),
            "draws_correct": int(right.sum()),
        }

    def notes(self) -> dict[str, Any]:
        """Accuracy of guessing, what robust means, and the findings that point to a masked gradient."""
        return {
            "chance": 1.0 / next(iter(self.codecs.values())).num_classes,
            "robust": ROBUST,
            "attacks": "all but clean within the same ε; worst case: robust under every one of them and clean",
            "checks": {name: [asdict(check) for check in self.checks(name)] for name in self.settings.systems},
        }

    def checks(self, name: str) -> list[Finding]:
        """Of the gradients themselves, on the images of the first batch, and of the rates of right draws."""
        images, labels = self.images[: self.size], self.labels[: self.size]
        victim = next(iter(self.victims(name).values()))
        health = gradient_health(victim, images, labels, self._stream("health"))
        return [*health, *self._findings(name), *self._backward_passes(name)]

    def _backward_passes(self, name: str) -> list[Finding]:
        """Of APGD, whose effort is the same through each of the passes; nothing where a scheme has one only."""
        passes = RELAXATIONS.get(self.codecs[name].bottleneck, ())
        if len(passes) < 2:
            return []
        trials = len(self.labels) * self.settings.scoring_draws
        through = {p: [self._right(name, f"apgd-{loss}/{p}") for loss in APGD_LOSSES] for p in passes}
        return [backward_pass(passes[0], {p: float(np.minimum.reduce(r).sum()) / trials for p, r in through.items()})]

    def _findings(self, name: str) -> list[Finding]:
        s, trials = self.settings, len(self.labels) * self.settings.scoring_draws
        attacks, draws = self.attacks(name), self.paper_draws(name)
        rate = {
            attack: self._counts(name, attack)["draws_correct"] / trials for attack in [None, *attacks, *self.curve()]
        }
        if name not in self._losses:  # the point was taken from a store
            self._crafted(name, draws[0], self.images[: self.size], self.labels[: self.size], 0)
        first = paper_attack(draws[0])
        with_gradient = [self._right(name, attack) for attack in attacks if attack not in (RANDOM, FGSM, SQUARE)]
        return findings(
            losses=self._losses[name],
            single_step=rate[FGSM],
            several_steps=rate[first],
            random_noise=rate[RANDOM],
            white_box=float(np.minimum.reduce(with_gradient).sum()) / trials,
            black_box=rate[SQUARE],
            by_epsilon={0.0: rate[None], s.epsilon: rate[first]}
            | {epsilon: rate[place] for place, epsilon in self.curve().items()},
        )

    def draw(self, record: Record, path: Path) -> None:
        """Robust accuracy of every scheme under each attack."""
        s = self.settings
        plot_audit(record, path, f"{s.dataset}: ℓ∞ semantic noise, ε = {s.epsilon:g}, SNR {s.snr_db:g} dB")
