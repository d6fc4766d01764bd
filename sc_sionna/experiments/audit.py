"""Robustness under the paper's own attack beside the adaptive suite, with the checks for masked gradients."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from sc_sionna.attacks.adaptive_settings import AdaptiveSettings
from sc_sionna.attacks.checks import Finding, findings, gradient_health
from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings, random_sign_noise
from sc_sionna.attacks.suite import AdaptiveSuite, worst_case
from sc_sionna.attacks.victim import Victim
from sc_sionna.core import rng
from sc_sionna.core.atomic import make_folder, write_text
from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.experiments.base import code_fingerprint
from sc_sionna.schemes import (
    SCHEME_NAMES,
    Batch,
    Scheme,
    SchemeSpec,
    Spec,
    available,
    describe_scheme,
    make_scheme,
    specs,
)
from sc_sionna.schemes.jpeg import JpegSettings
from sc_sionna.semantic.weights import PACKAGED
from sc_sionna.settings import LinkSettings, Settings, settings_hash
from sc_sionna.sweep import PointRecord, Record, make_record
from sc_sionna.sweep.metrics import ACCURACY

WORST = "worst case"
FGSM, RANDOM, SQUARE = "fgsm", "random-sign", "square"
WITHOUT_GRADIENT = ("clean", RANDOM, FGSM, SQUARE)  # FGSM is a control of the attacks of several steps
CURVE = (0.5, 2.0, 4.0)  # ε of the check that accuracy falls towards zero, times the audited one
NO_SURVIVORS = 0.5  # the largest ε of that check: at it any image can be made plain grey
EFFORT = {"steps": 20, "restarts": 1, "queries": 100}  # of the adaptive suite: some 3 minutes a scheme on two cores
ROBUST = "an image is robust where most of the scoring draws (fresh mask, fading, noise) of the real system are right"
Say = Callable[[str], None]


def paper_attack(draws: int) -> str:
    """Name of Eq. (7) with gradients averaged over so many draws."""
    return f"eq7, {draws} draw" + ("s" if draws > 1 else "")


class AuditSettings(Settings):
    """Everything that the counts of an audit depend on, besides weights, images and code."""

    kind: Literal["robustness-audit"] = "robustness-audit"
    preset: str = Field("digits", description="the preset whose trained systems are audited")
    dataset: str = Field("digits", description="the data set of the test images")
    systems: tuple[Spec, ...] = Field(specs(SCHEME_NAMES), min_length=1, description="the schemes that are audited")
    epsilon: float = Field(0.05, gt=0, le=1, description="the ℓ∞ budget on the [0, 1] scale")
    snr_db: float = Field(18.0, ge=-60, le=100, description="the SNR in dB at which images are attacked and scored")
    max_images: int = Field(64, ge=2, description="the number of test images")
    paper_steps: int = Field(10, ge=2, description="the steps K of Eq. (7)")
    paper_draws: tuple[int, ...] = Field((1, 4), min_length=1, description="Eq. (7) runs once with each of these draws")
    adaptive: AdaptiveSettings = Field(default_factory=lambda: AdaptiveSettings(**EFFORT))
    scoring_draws: int = Field(5, ge=1, le=99, description="the fresh draws that an image is scored over; odd")
    link: LinkSettings = Field(default_factory=LinkSettings)
    jpeg: JpegSettings = Field(default_factory=JpegSettings)
    seed: int = Field(1, ge=0, description="the run seed")

    @model_validator(mode="after")
    def _check(self) -> AuditSettings:
        if self.scoring_draws % 2 == 0:
            raise ValueError(
                f"scoring_draws = {self.scoring_draws}: half of an even number is no majority; set an odd one"
            )
        return self


class Audit:
    """Attacks every system and counts what survives; each system's counts are kept, so that a killed audit goes on.

    settings : what is audited
    folder : of the kept counts, one file a system, taken again only for the same settings, weights, images and code
    data_dir, weights : as for the sweeps
    say : called with a line after each attack
    """

    def __init__(
        self,
        settings: AuditSettings,
        folder: Path,
        data_dir: Path | None = None,
        weights: Path | None = None,
        say: Say = lambda line: None,
    ) -> None:
        self.settings, self.folder, self.weights, self.say = settings, folder, weights, say
        self.present, self.missing = available(settings.preset, settings.systems, weights)
        described = {spec.label: describe_scheme(spec, settings.preset, weights) for spec in self.present}
        self.weights_sha256 = {name: description["sha256"] for name, (_, description) in described.items()}
        self.codec = next(iter(described.values()))[0].codec
        self._data = settings.dataset, data_dir, self.codec.image_size
        self.test = load(settings.dataset, "test", data_dir, self.codec.image_size).shuffled(settings.max_images)
        if len(self.test.classes) != self.codec.num_classes:
            raise UserError(
                f"dataset = {settings.dataset!r}: {len(self.test.classes)} classes, the weights of {settings.preset!r} "
                f"know {self.codec.num_classes}; choose the data set they were trained on"
            )
        self.images, self.labels = to_float(self.test.pixels), self.test.labels
        make_folder(folder)
        self._code = code_fingerprint()

    def _mean_image(self) -> np.ndarray:
        dataset, data_dir, size = self._data
        return np.round(load(dataset, "train", data_dir, size).pixels.mean(axis=0)).astype(np.uint8)

    def key(self, name: str) -> str:
        """Hash of what a system's counts follow from."""
        shared = {k: v for k, v in self.settings.model_dump(mode="json").items() if k != "systems"}
        inputs = {
            "system": name,
            "weights": self.weights_sha256[name],
            "images": self.test.sha256(),
            "code": self._code,
        }
        return settings_hash({**shared, **inputs})

    # ------------------------------------------------------------------ one system

    def score(self, system: Scheme, images: np.ndarray) -> np.ndarray:
        """How many of the scoring draws are right, int ``[I]``: the real system, the same draws for every attack."""
        right = np.zeros(len(images), np.int64)
        for draw in range(self.settings.scoring_draws):
            batch = Batch(images, self.labels, 0, rng.seed_int(self.settings.seed, "audit score", draw))
            right += system.transmit(batch, self.settings.snr_db)["predictions"] == self.labels
        return right

    def _attacked(
        self, system: Scheme, victims: Mapping[str, Victim], repeats: bool
    ) -> Iterator[tuple[str, np.ndarray, tuple[np.ndarray, SourceAttack] | None]]:
        """Every attack's name and images, and of Eq. (7) the losses and the attack itself."""
        s = self.settings

        def stream(name: str) -> np.random.Generator:
            return rng.generator(s.seed, "audit", name)

        yield RANDOM, random_sign_noise(self.images, s.epsilon, stream(RANDOM)), None
        for draws in dict.fromkeys(s.paper_draws if repeats else (1,)):
            values = SourceAttackSettings(epsilon=s.epsilon, steps=s.paper_steps, draws=draws)
            attack = SourceAttack(system.victim(), values)
            if draws == s.paper_draws[0] or not repeats:
                single = attack.at(s.epsilon, 1)
                yield FGSM, single(self.images, self.labels, stream(FGSM)), None
            name = paper_attack(draws)
            crafted = attack.craft(self.images, self.labels, stream(name))
            yield name, crafted.images, (crafted.losses, attack)
        effort = s.adaptive if repeats else s.adaptive.with_(draws=1)
        for name, attack_of in AdaptiveSuite(victims, effort).attacks.items():
            yield name, attack_of(self.images, self.labels, s.epsilon, stream(name)), None

    def audit(self, spec: SchemeSpec) -> dict[str, Any]:
        """Counts and checks of a system: what its kept file holds."""
        s, began, name = self.settings, time.monotonic(), spec.label
        system = make_scheme(spec, s.preset, s.link, s.jpeg, self._mean_image, self.weights)
        # behind a stream with a CRC nothing is random before a block is lost: one draw is all there is
        repeats = system.payload != "stream"
        right = {"clean": self.score(system, self.images)}
        self.say(f"{name}: clean {self._shown(right['clean'])}")
        path: tuple[np.ndarray, SourceAttack] | None = None
        victims = system.adaptive_victims(s.snr_db, self.folder.parent / "calibration")
        started = time.monotonic()
        for attack, images, extra in self._attacked(system, victims, repeats):
            right[attack] = self.score(system, images)
            path = path or extra
            self.say(f"{name}: {attack} {self._shown(right[attack])}, {time.monotonic() - started:.1f} s")
            started = time.monotonic()
        assert path is not None
        survives = worst_case({attack: self._robust(r) for attack, r in right.items()})
        checks = [
            *gradient_health(next(iter(victims.values())), self.images, self.labels, self._stream("health")),
            *self._findings(system, right, *path),
        ]
        for check in checks:
            if not check.passed:
                self.say(f"{name}: check failed: {check.name} ({check.detail})")
        self.say(f"{name}: survives all {int(survives.sum())} of {len(survives)}")
        return {
            "images": len(self.labels),
            "draws": s.scoring_draws * len(self.labels),
            "robust": {attack: int(self._robust(r).sum()) for attack, r in right.items()}
            | {WORST: int(survives.sum())},
            "right": {attack: int(r.sum()) for attack, r in right.items()}
            | {WORST: int(np.minimum.reduce(list(right.values())).sum())},
            "checks": [asdict(check) for check in checks],
            "seconds": round(time.monotonic() - began, 1),
        }

    def _stream(self, name: str) -> np.random.Generator:
        return rng.generator(self.settings.seed, "audit", name)

    def _robust(self, right: np.ndarray) -> np.ndarray:
        return 2 * right > self.settings.scoring_draws

    def _shown(self, right: np.ndarray) -> str:
        return f"{int(self._robust(right).sum())} of {len(right)} robust"

    def _findings(
        self, system: Scheme, right: dict[str, np.ndarray], losses: np.ndarray, attack: SourceAttack
    ) -> list[Finding]:
        """The checks on rates of right draws; the curve over ε is of the first attack by Eq. (7)."""
        s, trials = self.settings, len(self.labels) * self.settings.scoring_draws
        rate = {name: float(r.sum()) / trials for name, r in right.items()}
        first = next(name for name in map(paper_attack, (*s.paper_draws, 1)) if name in right)
        gradient = [r for name, r in right.items() if name not in WITHOUT_GRADIENT]
        curve = {0.0: rate["clean"], s.epsilon: rate[first]}
        for epsilon in {*(min(1.0, f * s.epsilon) for f in CURVE), max(NO_SURVIVORS, s.epsilon)} - set(curve):
            images = attack.at(epsilon)(self.images, self.labels, self._stream("curve"))
            curve[epsilon] = float(self.score(system, images).sum()) / trials
        return findings(
            losses=losses,
            single_step=rate[FGSM],
            several_steps=rate[first],
            random_noise=rate[RANDOM],
            white_box=float(np.minimum.reduce(gradient).sum()) / trials,
            black_box=rate[SQUARE],
            by_epsilon=curve,
        )

    # ------------------------------------------------------------------ all of them

    def run(self, fresh: bool = False) -> dict[str, dict[str, Any]]:
        """Results by system, those that are kept taken as they are unless ``fresh``."""
        results = {}
        for spec in self.missing:
            self.say(f"{spec.label}: skipped, no weights in {self.weights or PACKAGED}")
        for spec in self.present:
            name = spec.label
            path = self.folder / f"{name}.json"
            kept = None if fresh else _read(path, self.key(name))
            if kept is not None:
                self.say(f"{name}: kept from an earlier run")
            else:
                kept = self.audit(spec)
                write_text(path, json.dumps({"key": self.key(name), "result": kept}, indent=1) + "\n")
            results[name] = kept
        return results

    def record(self, name: str, results: dict[str, dict[str, Any]], seconds: float) -> Record:
        """Points by (system, attack) with ``correct`` = robust images, and the checks in the notes."""
        s = self.settings
        inputs = {"weights_sha256": self.weights_sha256, "images_sha256": self.test.sha256(), "code_sha256": self._code}
        points = [
            _point(system, s.snr_db, attack, result)
            for system, result in results.items()
            for attack in result["robust"]
        ]
        notes = {
            "chance": 1.0 / self.codec.num_classes,
            "robust": ROBUST,
            "attacks": "all but clean within the same ε; worst case: robust under every one of them and clean",
            "checks": {system: result["checks"] for system, result in results.items()},
            "seconds": {system: result["seconds"] for system, result in results.items()},
            "skipped": [spec.label for spec in self.missing],
        }
        return make_record(
            name,
            settings={**s.model_dump(mode="json"), "inputs": inputs},
            seed=s.seed,
            data_set=f"{s.dataset}, {len(self.test)} test images",
            points=points,
            duration_s=seconds,
            notes=notes,
        )


def _point(system: str, snr_db: float, attack: str, result: dict[str, Any]) -> PointRecord:
    counts = {"images": result["images"], "correct": result["robust"][attack]}
    value, interval = ACCURACY.value(counts), ACCURACY.interval(counts)
    counts |= {"draws": result["draws"], "draws_correct": result["right"][attack]}
    threat = None if attack == "clean" else attack
    return PointRecord(
        system=system, snr_db=snr_db, threat=threat, metric=ACCURACY.name, value=value, ci95=interval, counts=counts,
        batches=1, first_batch=counts,
    )  # fmt: skip


def _read(path: Path, key: str) -> dict[str, Any] | None:
    """A kept result, or None where there is none for this key."""
    try:
        kept = json.loads(path.read_text())
        return dict(kept["result"]) if kept["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
