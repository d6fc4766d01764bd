"""Transmission overhead: Table I of the paper from its own formulas, beside this link's budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from sc_sionna.core.atomic import write_text
from sc_sionna.experiments.closed_form import ClosedForm, ClosedFormSettings
from sc_sionna.phy.overhead import table_one
from sc_sionna.sweep import Record


class OverheadSettings(ClosedFormSettings):
    """Nothing is drawn and nothing is set: the table is the paper's."""

    kind: Literal["overhead"] = "overhead"


class OverheadExperiment(ClosedForm):
    """The symbols per image of every task and scheme."""

    tolerance = 1e-12
    shown_as = "{name}.md"

    def values(self) -> dict[str, Any]:
        """Symbols per image by task and scheme, as computed from the paper's Table I."""
        return table_one()

    def draw(self, record: Record, path: Path) -> None:
        """The table as a Markdown file."""
        write_text(path, as_markdown(record.values))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def as_markdown(found: dict[str, Any]) -> str:
    """The table of a record's ``values``."""
    lines = [
        "# Transmission overhead per image (Table I)",
        "",
        "Written by `python sims/overhead.py`. Symbols of 16-QAM; *on this link, coded* has rate 1/2 LDPC, CRC for JPEG, "
        "and whole channel uses of 4 streams.",
        "",
        "| task | scheme | paper | its formula | on this link, uncoded | on this link, coded | channel uses, coded |",
        "|---|---|---|---|---|---|---|",
    ]
    for task, row in found["tasks"].items():
        for name, s in row["symbols"].items():
            coded = s["this_link_coded"]
            uncoded = format(s["this_link_uncoded"]["symbols"], ",.0f") if "this_link_uncoded" in s else "–"
            lines.append(
                f"| {task} | {name} | {_number(s['paper'])} | {_number(s['formula'])} | "
                f"{uncoded} | {coded['symbols']:,.0f} | {coded['channel_uses']:,.0f} |"
            )
    lines += [
        "",
        "| task | pixels that the table implies | side if square | JPEG compression ratio that it implies |",
        "|---|---|---|---|",
    ]
    for task, row in found["tasks"].items():
        lines.append(
            f"| {task} | {row['implied_pixels']:,.0f} | {row['implied_side']:.1f} | {row['implied_jpeg_compression']:.2f} |"
        )
    lines += [
        "",
        "The paper prints 224 x 224 x 3 x 8 x 2 / 4 for the classification row, which is 602,112; its 53,760 symbols need a "
        "compression ratio of 11.2. Its average JPEG of 5,108 bytes would be 20,432 symbols at rate 1/2, not 53,760. The "
        "table counts the code rate for JPEG and leaves it out for the learned schemes: coded, they cost twice the number. "
        "*Scan alone* is the same picture without the 625 bytes of tables and markers that both ends know, its length said "
        "in 16 bits: at these sizes it saves 1 to 5 %, at 32 x 32 pixels half of a file and more. How few bits a picture "
        "can do with is another question, which the contest at equal channel uses answers.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
