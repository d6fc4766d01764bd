"""Arguments of the built-in channel models, which ``link.channel_args`` holds by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.settings.base import Settings

MAX_JSON = 4096  # characters of all arguments of a model

Degrees = Annotated[float, Field(ge=-180, le=180)]


class RicianSettings(Settings):
    """Arguments of ``rician``: a line of sight between half-wavelength uniform linear arrays, and Rayleigh scattering."""

    k_db: float = Field(
        6.0, ge=-100, le=60, description="the K-factor, power of the line of sight over the rest, in dB"
    )
    arrival_deg: Degrees | None = Field(
        None, description="the angle from broadside at the receiver in degrees, or null to draw one per image"
    )
    departure_deg: Degrees | None = Field(
        None, description="the angle from broadside at the transmitter in degrees, or null to draw one per image"
    )


CHANNEL_SETTINGS: dict[str, type[Settings] | None] = {"rayleigh": None, "awgn": None, "rician": RicianSettings}


def complete_args(channel: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a channel model as JSON values, those of a built-in model checked and all of them present.

    What a model of the user's own takes is known when its class is imported, which building the link does.

    Raises
    ------
    UserError
        The model has no such argument, a value is out of its range, or the arguments are no JSON of at most 4,096 letters.
    """
    try:
        length = len(json.dumps(args, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise UserError("not JSON: numbers, texts, lists and tables of them are wanted") from None
    if length > MAX_JSON:
        raise UserError(f"{length} characters of JSON: at most {MAX_JSON} are wanted; keep data in a file")
    if channel not in CHANNEL_SETTINGS:
        return dict(args)
    settings = CHANNEL_SETTINGS[channel]
    if settings is None:
        if args:
            raise UserError(f"unknown argument {next(iter(args))!r}: channel {channel!r} takes none; leave it out")
        return {}
    return settings(**args).model_dump(mode="json")
