"""Noise over the air against coded payloads: the whole energy on the channel uses that defeat the decoder at least cost.

Entropy-coded bits have no gradient, so Algorithm 1 cannot be crafted against them. This attacker needs none: it knows the
code, the framing and the length of what is sent, and puts on some uses the energy that another attacker
(:mod:`~sc_sionna.attacks.over_the_air`) spreads over all of them. What it sends there is circular Gaussian, of one variance:
it knows neither the channels nor the data, so that no phase and no direction is better than another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from sc_sionna.attacks.code_graph import costliest_uses
from sc_sionna.core.errors import UserError
from sc_sionna.phy.layout import AirLayout
from sc_sionna.settings import Decibel, Settings

Pattern = Literal["burst", "strided", "code-graph", "header"]
PATTERNS: tuple[Pattern, ...] = ("burst", "strided", "code-graph", "header")
UNCODED: tuple[Pattern, ...] = ("burst", "strided")  # those that need no code
WITHOUT_HEADER: tuple[Pattern, ...] = (*UNCODED, "code-graph")
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of the image's uses, that an attacker without a share tries


class JammerSettings(Settings):
    """The attacker's strength, antennas and channel, and the uses on which it spends its energy."""

    ssnr_db: Decibel = Field(
        10.0, description="received signal power over received interference power in dB, both over all uses of an image"
    )
    num_ant: int = Field(8, ge=1, le=64, description="the attacker's antennas; as many as the receiver's if identity")
    channel: Literal["rayleigh", "identity"] = Field(
        "rayleigh", description="H_a: flat Rayleigh, fresh for every image, or identity for hardware impairments"
    )
    pattern: Literal["best", "burst", "strided", "code-graph", "header"] = Field(
        "best", description="which uses; best tries all that the scheme's framing has, on training images"
    )
    share: float | None = Field(
        None, gt=0, le=1, description="the share of the image's uses; null tries several, on training images"
    )
    samples: int = Field(256, ge=1, le=1_000_000, description="training images on which patterns and shares are tried")
    snr_db: Decibel = Field(18.0, description="the SNR in dB at which they are tried")
    shuffled: bool = Field(False, description="the control: as many uses, drawn at random for every image")

    @model_validator(mode="after")
    def _check(self) -> JammerSettings:
        if self.pattern == "header" and self.share is not None:
            raise ValueError(f"share = {self.share}: the pattern 'header' takes the header's uses; leave share out")
        return self


class Plan(NamedTuple):
    """What an attacker has settled on; ``share`` is None where the header's uses are taken."""

    pattern: Pattern
    share: float | None

    def number(self, layout: AirLayout) -> int:
        """How many uses of an image are jammed, at least one."""
        return layout.header_uses if self.share is None else max(1, round(self.share * layout.num_uses))


def applicable(layouts: Sequence[AirLayout]) -> tuple[Pattern, ...]:
    """The patterns that the framing has."""
    lacking: set[Pattern] = set()
    if not all(layout.blocks for layout in layouts):
        lacking.add("code-graph")
    if not all(layout.header_uses for layout in layouts):
        lacking.add("header")
    return tuple(pattern for pattern in PATTERNS if pattern not in lacking)


def candidates(settings: JammerSettings, layouts: Sequence[AirLayout]) -> list[Plan]:
    """The plans that the settings leave open; UserError for a pattern that the framing does not have."""
    found = applicable(layouts)
    if settings.pattern != "best" and settings.pattern not in found:
        why = {"header": "sends no header", "code-graph": "sends no code words"}[settings.pattern]
        raise UserError(f"pattern = {settings.pattern!r}: this scheme {why}; take {', '.join(found)} or best")
    shares = SHARES if settings.share is None else (settings.share,)
    plans: list[Plan] = []
    for pattern in found if settings.pattern == "best" else (settings.pattern,):
        if pattern == "header":
            plans.append(Plan(pattern, None))
        else:  # all uses are all uses, by whatever pattern
            plans += [Plan(pattern, share) for share in shares if share < 1 or not any(p.share == 1 for p in plans)]
    return plans


def best_plan(plans: Sequence[Plan], survived: Callable[[Plan], tuple[float, ...]]) -> Plan:
    """The plan under which least survives, the first of equals; ``survived`` is asked only where there is a choice."""
    return plans[0] if len(plans) == 1 else min(plans, key=survived)


