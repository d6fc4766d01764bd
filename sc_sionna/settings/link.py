"""Settings of the physical layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sc_sionna.settings.base import PluginName, Settings, missing_settings, settings_hash
from sc_sionna.settings.channel import CHANNEL_SETTINGS, complete_args

BITS_PER_SYMBOL = {"qpsk": 2, "16qam": 4, "64qam": 6, "256qam": 8}


class LinkSettings(Settings):
    """The physical layer: antennas, modulation, code, precoder, fading, receiver (Sec. V-A of the paper)."""

    num_tx_ant: int = Field(8, ge=1, le=64, description="the number of transmit antennas")
    num_rx_ant: int = Field(4, ge=1, le=64, description="the number of receive antennas")
    num_streams: int = Field(4, ge=1, le=64, description="the number of spatial streams, at most the receive antennas")
    beyond_rank: bool = Field(
        False, description="true to allow more streams than receive antennas, which shows the error floor"
    )
    modulation: Literal["qpsk", "16qam", "64qam", "256qam"] = Field("16qam", description="the constellation")
    coded: bool = Field(True, description="false for uncoded symbols, as the paper's Table I counts them")
    coderate: float = Field(0.5, ge=0.2, le=0.92, description="the LDPC code rate, 1/5 to 0.92 (TS 38.212, 5.3.2)")
    crc: Literal["none", "CRC24A", "CRC24B", "CRC16", "CRC11", "CRC6"] = Field(
        "none", description="the CRC of each code block (TS 38.212, 5.1)"
    )
    max_block_bits: int = Field(
        3840, ge=24, le=8448, description="the most information bits, CRC included, of one code block; at most 8448"
    )
    channel_uses: int | None = Field(
        None, ge=1, le=65536, description="the channel uses that every image fills; null for what its payload takes"
    )
    adaptation: Literal["none", "rank", "mcs", "rank-realisation", "mcs-realisation", "ideal"] = Field(
        "none",
        description="what the transmitter adapts to the SNR at a fixed number of channel uses: nothing, the number of "
        "streams, or streams, modulation and code rate; with '-realisation' to the channel of each image, which it knows; "
        "'ideal' is the bound of an ideal code",
    )
    target_bler: float | None = Field(
        None,
        ge=1e-3,
        le=0.5,
        description="the block error rate that an adaptive link stays below where it can; null weighs errors against what "
        "more bits are worth to the scheme",
    )
    precoder: PluginName = Field("svd", description="'svd', 'dft', or module:Class")
    channel: PluginName = Field(
        "rayleigh",
        description=f"{', '.join(map(repr, CHANNEL_SETTINGS))}, or module:Class; `sc-sionna list` tells more",
    )
    channel_args: dict[str, Any] = Field(
        default_factory=dict,
        validate_default=True,
        description="the arguments of the channel model by name, such as k_db = 6 of 'rician'; `sc-sionna list` shows them",
    )
    normalize_channel: bool = Field(
        False, description="true to scale a channel model by the ensemble's mean of |h|², measured when it is built"
    )
    coherence: Literal["image", "symbol"] | int = Field(
        "image", description="how long one fading realisation lasts: 'image', 'symbol', or a number of channel uses"
    )
    decoder: Literal["auto", "layered", "sionna"] = Field(
        "auto", description="the LDPC decoder; auto is layered on a CPU and sionna on a GPU"
    )
    num_iter: int = Field(20, ge=1, le=200, description="the most LDPC decoder iterations")
    demapping: Literal["app", "maxlog"] = Field("app", description="the demapper's rule")

    def __hash__(self) -> int:
        """Of all settings by value: a table of arguments has no hash of its own, and links are the keys of caches."""
        return hash(settings_hash(self.model_dump()))

    @property
    def bits_per_symbol(self) -> int:
        """Bits m of one symbol of the modulation."""
        return BITS_PER_SYMBOL[self.modulation]

    @property
    def adapts(self) -> str:
        """What is adapted, whether to the SNR or to the realisation: ``none``, ``rank``, ``mcs`` or ``ideal``."""
        return self.adaptation.removesuffix("-realisation")

    @property
    def by_realisation(self) -> bool:
        """Whether the mode is chosen for each image by the realisation that it meets."""
        return self.adapts != self.adaptation

    @property
    def crc_bits(self) -> int:
        """Length of the CRC of a block, 0 for none."""
        return 0 if self.crc == "none" else int("".join(c for c in self.crc if c.isdigit()))

    @field_validator("channel_args")
    @classmethod
    def _complete(cls, args: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return complete_args(info.data["channel"], args) if "channel" in info.data else args

    @classmethod
    def missing_within(cls, values: Mapping[str, Any]) -> Iterator[str]:
        """Arguments of a built-in channel model that stored ``values`` lack."""
        model, args = CHANNEL_SETTINGS.get(str(values.get("channel"))), values.get("channel_args")
        if model is not None and isinstance(args, Mapping):
            yield from (f"channel_args.{name}" for name in missing_settings(model, args))

    @model_validator(mode="after")
    def _check(self) -> LinkSettings:
        if isinstance(self.coherence, int) and self.coherence < 1:
            raise ValueError(f"coherence = {self.coherence}: a number of channel uses is at least 1, or name 'image'")
        if self.adaptation != "none" and self.channel_uses is None:
            raise ValueError(
                f"adaptation = {self.adaptation!r}: modes are compared at equal uses; set channel_uses, for example 32"
            )
        if self.by_realisation and self.precoder == "dft":
            raise ValueError(
                f"adaptation = {self.adaptation!r}: the transmitter knows the channel, and precoder 'dft' is of one that "
                "does not; set precoder = 'svd', or adaptation without '-realisation'"
            )
        if self.by_realisation and self.coherence != "image":
            raise ValueError(
                f"adaptation = {self.adaptation!r}: the mode of an image follows from one realisation, and coherence = "
                f"{self.coherence!r} may give it several; set coherence = 'image'"
            )
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
