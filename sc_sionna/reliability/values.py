"""Hostile values of ``--set``: refused in one line, or the system that they describe works."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.attacks.adaptive_settings import AdaptiveSettings
from sc_sionna.attacks.over_the_air import OverTheAirSettings
from sc_sionna.attacks.source import SourceAttackSettings
from sc_sionna.experiments.accuracy import AccuracySettings
from sc_sionna.experiments.audit import AuditSettings
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.reliability.hostile import NUMBERS, TEXTS
from sc_sionna.reliability.outcome import Outcome
from sc_sionna.reliability.trap import MODULE, Trap
from sc_sionna.settings import CodecSettings, LinkSettings, Preset, Settings, TrainSettings
from sc_sionna.settings.presets import SCHEMES, make_preset
from sc_sionna.source_codecs import JpegCodec
from sc_sionna.sweep import StopRule
from sc_sionna.tasks import make_codec

GROUPS: dict[str, Any] = {
    "codec": CodecSettings, "link": LinkSettings, "train": TrainSettings, "source": JpegCodec.Settings, "stop": StopRule,
    "adaptive": AdaptiveSettings, "attack": SourceAttackSettings, "interference": OverTheAirSettings,
}  # fmt: skip
BUILT = 2_000_000  # weights of a codec that is built here; larger ones are only described
Parse = Callable[[list[str], tuple[str, ...]], dict[str, dict[str, Any]]]


def fuzz_values(count: int, random: np.random.Generator, parse: Parse) -> Outcome:
    """``parse`` is what the command line makes settings of words with."""
    outcome = Outcome("--set values")
    names = [f"{group}.{field}" for group, settings in GROUPS.items() for field in _fields(settings)]
    with tempfile.TemporaryDirectory() as folder, Trap(Path(folder)) as trap:
        for _ in range(count):
            name = names[int(random.integers(len(names)))]
            pool = NUMBERS if random.random() < 0.5 else TEXTS
            text = pool[int(random.integers(len(pool)))]
            system = tuple(SCHEMES)[int(random.integers(len(SCHEMES)))]
            case = f"{name}={text}"
            outcome.add(case[:60], partial(_parse_and_build, parse, name.partition(".")[0], case, system))
            trap.report(case[:60], outcome, named=MODULE in text)  # who types a module's name has named it
    return outcome


def _fields(settings: type[Settings]) -> Iterator[str]:
    """Dotted names of all settings, groups within groups too."""
    for name, field in settings.model_fields.items():
        yield name
        within = field.annotation
        if isinstance(within, type) and issubclass(within, Settings):
            yield from (f"{name}.{rest}" for rest in _fields(within))


def _parse_and_build(parse: Parse, group: str, case: str, system: str) -> bool:
    return _build(group, parse([case], tuple(GROUPS)), system)


def _build(group: str, changes: dict[str, dict[str, Any]], system: str) -> bool:
    """Whether what the changed settings describe can be built and run."""
    if group == "stop":
        AccuracySettings(stop=changes[group]).stop.at_most(10)
        return True
    if group == "source":
        codec = JpegCodec(JpegCodec.Settings(**changes[group]), 32)
        return codec.decode(codec.encode(np.zeros((32, 32, 3), np.uint8))) is not None
    if group == "adaptive":
        AuditSettings(adaptive=changes[group])
        return True
    if group == "attack":
        return math.isfinite(SourceAttackSettings(**{"epsilon": 0.05, **changes[group]}).alpha)
    if group == "interference":
        return math.isfinite(OverTheAirSettings(**changes[group]).ssnr_db)
    preset = make_preset("digits", system, **{name: changes[name] for name in ("codec", "link", "train")})
    if group == "link":
        _run_link(preset)
    if group == "codec" and _weights(preset.codec) < BUILT:
        make_codec(preset.codec).initialise()
    return True


def _weights(codec: CodecSettings) -> float:
    e, d = codec.encoder, codec.decoder
    vit = (4 + 2 * e.mlp_ratio) * e.depth * e.dim**2 + (4 + 2 * d.mlp_ratio) * d.depth * d.dim**2
    patches = codec.num_patches * (e.dim + d.dim) + 3 * codec.patch_size**2 * e.dim
    heads = d.head_dim * (d.dim + 2 * d.head_dim + codec.num_classes)
    return vit + patches + heads + codec.codebook.size * codec.code_dim


def _run_link(preset: Preset) -> None:
    job = ErrorRateExperiment(ErrorRateSettings(links={"a": preset.link}, snr_db=(3,), payload_bits=64, batch_size=2))
    counts = job.evaluate(job.points()[0], 0)
    if counts["images"] != 2:
        raise ArithmeticError("the link lost an image")
