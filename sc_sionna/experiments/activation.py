"""How often features are activated, clean against noisy, without and with the feature importance module (Fig. 9).

Feature n is the token at patch position n; nothing is masked here, so every image has all of them. Its activation is the
magnitude |f̂_n| of Eq. (13), the token's mean over its M entries, at the output of encoder block ``layer``: by default the
last block that a FIM follows in any of the schemes, counted from 0, and there the FIM's output w_n f_n where the scheme has
one. A feature is activated where that exceeds a threshold: the median over all clean test images and features of the scheme,
so that clean images activate half of the features on average by construction; the paper states none. The noise is Eq. (7)
against the scheme as it runs (masks unknown to the attacker), crafted for each scheme anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from keras import ops
from pydantic import Field

from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core import rng
from sc_sionna.core.backend import compile_function
from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.figures.maps import plot_activation
from sc_sionna.schemes import describe_scheme, load_scheme_codec
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.semantic.patches import patchify
from sc_sionna.settings import LARGEST
from sc_sionna.sweep import Outcome, Point, Record, StopRule
from sc_sionna.sweep.metrics import ACCURACY

NOISY = "semantic noise"
CHUNK = 128  # images per forward pass
MAGNITUDE = 1000  # sums of magnitudes are counted in thousandths
Activation = tuple[np.ndarray, np.ndarray]  # magnitudes [B, P] and predictions [B]


class ActivationSettings(SweepSettings):
    """Everything that the counts follow from, besides weights and images."""

    kind: Literal["feature-activation"] = "feature-activation"
    preset: str = Field("digits", description="the preset whose trained schemes are compared")
    dataset: str = Field("digits", description="the data set of the test images")
    systems: tuple[str, ...] = Field(min_length=1, description="the schemes whose features are counted")
    layer: int | None = Field(
        None, ge=0, lt=64, description="the encoder block, from 0; null for the last one with a FIM"
    )
    snr_db: float = Field(18.0, ge=-60, le=100, description="the SNR in dB that the FIMs are told")
    noise: SourceAttackSettings = Field(default_factory=lambda: SourceAttackSettings(epsilon=0.05))
    max_images: int | None = Field(None, ge=1, le=LARGEST, description="the number of test images; null for all")
    stop: StopRule = Field(default_factory=StopRule)
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")


class ActivationExperiment(Experiment):
    """Points (scheme, clean or noisy), each one batch of all images, since the threshold is a median over them.

    A point counts ``feature_NNN``, the images that activate a feature, and ``magnitude_milli``, the sum of all magnitudes in
    thousandths.
    """

    metric = ACCURACY
    max_batches = 1

    def __init__(self, settings: ActivationSettings, data_dir: Path | None = None, weights: Path | None = None) -> None:
        described = {name: describe_scheme(name, settings.preset, weights) for name in settings.systems}
        codecs = [preset.codec for preset, _ in described.values()]
        self.settings = settings.with_(layer=_layer(settings.layer, codecs))
        self.weights = weights
        self._sha256 = {name: description["sha256"] for name, (_, description) in described.items()}
        self.images = load(settings.dataset, "test", data_dir, codecs[0].image_size).shuffled(settings.max_images)
        self.data_set = f"{settings.dataset}, {len(self.images)} test images"
        self._codecs: dict[str, SemanticCodec] = {}
        self._clean: dict[str, Activation] = {}
        self._passes: dict[str, Callable[[Any], tuple[Any, Any]]] = {}

    def inputs(self) -> dict[str, Any]:
        """SHA-256 of every scheme's weights and of the images."""
        return {"weights_sha256": self._sha256, "images_sha256": self.images.sha256()}

    def points(self) -> list[Point]:
        """Every scheme with clean and with noisy images."""
        s = self.settings
        return [Point(name, s.snr_db, threat) for name in s.systems for threat in (None, NOISY)]

    def codec(self, name: str) -> SemanticCodec:
        """The trained codec of a scheme, loaded once."""
        if name not in self._codecs:
            self._codecs[name] = load_scheme_codec(name, self.settings.preset, self.weights)[0]
        return self._codecs[name]

    def prepare(self) -> None:
        """Load every codec."""
        for name in self.settings.systems:
            self.codec(name)

    @cached_property
    def _pixels(self) -> np.ndarray:
        return to_float(self.images.pixels)

    def evaluate(self, point: Point, batch: int) -> Outcome:
        """Images that activate each feature, by the threshold of the clean images; there is one batch."""
        activation, predicted = self._clean_of(point.system)
        threshold = float(np.median(activation))
        if point.threat is not None:
            activation, predicted = self._activation(point.system, self._noisy(point.system))
        activated = (activation > threshold).sum(axis=0)
        correct = predicted == self.images.labels
        counts = {
            "images": len(predicted),
            "correct": int(correct.sum()),
            "magnitude_milli": round(MAGNITUDE * float(activation.sum(dtype=np.float64))),
            **{f"feature_{number:03d}": int(count) for number, count in enumerate(activated)},
        }
        return Outcome(counts, hits={"correct": correct})

    def _noisy(self, name: str) -> np.ndarray:
        codec = self.codec(name)
        victim = CodecVictim(
            codec, make_masking(codec.settings, codec.candidate_positions()), snr_db=self.settings.snr_db
        )
        draws = rng.generator(self.settings.seed, "semantic noise", name)
        return SourceAttack(victim, self.settings.noise).craft(self._pixels, self.images.labels, draws).images

    def _clean_of(self, name: str) -> Activation:
        if name not in self._clean:
            self._clean[name] = self._activation(name, self._pixels)
        return self._clean[name]

    def _activation(self, name: str, pixels: np.ndarray) -> Activation:
        """Magnitude of every feature ``[B, P]`` and predicted classes ``[B]``."""
        features = self._pass(name)
        parts = [features(ops.convert_to_tensor(pixels[i : i + CHUNK])) for i in range(0, len(pixels), CHUNK)]
        magnitudes, predicted = (np.concatenate([ops.convert_to_numpy(p[k]) for p in parts]) for k in (0, 1))
        return magnitudes, predicted

    def _pass(self, name: str) -> Callable[[Any], tuple[Any, Any]]:
        if name not in self._passes:
            codec, s = self.codec(name), self.settings
            every = np.arange(codec.settings.num_patches, dtype=np.int32)

            def features(x: Any) -> tuple[Any, Any]:
                snr = ops.full((ops.shape(x)[0],), s.snr_db, dtype="float32")
                pooled = ops.mean(block_output(codec.encoder, x, s.layer, snr), axis=-1)  # Eq. (13)
                keep = ops.tile(ops.convert_to_tensor(every)[None], (ops.shape(x)[0], 1))
                return ops.abs(pooled), ops.argmax(codec(x, keep, snr, training=False)["logits"], axis=-1)

            self._passes[name] = compile_function(features)
        return self._passes[name]

    def notes(self) -> dict[str, Any]:
        """What is shown of each scheme, and how activation and threshold are defined."""
        layer = self.settings.layer
        return {
            "schemes": {name: self._scheme(name) for name in self.settings.systems},
            "activation": f"|mean of the token|, Eq. (13), after encoder block {layer} and its FIM, all patches kept",
            "threshold": "median over clean images and features, by scheme",
        }

    def _scheme(self, name: str) -> dict[str, Any]:
        """Counts by feature, clean and noisy, in the order of the positions, with what they are counted against."""
        clean, noisy = (self.results[Point(name, self.settings.snr_db, threat)].counts for threat in (None, NOISY))
        tables = [ops.convert_to_numpy(fim.table()) for fim in self.codec(name).encoder.importance.values()]
        both = {"clean": clean or {}, "noisy": noisy or {}}
        features = self.codec(name).settings.num_patches
        return {
            "importance_weights": [float(np.min(tables)), float(np.max(tables))] if tables else None,
            "images": len(self.images),
            "threshold": float(np.median(self._clean_of(name)[0])),
            **{which: [c[f"feature_{n:03d}"] for n in range(features)] for which, c in both.items()},
            "correct": {which: c["correct"] for which, c in both.items()},
            "mean_magnitude": {
                which: c["magnitude_milli"] / (MAGNITUDE * c["images"] * features) for which, c in both.items()
            },
        }

    def draw(self, record: Record, path: Path) -> None:
        """Activated images by feature, clean and noisy."""
        s = self.settings
        plot_activation(record, path, f"{s.dataset}: activation of features, semantic noise of ε = {s.noise.epsilon:g}")


def _layer(layer: int | None, codecs: list[Any]) -> int:
    """The block that is looked at, by default the last one with a FIM, else the last one."""
    if layer is None:
        layer = max((i for codec in codecs for i in codec.importance.layers), default=codecs[0].encoder.depth - 1)
    depth = min(codec.encoder.depth for codec in codecs)
    if layer >= depth:
        raise UserError(f"layer = {layer}: the encoders have the blocks 0 to {depth - 1}; set it among them")
    return int(layer)


def block_output(encoder: Any, images: Any, layer: int, snr_db: Any) -> Any:
    """Output of encoder block ``layer`` for all patches, re-weighted by the FIM after it: ``[B, P, M]``, float32."""
    s = encoder.settings
    keep = ops.tile(ops.arange(s.num_patches, dtype="int32")[None], (ops.shape(images)[0], 1))
    x = encoder.position(encoder.embed(patchify(images - 0.5, s.patch_size)))
    for number, block in enumerate(encoder.blocks[: layer + 1]):
        x = block(x)
        if number in encoder.importance:
            x = encoder.importance[number](x, keep, snr_db)[0]
    return ops.cast(x, "float32")
