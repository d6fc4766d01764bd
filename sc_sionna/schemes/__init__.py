"""The schemes of Sec. V, one signature: a batch of images and an SNR to named outputs and integer counts.

A system's name is a scheme's, with ``@VARIANT`` for weights of a sub-folder of the weights folder, and ``[field=value,...]``
for settings of the codec that are changed at test time: ``masked-vqvae@J16``, ``masked-vqvae+fim[masking.ratio=0.25]``.

Each ``transmit`` is the block diagram, a line per arrow. What does not depend on the SNR (kept patches, encoder, JPEG
streams, the classification of an image that arrived without error) is done once per batch and reused over a sweep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.core import strict_json
from sc_sionna.core.errors import UserError
from sc_sionna.schemes.base import AirSurface, Batch, Scheme
from sc_sionna.schemes.jpeg import JpegSettings
from sc_sionna.schemes.jpeg_ldpc import JpegLdpcScheme
from sc_sionna.schemes.jscc import JsccScheme
from sc_sionna.schemes.masked_vqvae import Decoding, MaskedVqvaeScheme
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.semantic.weights import PACKAGED, has_weights, read_description
from sc_sionna.settings import LinkSettings, Preset
from sc_sionna.settings.presets import SCHEMES
from sc_sionna.tasks import load_codec

__all__ = [
    "SCHEME_NAMES",
    "AirSurface",
    "Batch",
    "JpegLdpcScheme",
    "JsccScheme",
    "MaskedVqvaeScheme",
    "Scheme",
    "SystemName",
    "available",
    "describe_scheme",
    "load_scheme_codec",
    "make_scheme",
    "parse_system",
    "split_schemes",
    "trained_schemes",
]

SCHEME_NAMES = tuple(SCHEMES)
# Settings of the codec on which no weight's shape depends
CHANGEABLE = (
    "masking.ratio",
    "masking.rule",
    "masking.noise_energy",
    "masking.temperature",
    "importance.threshold",
    "importance.form",
    "similarity.threshold",
)
_NAME = re.compile(r"(?P<scheme>[^@\[\]]*)(@(?P<variant>\w[\w.-]*))?(\[(?P<changes>.+)\])?")
_COMMA = re.compile(r",(?![^\[]*\])")  # outside brackets


@dataclass(frozen=True)
class SystemName:
    """A system's name in its parts: ``scheme@variant[changes]``."""

    scheme: str
    variant: str | None
    changes: dict[str, Any]

    def folder(self, weights: Path | None) -> Path | None:
        """Where the weights are; ``weights`` is the folder of all, None for the package's."""
        return weights if self.variant is None else (weights or PACKAGED) / self.variant


def parse_system(name: str) -> SystemName:
    """The parts of a system's name; UserError for an unknown scheme, a malformed name, or a setting that is fixed."""
    form = "write SCHEME, SCHEME@VARIANT or SCHEME[setting=value,...]"
    match = _NAME.fullmatch(name)
    if match is None:
        raise UserError(f"system = {name!r}: malformed; {form}")
    scheme, variant, text = match["scheme"], match["variant"], match["changes"]
    if scheme not in SCHEME_NAMES:
        raise UserError(f"system = {scheme!r}: unknown; choose {', '.join(SCHEME_NAMES)}")
    changes: dict[str, Any] = {}
    seen: set[str] = set()
    for change in _COMMA.split(text) if text else []:
        field, equals, value = change.partition("=")
        if not equals or not value or field in seen:
            raise UserError(f"system = {name!r}: {change!r} is not a setting, or one that occurs twice; {form}")
        if field not in CHANGEABLE:
            raise UserError(
                f"system = {name!r}: {field!r} is fixed by the weights, or unknown; at test time set "
                f"{', '.join(CHANGEABLE)}"
            )
        seen.add(field)
        group, _, member = field.partition(".")
        try:
            parsed = strict_json.loads(value)
        except ValueError:
            parsed = value
        changes.setdefault(group, {})[member] = parsed
    if changes and scheme.startswith("jpeg-ldpc"):
        raise UserError(
            f"system = {name!r}: JPEG+LDPC sends no patches, so it has none of these settings; name {scheme!r}"
        )
    return SystemName(scheme, variant, changes)


def split_schemes(text: str) -> tuple[str, ...]:
    """Names separated by commas; a comma within brackets separates settings."""
    return tuple(_COMMA.split(text))


def trained_schemes(preset: str, weights: Path | None = None, names: Sequence[str] = SCHEME_NAMES) -> tuple[str, ...]:
    """Those of ``names``, by default all schemes, of which there are weights; UserError for an unknown one."""
    parts = {name: parse_system(name) for name in names}
    return tuple(name for name, p in parts.items() if has_weights(p.folder(weights), preset, p.scheme))


def available(preset: str, systems: Sequence[str], weights: Path | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Systems with and without stored weights; UserError for an unknown one, and where none has any."""
    found = trained_schemes(preset, weights, systems)
    if not found:
        raise UserError(
            f"weights: none of {', '.join(systems)} for {preset!r} in {weights or PACKAGED}; train one with "
            f"`python -m sc_sionna train {preset} --system {parse_system(systems[0]).scheme}`"
        )
    return found, tuple(name for name in systems if name not in found)


def load_scheme_codec(name: str, preset: str, weights: Path | None = None) -> tuple[SemanticCodec, Preset]:
    """The codec that a system's name stands for, with its stored weights, and its settings."""
    parts = parse_system(name)
    return load_codec(preset, parts.scheme, parts.folder(weights), parts.changes)


def describe_scheme(name: str, preset: str, weights: Path | None = None) -> tuple[Preset, dict[str, Any]]:
    """A system's settings, with those of its name, and the description of its weights. UserError as :func:`make_scheme`."""
    parts = parse_system(name)
    found, description = read_description(parts.folder(weights), preset, parts.scheme)
    return found.with_(codec=found.codec.with_(**parts.changes)), description


def make_scheme(
    name: str,
    preset: str,
    link: LinkSettings,
    jpeg: JpegSettings,
    mean_image: Callable[[], np.ndarray],
    weights: Path | None = None,
    decoding: Decoding = "hard",
) -> Scheme:
    """A system by name with its stored weights.

    mean_image : gives the mean training image uint8 [H, W, 3], which JPEG+LDPC shows for a lost stream
    weights : folder, default the package's
    decoding : of indices, "hard" or "soft"

    Raises UserError for an unknown system, settings that it cannot have, and weights that are missing or altered.
    """
    model, _ = load_scheme_codec(name, preset, weights)
    if name.startswith("jpeg-ldpc"):
        return JpegLdpcScheme(name, model, link, jpeg, mean_image)
    if name.startswith("jscc"):
        return JsccScheme(name, model, link)
    return MaskedVqvaeScheme(name, model, link, decoding)
