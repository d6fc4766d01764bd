"""Measured block errors of a link's modes in one number of channel uses, and the mode that an adaptive link chooses by them.

A table is data: integers that ``sc-sionna run mcs_table`` counted with this package's own decoder. The package ships those
of the default link, each with the name and hash of its record; :func:`read_table` takes such a record too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from sc_sionna.core import strict_json
from sc_sionna.core.atomic import write_text
from sc_sionna.core.errors import UserError
from sc_sionna.phy.framing import fill
from sc_sionna.phy.modes import Mode, link_modes, mode_link
from sc_sionna.settings import LARGEST, Decibel, LinkSettings, Settings, settings_hash
from sc_sionna.sweep import Record, read_record
from sc_sionna.sweep.record import content_hash

SHIPPED = Path(__file__).resolve().parent / "tables"
MAX_BYTES = 2**24  # a record of 84 modes at 34 SNRs takes 1.4 MB
# Settings of a link that a table does not depend on: what a mode sets, what asks for one, and what takes bits off a block or
# divides it, which is compared as the block's own length
NOT_COMPARED = frozenset(
    {
        "num_streams", "modulation", "coderate", "beyond_rank", "crc", "max_block_bits", "channel_uses", "adaptation",
        "target_bler",
    }
)  # fmt: skip

Count = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]


class ModeCounts(Settings):
    """Blocks of a mode, and how many of them were wrong, at every SNR of the table."""

    num_streams: int = Field(ge=1, le=64, description="the number of spatial streams")
    modulation: str = Field(description="the constellation")
    coderate: str = Field(description="the name of the code rate")
    num_blocks: int = Field(strict=True, ge=1, le=4096, description="code blocks of a transmission")
    k: int = Field(strict=True, ge=1, le=8448, description="information bits of a block, CRC included")
    blocks: tuple[Count, ...] = Field(description="the blocks that were sent, by SNR")
    block_errors: tuple[Count, ...] = Field(description="those with a wrong bit")


class TableContent(Settings):
    """A table as it is stored."""

    format: Literal[1] = Field(1, description="the version of the form, 1")
    channel_uses: int = Field(strict=True, ge=1, le=4096, description="the channel uses that every mode fills")
    link: dict[str, Any] = Field(description="the settings of the link that every mode shares")
    record: str = Field(description="the name of the record that the counts are from")
    record_sha256: str = Field(description="what that record states as its SHA-256")
    snr_db: tuple[Decibel, ...] = Field(min_length=1, description="rising SNRs in dB")
    modes: tuple[ModeCounts, ...] = Field(min_length=1, description="the counts of every mode")


@dataclass(frozen=True)
class ModeTable:
    """Block error rates of the M modes of a link at N SNRs.

    num_uses : channel uses that every mode fills
    modes, num_bits : the modes, and the information bits without CRC that each carries, ``[M]``
    snr_db : rising, ``[N]``
    rates : ``[M, N]``, the largest rate that was measured at this SNR or a higher one: a rate falls with the SNR, and where
        chance makes a measured one rise the larger is taken
    """

    num_uses: int
    modes: tuple[Mode, ...]
    num_bits: np.ndarray
    snr_db: np.ndarray
    rates: np.ndarray

    def only(self, keep: np.ndarray) -> ModeTable:
        """The table of some of the modes, bool ``[M]``."""
        modes = tuple(mode for mode, kept in zip(self.modes, keep, strict=True) if kept)
        return ModeTable(self.num_uses, modes, self.num_bits[keep], self.snr_db, self.rates[keep])

    def rates_at(self, snr_db: float) -> np.ndarray | None:
        """Rates of the modes ``[M]`` at the next lower SNR of the table, which is no better; None where it has none."""
        place = int(np.searchsorted(self.snr_db, snr_db, side="right")) - 1
        return None if place < 0 else self.rates[:, place]

    def rate(self, mode: Mode, snr_db: float) -> float:
        """The block error rate of a mode at an SNR; 1 below the table."""
        rates = self.rates_at(snr_db)
        return 1.0 if rates is None else float(rates[self.modes.index(mode)])


def load_table(link: LinkSettings, num_uses: int, path: Path | None = None) -> ModeTable:
    """The table of a link in ``num_uses`` channel uses.

    path : a table or a record of ``mcs_table``; None for the one that the package ships

    Raises
    ------
    UserError where there is none of so many uses, where it is of another link, lacks a mode or an SNR, or is damaged.
    """
    if path is None:
        path = _shipped(num_uses)
    return table_for(read_table(path), link, num_uses, str(path))


def table_sha256(num_uses: int) -> str:
    """SHA-256 of the file of the shipped table, hex; UserError where the package ships none of so many uses."""
    return hashlib.sha256(_shipped(num_uses).read_bytes()).hexdigest()


def _shipped(num_uses: int) -> Path:
    """The shipped table's file."""
    path = SHIPPED / f"uses{num_uses}.json"
    if not path.is_file():
        known = ", ".join(str(uses) for uses in shipped_uses())
        raise UserError(
            f"channel_uses = {num_uses}: no table of modes, the package has {known}; make one with "
            f"`sc-sionna run mcs_table --channel-uses {num_uses}`"
        )
    return path


