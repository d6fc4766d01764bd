"""Modes of a link that adapts its rate: number of streams, modulation and code rate, and how many bits each carries.

All modes send the same total power over the same channel uses: a robust one pays with bits.
"""

from __future__ import annotations

from dataclasses import dataclass

from sc_sionna.core.errors import UserError
from sc_sionna.phy.framing import MIN_K, fill
from sc_sionna.settings import BITS_PER_SYMBOL, LinkSettings

RANKS = (1, 2, 4)
# From the lowest that the code offers to the highest that the settings allow, by the names that figures and tables give them
CODE_RATES = {"1/5": 1 / 5, "1/3": 1 / 3, "1/2": 1 / 2, "2/3": 2 / 3, "3/4": 3 / 4, "5/6": 5 / 6, "0.92": 0.92}
MODULATIONS = tuple(BITS_PER_SYMBOL)


@dataclass(frozen=True)
class Mode:
    """One setting of the transmitter.

    num_streams : spatial streams, in equal power
    modulation : a name in :data:`MODULATIONS`
    coderate : the name of a rate in :data:`CODE_RATES`

    Raises
    ------
    UserError for a mode that is not in the grid.
    """

    num_streams: int
    modulation: str
    coderate: str

    def __post_init__(self) -> None:
        for name, value, known in (
            ("num_streams", self.num_streams, RANKS),
            ("modulation", self.modulation, MODULATIONS),
            ("coderate", self.coderate, tuple(CODE_RATES)),
        ):
            if value not in known or isinstance(value, bool):
                raise UserError(f"mode: {name} = {value!r} is not in the grid; choose {', '.join(map(str, known))}")

    @property
    def rate(self) -> float:
        """The nominal code rate as a number."""
        return CODE_RATES[self.coderate]

    def __str__(self) -> str:
        return f"{self.num_streams} × {self.modulation}, {self.coderate}"


GRID = tuple(Mode(s, m, r) for s in RANKS for m in MODULATIONS for r in CODE_RATES)


def mode_link(link: LinkSettings, mode: Mode) -> LinkSettings:
    """The settings of a link in a mode: everything else as in ``link``."""
    changed: LinkSettings = link.with_(
        num_streams=mode.num_streams, modulation=mode.modulation, coderate=mode.rate, beyond_rank=False
    )
    return changed


def block_bits(link: LinkSettings, mode: Mode, num_uses: int) -> int:
    """Information bits, without those of a CRC, that a mode carries in exactly ``num_uses`` channel uses.

    One code block where the limits of the standard and of ``link.max_block_bits`` allow it, else several equal ones. A
    payload of so many bits is sent by ``DigitalLink(mode_link(link, mode), payload_bits)`` of a link with that many
    ``channel_uses``.

    Raises
    ------
    UserError where the standard has no block that short.
    """
    num_blocks, k, _ = fill(mode_link(link, mode), num_uses)
    return num_blocks * (k - link.crc_bits)


def link_modes(link: LinkSettings, num_uses: int) -> tuple[Mode, ...]:
    """The modes of the grid that the antennas carry and that hold a block of the standard in ``num_uses`` channel uses.

    Raises
    ------
    UserError for a link without code, and where no mode is left.
    """
    if not link.coded:
        raise UserError("link.coded = False: modes differ in their code rate; set link.coded = true")
    rank = min(link.num_tx_ant, link.num_rx_ant)
    shortest = max(MIN_K, link.crc_bits + 1)
    found = tuple(
        mode
        for mode in GRID
        if mode.num_streams <= rank
        and num_uses * mode.num_streams * BITS_PER_SYMBOL[mode.modulation] * mode.rate >= shortest - 1e-6
    )
    if not found:
        raise UserError(
            f"channel_uses = {num_uses}: no mode holds a block of {shortest} information bits; take more uses"
        )
    return found
