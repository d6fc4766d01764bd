"""Validated, frozen settings of every stage.

A setting that cannot work raises :class:`~sc_sionna.errors.UserError` with one line: the name, the value, the limit and
what to set instead. ``settings.model_dump()`` goes into records and beside weights; :func:`settings_hash` names it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sc_sionna.errors import UserError

BITS_PER_SYMBOL = {"qpsk": 2, "16qam": 4, "64qam": 6}


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown names, errors of one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UserError(_one_line(type(self), error)) from None

    def with_(self, **changes: Any) -> Any:
        """A validated copy with some settings changed."""
        return type(self)(**{**self.model_dump(), **changes})


def _one_line(cls: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or cls.__name__
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name!r} of {cls.__name__}; known: {', '.join(cls.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field = cls.model_fields.get(str(first["loc"][0]))
    remedy = f"; {name} is {field.description}" if field is not None and field.description else ""
    return f"{name} = {first['input']!r}: {message[0].lower()}{message[1:]}{remedy}"


def settings_hash(settings: dict[str, Any]) -> str:
    """SHA-256 of settings as canonical JSON, hex."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class LinkSettings(Settings):
    """The physical layer: antennas, modulation, code, precoder, fading, receiver (Sec. V-A of the paper)."""

    num_tx_ant: int = Field(8, ge=1, le=64, description="the number of transmit antennas")
    num_rx_ant: int = Field(4, ge=1, le=64, description="the number of receive antennas")
    num_streams: int = Field(4, ge=1, le=64, description="the number of spatial streams, at most the receive antennas")
    beyond_rank: bool = Field(
        False, description="true to allow more streams than receive antennas, which shows the error floor"
    )
    modulation: Literal["qpsk", "16qam", "64qam"] = Field("16qam", description="the constellation")
    coded: bool = Field(True, description="false for uncoded symbols, as the paper's Table I counts them")
    coderate: float = Field(0.5, ge=0.2, le=0.92, description="the LDPC code rate, 1/5 to 0.92 (TS 38.212, 5.3.2)")
    crc: Literal["none", "CRC24A", "CRC24B", "CRC16", "CRC11", "CRC6"] = Field(
        "none", description="the CRC of each code block (TS 38.212, 5.1)"
    )
    max_block_bits: int = Field(
        3840, ge=24, le=8448, description="the most information bits, CRC included, of one code block; at most 8448"
    )
    precoder: str = Field("svd", description="'svd', 'dft', or module:Class")
    channel: str = Field("rayleigh", description="'rayleigh', 'awgn', or module:Class")
    coherence: Literal["image", "symbol"] | int = Field(
        "image", description="how long one fading realisation lasts: 'image', 'symbol', or a number of channel uses"
    )
    decoder: Literal["auto", "layered", "sionna"] = Field(
        "auto", description="the LDPC decoder; auto is layered on a CPU and sionna on a GPU"
    )
    num_iter: int = Field(20, ge=1, le=200, description="the most LDPC decoder iterations")
    demapping: Literal["app", "maxlog"] = Field("app", description="the demapper's rule")

    @property
    def bits_per_symbol(self) -> int:
        return BITS_PER_SYMBOL[self.modulation]

    @model_validator(mode="after")
    def _check(self) -> LinkSettings:
        if isinstance(self.coherence, int) and self.coherence < 1:
            raise ValueError(f"coherence = {self.coherence}: a number of channel uses is at least 1, or name 'image'")
        if self.num_streams > self.num_tx_ant:
            raise ValueError(
                f"num_streams = {self.num_streams}: {self.num_tx_ant} transmit antennas send at most as many streams; "
                f"set num_streams <= {self.num_tx_ant}"
            )
        if self.num_streams > self.num_rx_ant and not self.beyond_rank:
            raise ValueError(
                f"num_streams = {self.num_streams}: an LMMSE receiver with {self.num_rx_ant} antennas separates at most "
                f"{self.num_rx_ant} streams, more have an SINR ceiling near 0 dB; set num_streams <= {self.num_rx_ant}, "
                "or beyond_rank = true to show the floor"
            )
        return self