def shipped_uses() -> tuple[int, ...]:
    """The numbers of channel uses of the tables that the package ships, rising."""
    return tuple(sorted(int(path.stem.removeprefix("uses")) for path in SHIPPED.glob("uses*.json")))


def read_table(path: Path) -> TableContent:
    """The content of a table, or of the record of one.

    Raises
    ------
    UserError for a file that is missing, too large, truncated, altered or something else.
    """
    try:
        content = read_sealed(path)
        if "schema" in content:
            return table_of(read_record(path))
        found: TableContent = TableContent.from_stored(content)
        _check(found)
    except (OSError, ValueError, UserError) as error:
        what = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not a whole table of modes ({what}); {remedy()}") from None
    return found


def read_sealed(path: Path) -> dict[str, Any]:
    """The numbers of a table, whose hash they state; the content of a record as it is, which its own reader checks.

    Raises
    ------
    OSError, ValueError or UserError for a file that is none.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes, at most {MAX_BYTES}")
    content: Any = strict_json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"an object is expected, not {type(content).__name__}")
    if "schema" not in content and content.pop("sha256", None) != settings_hash(content):
        raise ValueError("the hash of its numbers differs")
    return content


def remedy(num_uses: int | str = "U") -> str:
    """How a table is made."""
    return f"make it again with `sc-sionna run mcs_table --channel-uses {num_uses}`"


def _check(table: TableContent) -> None:
    """ValueError for a table whose lists do not belong together, or with a hole."""
    if not all(low < high for low, high in pairwise(table.snr_db)):
        raise ValueError("its SNRs do not rise")
    seen = set()
    for mode in table.modes:
        name = Mode(mode.num_streams, mode.modulation, mode.coderate)
        if name in seen:
            raise ValueError(f"{name}: occurs twice")
        seen.add(name)
        if not len(mode.blocks) == len(mode.block_errors) == len(table.snr_db):
            raise ValueError(f"{name}: not one count for each of {len(table.snr_db)} SNRs")
        for snr_db, blocks, errors in zip(table.snr_db, mode.blocks, mode.block_errors, strict=True):
            if blocks == 0:
                raise ValueError(f"{name}: not measured at {snr_db:g} dB")
            if errors > blocks:
                raise ValueError(f"{name}: {errors} wrong of {blocks} blocks at {snr_db:g} dB")


def table_for(content: TableContent, link: LinkSettings, num_uses: int, where: str) -> ModeTable:
    """The modes that a link has, with the counts of a table's content; ``where`` it is from, for the error.

    Raises
    ------
    UserError for a table of other uses or of another link, and one that lacks a mode.
    """
    if content.channel_uses != num_uses:
        raise UserError(f"{where}: is of {content.channel_uses} channel uses, not {num_uses}; {remedy(num_uses)}")
    now = _compared(link)
    for name in sorted(now.keys() | content.link.keys()):
        if now.get(name) != content.link.get(name):
            raise UserError(
                f"link.{name} = {now.get(name)}: the table of modes {where} has {content.link.get(name)}; make one with "
                f"`sc-sionna run mcs_table --channel-uses {num_uses} --set link.{name}={now.get(name)}` and name its record"
            )
    counted = {(m.num_streams, m.modulation, m.coderate): m for m in content.modes}
    modes = link_modes(link, num_uses)
    rates, num_bits = [], []
    for mode in modes:
        found = counted.get((mode.num_streams, mode.modulation, mode.coderate))
        if found is None:
            raise UserError(f"{where}: lacks the mode {mode}; {remedy(num_uses)}")
        num_blocks, k, _ = fill(mode_link(link, mode), num_uses)
        if (num_blocks, k) != (found.num_blocks, found.k):
            raise UserError(
                f"link.max_block_bits = {link.max_block_bits}: {num_blocks} blocks of {k} bits in mode {mode}, the table "
                f"{where} has {found.num_blocks} of {found.k}; make one with `sc-sionna run mcs_table --channel-uses "
                f"{num_uses} --set link.max_block_bits={link.max_block_bits}` and name its record"
            )
        rates.append(np.array(found.block_errors) / np.array(found.blocks))
        num_bits.append(num_blocks * (k - link.crc_bits))
    falling = np.maximum.accumulate(np.array(rates)[:, ::-1], axis=1)[:, ::-1]
    return ModeTable(num_uses, modes, np.array(num_bits), np.array(content.snr_db), falling)


def _compared(link: LinkSettings) -> dict[str, Any]:
    return {name: value for name, value in link.model_dump(mode="json").items() if name not in NOT_COMPARED}


def table_of(record: Record) -> TableContent:
    """The table that a record of ``mcs_table`` holds; UserError for another record, and for a mode without counts."""
    modes = record.notes.get("modes")
    if record.settings.get("kind") != "block-error-table" or not isinstance(modes, dict):
        raise UserError(f"record {record.name!r}: not of the experiment mcs_table; {remedy()}")
    counts = {(p.system, p.snr_db): p.counts for p in record.points}
    snr_db = sorted(record.settings["snr_db"])
    rows = []
    for name, mode in modes.items():
        found = [counts.get((name, snr)) for snr in snr_db]
        missing = next((snr for snr, c in zip(snr_db, found, strict=True) if not c), None)
        if missing is not None:
            raise UserError(f"record {record.name!r}: {name} was not run at {missing:g} dB; run the same command again")
        parts = {part: mode[part] for part in ("num_streams", "modulation", "coderate", "num_blocks", "k")}
        blocks, errors = (tuple(c[part] for c in found if c) for part in ("blocks", "block_errors"))
        rows.append(ModeCounts(**parts, blocks=blocks, block_errors=errors))
    return TableContent(
        format=1,
        channel_uses=record.settings["channel_uses"],
        link={name: value for name, value in record.settings["link"].items() if name not in NOT_COMPARED},
        record=record.name,
        record_sha256=content_hash(record.model_dump(by_alias=True)),
        snr_db=tuple(snr_db),
        modes=tuple(rows),
    )


def write_table(path: Path, record: Record) -> None:
    """Write the table of a record, one mode a line, with a hash; so the shipped ones were made."""
    write_sealed(path, table_of(record), "modes")


def write_sealed(path: Path, table: Settings, rows: str) -> None:
    """Write the numbers of a table with their hash, one of its ``rows`` a line."""
    content = table.model_dump(mode="json")
    content["sha256"] = settings_hash(content)
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in content.pop(rows))
    head = json.dumps(content, separators=(",", ":"))
    write_text(path, f'{head[:-1]},"{rows}":[\n{lines}\n]}}\n')
