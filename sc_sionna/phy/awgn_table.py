"""Block error rates of code words over AWGN, and of a link's modes on a realisation that the transmitter knows.

What a code word of k information and n coded bits in one modulation survives does not depend on the link that carries it but
for the SNRs of its symbols. ``sc-sionna run awgn_table`` counts its errors with this package's own decoder over AWGN; the
effective SNR of a realisation (:mod:`~sc_sionna.phy.effective_snr`) then says where to look. A mode of S streams over U
channel uses sends code words of S · U symbols.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.phy.effective_snr import effective_snr_db
from sc_sionna.phy.framing import fill
from sc_sionna.phy.mode_table import SHIPPED, Count, read_sealed, write_sealed
from sc_sionna.phy.modes import MODULATIONS, Mode, link_modes, mode_link
from sc_sionna.settings import Decibel, LinkSettings, Settings
from sc_sionna.sweep import Record, read_record
from sc_sionna.sweep.record import content_hash

FILE = SHIPPED / "awgn.json"
COMPARED = ("coded", "decoder", "num_iter", "demapping")  # settings of a link on which the errors of a code word depend
REMEDY = "make it again with `sc-sionna run awgn_table`"
FIRST, LAST = 0.9, 0.01  # a curve begins at least with this block error rate, and ends at most with that
WIDEST = 1.0  # dB between two SNRs of a curve

Word = tuple[str, int, int]  # modulation, k, n


class WordCounts(Settings):
    """Blocks of one code word, and how many of them were wrong, by SNR."""

    modulation: str = Field(description="the constellation")
    k: int = Field(strict=True, ge=1, le=8448, description="information bits of a block, CRC included")
    n: int = Field(strict=True, ge=1, le=2**20, description="coded bits of a block")
    snr_db: tuple[Decibel, ...] = Field(min_length=2, description="rising SNRs per symbol in dB")
    blocks: tuple[Count, ...] = Field(description="the blocks that were sent, by SNR")
    block_errors: tuple[Count, ...] = Field(description="those with a wrong bit")

    @property
    def word(self) -> Word:
        """What tells it from others."""
        return self.modulation, self.k, self.n


class AwgnContent(Settings):
    """A table as it is stored."""

    format: Literal[1] = Field(1, description="the version of the form, 1")
    link: dict[str, Any] = Field(description="the settings of the decoder")
    record: str = Field(description="the name of the record that the counts are from")
    record_sha256: str = Field(description="what that record states as its SHA-256")
    words: tuple[WordCounts, ...] = Field(min_length=1, description="the counts of every code word")


@dataclass(frozen=True)
class Curve:
    """The block error rate p of a code word against the SNR per symbol: ln(p / (1 - p)) is interpolated over dB.

    p is (errors + 1/2) / (blocks + 1), and the largest found at this SNR or a higher one. Below the curve p is 1, above it
    the last value holds.
    """

    snr_db: np.ndarray
    log_odds: np.ndarray

    @classmethod
    def of(cls, counts: WordCounts) -> Curve:
        """The curve of counts."""
        rates = (np.array(counts.block_errors) + 0.5) / (np.array(counts.blocks) + 1.0)
        rates = np.maximum.accumulate(rates[::-1])[::-1]
        return cls(np.array(counts.snr_db), np.log(rates / (1 - rates)))

    def rate(self, snr_db: np.ndarray) -> np.ndarray:
        """Block error rates at SNRs in dB."""
        return 1.0 / (1.0 + np.exp(-np.interp(snr_db, self.snr_db, self.log_odds, left=np.inf)))

    @property
    def half_db(self) -> float:
        """The SNR in dB at which every other block is lost."""
        return float(np.interp(0.0, -self.log_odds, self.snr_db))


@dataclass(frozen=True)
class ModeCurves:
    """The M modes of a link in a number of channel uses, each with the curve of its code word.

    num_uses : channel uses that every mode fills
    modes, num_bits : the modes, and the information bits without CRC that each carries, ``[M]``
    """

    num_uses: int
    modes: tuple[Mode, ...]
    num_bits: np.ndarray
    curves: tuple[Curve, ...]

    def only(self, keep: np.ndarray) -> ModeCurves:
        """Some of the modes, bool ``[M]``."""
        kept = np.flatnonzero(keep)
        return ModeCurves(
            self.num_uses, tuple(self.modes[i] for i in kept), self.num_bits[kept], tuple(self.curves[i] for i in kept)
        )

    def predict(self, stream_snrs: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Block error rates of the modes on B realisations, and by how many dB each is above a rate of 1/2: ``[M, B]``.

        stream_snrs : by the number of streams S the linear SNR of each after the receiver's filter, ``[B, S]``
        """
        kinds = {(mode.num_streams, mode.modulation) for mode in self.modes}
        effective = {kind: effective_snr_db(kind[1], stream_snrs[kind[0]]) for kind in kinds}
        at = [effective[mode.num_streams, mode.modulation] for mode in self.modes]  # [B] each
        rates = np.stack([curve.rate(snr_db) for curve, snr_db in zip(self.curves, at, strict=True)])
        return rates, np.stack([snr_db - curve.half_db for curve, snr_db in zip(self.curves, at, strict=True)])