class Jammer:
    """``jammer(layouts, places, air) -> interference`` complex64 ``[B, U, rx]``, 0 beyond the uses of an image.

    U is the longest image's. The energy of an image is that of the set ratio over all its uses, whatever the pattern, exact
    before the attacker's channel H_a; where H_a is the identity also behind it.

    plan : the uses that are jammed
    num_rx_ant, signal_power : antennas of the receiver, and the mean received signal power per antenna
    """

    def __init__(self, settings: JammerSettings, plan: Plan, num_rx_ant: int, signal_power: float) -> None:
        self.settings, self.plan, self.num_rx_ant, self.signal_power = settings, plan, num_rx_ant, signal_power
        self.num_ant = num_rx_ant if settings.channel == "identity" else settings.num_ant
        received = signal_power / 10 ** (settings.ssnr_db / 10)  # per receive antenna and use
        # E|h|² = 1: a receive antenna gets the sum over the attacker's antennas, through the identity only its own part
        self.per_use = received * (num_rx_ant if settings.channel == "identity" else 1)
        self._costliest: dict[AirLayout, np.ndarray] = {}

    def __call__(
        self, layouts: Sequence[AirLayout], places: np.random.Generator, air: np.random.Generator
    ) -> np.ndarray:
        """Jam one image per layout; ``places`` draws where patterns begin, ``air`` what is sent and H_a."""
        jammed = self.uses(layouts, places)
        # drawn for every use, so that all patterns send the same on the uses that they share
        sent = _complex_normal(air, *jammed.shape, self.num_ant) * jammed[..., None]
        energy = self.per_use * np.array([layout.num_uses for layout in layouts])
        sent *= np.sqrt(energy / np.sum(np.abs(sent) ** 2, axis=(1, 2)))[:, None, None]
        if self.settings.channel != "identity":
            sent = np.einsum("bra,bua->bur", _complex_normal(air, len(layouts), self.num_rx_ant, self.num_ant), sent)
        return sent.astype(np.complex64)

    def uses(self, layouts: Sequence[AirLayout], places: np.random.Generator) -> np.ndarray:
        """Which uses are jammed, bool ``[B, U]``."""
        jammed = np.zeros((len(layouts), max(layout.num_uses for layout in layouts)), bool)
        for row, layout in zip(jammed, layouts, strict=True):
            number = self.plan.number(layout)
            if self.settings.shuffled:
                chosen = places.permutation(layout.num_uses)[:number]
            elif self.plan.pattern == "burst":
                chosen = places.integers(layout.num_uses - number + 1) + np.arange(number)
            elif self.plan.pattern == "strided":
                chosen = np.arange(number) * layout.num_uses // number + places.integers(layout.num_uses)
                chosen %= layout.num_uses
            elif self.plan.pattern == "header":
                chosen = np.arange(number)
            else:
                chosen = self._code_graph(layout, number)
            row[chosen] = True
        return jammed

    def _code_graph(self, layout: AirLayout, number: int) -> np.ndarray:
        """Costliest uses of the first code word, and of the next ones where it has too few: one lost is an image lost."""
        if layout not in self._costliest:
            chosen: list[np.ndarray] = []
            order = costliest_uses(layout.blocks[0], number)  # all code words of an image are of one code
            for block in layout.blocks:
                chosen.append(block.first_use + order)
            header = np.arange(layout.header_uses)
            self._costliest[layout] = np.concatenate([*chosen, header])[:number]
        return self._costliest[layout]

    def realised_ssnr_db(self, layouts: Sequence[AirLayout], interference: np.ndarray) -> float:
        """Signal power over the power of what was really added, in dB, over the uses of the images."""
        uses = sum(layout.num_uses for layout in layouts)
        added = float(np.sum(np.abs(interference.astype(np.complex128)) ** 2)) / (uses * self.num_rx_ant)
        return float(10 * np.log10(self.signal_power / added))


def _complex_normal(generator: np.random.Generator, *shape: int) -> np.ndarray:
    parts = generator.standard_normal((2, *shape)) * 0.5**0.5
    return parts[0] + 1j * parts[1]
