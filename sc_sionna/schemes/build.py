"""Schemes from their values: settings, weights, the network and the link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.schemes.adaptive import AdaptiveScheme
from sc_sionna.schemes.base import Decoding, Scheme, Surroundings
from sc_sionna.schemes.ideal import IdealScheme
from sc_sionna.schemes.realisation import RealisationScheme
from sc_sionna.schemes.spec import SCHEME_NAMES, SchemeSpec, as_spec
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.semantic.weights import PACKAGED, has_weights, read_description
from sc_sionna.settings import LinkSettings, Preset
from sc_sionna.settings.presets import make_preset
from sc_sionna.tasks import load_codec

Named = TypeVar("Named", str, SchemeSpec)


def _ready(spec: SchemeSpec, preset: str, weights: Path | None) -> bool:
    return not spec.scheme_class.trained or has_weights(spec.folder(weights), preset, spec.stored_as)


def trained_schemes(preset: str, weights: Path | None, schemes: Sequence[Named]) -> tuple[Named, ...]:
    """Those of ``schemes`` that can run: their weights are stored, or they need none. UserError for an unknown one."""
    return tuple(scheme for scheme in schemes if _ready(as_spec(scheme), preset, weights))


def available(
    preset: str, schemes: Sequence[Named], weights: Path | None
) -> tuple[tuple[Named, ...], tuple[Named, ...]]:
    """Schemes with and without stored weights; UserError for an unknown one, and where none has any."""
    found = trained_schemes(preset, weights, schemes)
    if not found:
        names = [as_spec(scheme) for scheme in schemes]
        raise UserError(
            f"weights: none of {', '.join(spec.label for spec in names)} for {preset!r} in {weights or PACKAGED}; train one "
            f"with `python -m sc_sionna train {preset} --system {names[0].stored_as}`"
        )
    return found, tuple(scheme for scheme in schemes if scheme not in found)


def load_scheme_codec(
    scheme: SchemeSpec | str, preset: str, weights: Path | None = None
) -> tuple[SemanticCodec, Preset]:
    """The codec of a scheme with its stored weights, and its settings."""
    spec = as_spec(scheme)
    return load_codec(preset, spec.stored_as, spec.folder(weights), spec.codec_overrides)


def describe_scheme(
    scheme: SchemeSpec | str, preset: str, weights: Path | None = None
) -> tuple[Preset, dict[str, Any]]:
    """A scheme's settings, its overrides among them, and the description of its weights.

    A scheme without weights has the settings of the preset's masked VQ-VAE, and ``sha256`` None in its description.

    Raises
    ------
    UserError
        As :func:`make_scheme`.
    """
    spec = as_spec(scheme)
    if not spec.scheme_class.trained:
        return make_preset(preset, SCHEME_NAMES[0]), {"sha256": None}
    found, description = read_description(spec.folder(weights), preset, spec.stored_as)
    return found.with_(codec=found.codec.with_(**spec.codec_overrides)), description


def make_scheme(
    scheme: SchemeSpec | str,
    preset: str,
    link: LinkSettings,
    mean_image: Callable[[], np.ndarray],
    weights: Path | None = None,
    decoding: Decoding = "hard",
) -> Scheme:
    """A scheme with its stored weights, ready to transmit.

    Parameters
    ----------
    scheme
        The value, or a text that names it.
    mean_image
        Gives the mean training image uint8 ``[H, W, 3]``, which is shown for a lost stream.
    weights
        Folder, default the package's.
    decoding
        Of indices, "hard" or "soft".

    Raises
    ------
    UserError
        An unknown scheme, settings that it cannot have, and weights that are missing or altered.
    """
    spec = as_spec(scheme)
    made = spec.scheme_class.build(spec, Surroundings(preset, link, mean_image, weights, decoding))
    if link.adaptation == "none":
        return made
    adapted: Any = RealisationScheme if link.by_realisation else AdaptiveScheme
    # what may be asked of the class is asked of the scheme's own
    return cast("Scheme", (IdealScheme if link.adapts == "ideal" else adapted)(made, link))
