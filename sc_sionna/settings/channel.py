"""Arguments of the built-in channel models, which ``link.channel_args`` holds by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.settings.base import Settings

MAX_JSON = 4096  # characters of all arguments of a model

Degrees = Annotated[float, Field(ge=-180, le=180)]
Spread = Annotated[float, Field(gt=0, le=15)]  # the one-ring matrices are an approximation for narrow rings


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


class KroneckerSettings(Settings):
    """Arguments of ``kronecker``: correlation at both ends, exponential or of a ring of scatterers around the other end."""

    correlation: Literal["exponential", "one-ring"] = Field(
        "exponential", description="exponential with rx and tx, or one-ring with angles and spreads"
    )
    rx: float = Field(0.5, ge=0, le=0.999, description="the exponential correlation of neighbouring receive antennas")
    tx: float = Field(0.5, ge=0, le=0.999, description="the exponential correlation of neighbouring transmit antennas")
    arrival_deg: Degrees = Field(0.0, description="the ring's mean angle from broadside at the receiver in degrees")
    departure_deg: Degrees = Field(
        0.0, description="the ring's mean angle from broadside at the transmitter in degrees"
    )
    rx_spread_deg: Spread = Field(
        15.0, description="the standard deviation of the angle of arrival, at most 15 degrees"
    )
    tx_spread_deg: Spread = Field(
        15.0, description="the standard deviation of the angle of departure, at most 15 degrees"
    )


class PerColumnSettings(Settings):
    """Arguments of ``per-column``: transmit antennas at angles of their own, each within a ring of scatterers."""

    centre_deg: Degrees = Field(
        0.0, description="the middle of the sector in degrees from the receive array's broadside"
    )
    sector_deg: float = Field(120.0, ge=0, le=360, description="the sector that the antennas divide evenly, in degrees")
    spread_deg: Spread = Field(15.0, description="the standard deviation of the angle of arrival, at most 15 degrees")


class GaussMarkovSettings(Settings):
    """Arguments of ``gauss-markov``: how fast the channel ages."""

    doppler_hz: float = Field(50.0, ge=0, le=1e6, description="the Doppler frequency, speed over wavelength, in Hz")
    use_us: float = Field(71.4, gt=0, le=1e6, description="the time from one channel use to the next in microseconds")


class OfdmSettings(Settings):
    """Arguments of every model with paths: the OFDM resource grid that they are seen on."""

    fft_size: int = Field(72, ge=1, le=4096, description="the number of subcarriers, all of which carry payload")
    subcarrier_khz: float = Field(30.0, gt=0, le=1e6, description="the subcarrier spacing in kHz")
    cyclic_prefix: float = Field(
        0.07, ge=0, le=1, description="the length of the cyclic prefix over that of the symbol"
    )
    num_symbols: int | None = Field(
        None, ge=1, le=65536, description="the most OFDM symbols of an image, or null for as many as it takes"
    )


class PathSettings(OfdmSettings):
    """Arguments that the models of TR 38.901 share."""

    profile: Literal["A", "B", "C", "D", "E"] = Field("A", description="the profile; D and E have a line of sight")
    delay_spread_ns: float = Field(100.0, ge=0, le=1e5, description="the root mean square delay spread in ns")
    carrier_ghz: float = Field(3.5, gt=0, le=100, description="the carrier frequency in GHz")
    speed_m_s: float = Field(1.0, ge=0, le=1000, description="the receiver's speed in m/s")


class TdlSettings(PathSettings):
    """Arguments of ``tdl``."""


class ArraySettings(Settings):
    """A planar antenna array of TR 38.901, half a wavelength between its elements."""

    rows: int = Field(1, ge=1, le=64, description="the number of rows; the antennas divide evenly into them")
    polarization: Literal["single", "dual"] = Field(
        "single", description="single (vertical), or dual (crossed at 45 degrees, two antennas at one place)"
    )
    pattern: Literal["omni", "38.901"] = Field(
        "omni", description="omni, or 38.901 with up to 8 dBi, which wants link.normalize_channel = true"
    )


class CdlSettings(PathSettings):
    """Arguments of ``cdl``: those of ``tdl`` and the antenna arrays."""

    direction: Literal["downlink", "uplink"] = Field(
        "downlink", description="downlink, or uplink: the terminal transmits"
    )
    tx: ArraySettings = Field(default_factory=ArraySettings, description="the transmit array")
    rx: ArraySettings = Field(default_factory=ArraySettings, description="the receive array")


class DatasetSettings(Settings):
    """Arguments of ``dataset``: a file of channel matrices, and its hash, which a record needs to name the same data."""

    file: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.npz$", description="the name of a file in data/channels, NAME.npz"
    )
    sha256: str = Field(pattern=r"^([0-9a-f]{64})?$", description="the file's SHA-256; with '' the refusal shows it")


class CirDatasetSettings(OfdmSettings, DatasetSettings):
    """Arguments of ``cir-dataset``: a file of impulse responses, and the OFDM resource grid."""


CHANNEL_SETTINGS: dict[str, type[Settings] | None] = {
    "rayleigh": None,
    "awgn": None,
    "rician": RicianSettings,
    "kronecker": KroneckerSettings,
    "per-column": PerColumnSettings,
    "gauss-markov": GaussMarkovSettings,
    "tdl": TdlSettings,
    "cdl": CdlSettings,
    "dataset": DatasetSettings,
    "cir-dataset": CirDatasetSettings,
}


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