def load_curves(link: LinkSettings, num_uses: int, path: Path | None = None) -> ModeCurves:
    """The modes of a link in ``num_uses`` channel uses with the curves of their code words.

    path : a table or a record of ``awgn_table``; None for the one that the package ships

    Raises
    ------
    UserError where the table lacks a code word, is of another decoder, or is damaged.
    """
    where = path or FILE
    content = _shipped() if path is None else read_awgn(path)
    for name in COMPARED:
        now = getattr(link, name)
        if now != content.link.get(name):
            raise UserError(
                f"link.{name} = {now}: the table of code words {where} has {content.link.get(name)}; make one with "
                f"`sc-sionna run awgn_table --set link.{name}={now}` and name its record"
            )
    counted = {row.word: row for row in content.words}
    modes = link_modes(link, num_uses)
    curves, num_bits = [], []
    for mode in modes:
        num_blocks, k, n = fill(mode_link(link, mode), num_uses)
        found = counted.get((mode.modulation, k, n))
        if found is None:
            raise UserError(
                f"link.channel_uses = {num_uses}: the table {where} has no code word of {k} in {n} bits of "
                f"{mode.modulation}; make one with `sc-sionna run awgn_table --channel-uses {num_uses}` and name its record"
            )
        curves.append(Curve.of(found))
        num_bits.append(num_blocks * (k - link.crc_bits))
    return ModeCurves(num_uses, modes, np.array(num_bits), tuple(curves))


def awgn_sha256() -> str:
    """SHA-256 of the file of the shipped table, hex."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()


@cache
def _shipped() -> AwgnContent:
    return read_awgn(FILE)


def read_awgn(path: Path) -> AwgnContent:
    """The content of a table, or of the record of one.

    Raises
    ------
    UserError for a file that is missing, too large, truncated, altered or something else, and for a table with a hole.
    """
    try:
        content = read_sealed(path)
        found: AwgnContent = (
            awgn_table_of(read_record(path)) if "schema" in content else AwgnContent.from_stored(content)
        )
        _check(found)
    except (OSError, ValueError, UserError) as error:
        what = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not a whole table of code words ({what}); {REMEDY}") from None
    return found


def _check(table: AwgnContent) -> None:
    """ValueError for a table whose lists do not belong together, or with a hole."""
    seen = set()
    for row in table.words:
        name = f"{row.modulation}, {row.k} of {row.n} bits"
        if row.modulation not in MODULATIONS or not row.k < row.n:
            raise ValueError(f"{name}: no code word of the grid")
        if row.word in seen:
            raise ValueError(f"{name}: occurs twice")
        seen.add(row.word)
        if not len(row.blocks) == len(row.block_errors) == len(row.snr_db):
            raise ValueError(f"{name}: not one count for each of {len(row.snr_db)} SNRs")
        for low, high in pairwise(row.snr_db):
            if not 0 < high - low <= WIDEST:
                raise ValueError(
                    f"{name}: from {low:g} to {high:g} dB, SNRs rise by at most {WIDEST:g} dB without a hole"
                )
        for snr_db, blocks, errors in zip(row.snr_db, row.blocks, row.block_errors, strict=True):
            if blocks == 0:
                raise ValueError(f"{name}: not measured at {snr_db:g} dB")
            if errors > blocks:
                raise ValueError(f"{name}: {errors} wrong of {blocks} blocks at {snr_db:g} dB")
        first, last = (row.block_errors[end] / row.blocks[end] for end in (0, -1))
        if first < FIRST or last > LAST:
            raise ValueError(f"{name}: block error rates from {first:.3g} to {last:.3g}, {FIRST} to {LAST} are needed")


def awgn_table_of(record: Record) -> AwgnContent:
    """The table that a record of ``awgn_table`` holds; UserError for another record, and for a point without counts."""
    words = record.notes.get("words")
    link = record.settings.get("link")
    known = isinstance(words, dict) and all(isinstance(word, dict) for word in words.values())
    if record.settings.get("kind") != "awgn-table" or not known or not isinstance(link, dict):
        raise UserError(f"record {record.name!r}: not of the experiment awgn_table; {REMEDY}")
    rows = []
    for name, word in (words or {}).items():
        points = sorted((p for p in record.points if p.system == name), key=lambda p: p.snr_db)
        missing = next((p.snr_db for p in points if not p.counts), None)
        if missing is not None:
            raise UserError(f"record {record.name!r}: {name} was not run at {missing:g} dB; run the same command again")
        blocks, errors = (tuple(p.counts[part] for p in points if p.counts) for part in ("blocks", "block_errors"))
        parts = {part: word.get(part) for part in ("modulation", "k", "n")}
        rows.append(WordCounts(**parts, snr_db=tuple(p.snr_db for p in points), blocks=blocks, block_errors=errors))
    return AwgnContent(
        format=1,
        link={name: link.get(name) for name in COMPARED},
        record=record.name,
        record_sha256=content_hash(record.model_dump(by_alias=True)),
        words=tuple(rows),
    )


def write_awgn(path: Path, record: Record) -> None:
    """Write the table of a record, one code word a line, with a hash; so the shipped one was made."""
    write_sealed(path, awgn_table_of(record), "words")
