"""results/README.md from the records: for every figure what the paper claims, the numbers, and whether they agree."""

from __future__ import annotations

from pathlib import Path

from sc_sionna.core.atomic import write_text
from sc_sionna.report.sections import SECTIONS
from sc_sionna.report.seen import SEEN
from sc_sionna.report.studies import decoder_section
from sc_sionna.report.tables import by_snr, cliff
from sc_sionna.sweep import Record, read_record

HEAD = (
    "Written by `sc-sionna report` from the records in [records/](records); each names its command, commit, seed, "
    "versions and device; `python -m sc_sionna replay RECORD` runs any of them again and compares. Brackets are "
    "95 % intervals. Speed: [benchmarks.md](benchmarks.md); overhead: [overhead.md](overhead.md)."
)


def page(out: Path) -> str:
    """The page of the records under ``out/records``, a section for each that is there, in Markdown.

    Raises UserError for a record that is truncated or was changed.
    """
    lines = ["# Results", "", HEAD]
    for name in SECTIONS:
        path = out / "records" / f"{name}.json"
        if path.is_file():
            lines += _section(name, read_record(path))
    lines += _decoding(*(out / "records" / f"decoding_{way}_digits.json" for way in ("hard", "soft")))
    path = out / "records" / "ldpc_decoders.json"
    if path.is_file():
        lines += ["", *decoder_section(read_record(path))]
    return "\n".join(lines) + "\n"


def _section(name: str, record: Record) -> list[str]:
    """The claim, the tables, what is seen in them, and where the record is from."""
    title, claim, tables = SECTIONS[name]
    lines = ["", f"## {title}", "", f"![](figures/{name}.png)", "", f"*Claim.* {claim}", "", "*Seen.*"]
    lines += [cliff(record)] if name.startswith("accuracy_vs_snr") else []
    lines += tables(record)
    for paragraph in SEEN.get(name, []):
        lines += ["", paragraph]
    origin = f"`{record.command}`, {record.data_set}, {record.duration_s:.0f} s on {record.device['cores']} cores."
    return [*lines, "", origin]


def _decoding(hard: Path, soft: Path) -> list[str]:
    """The two ways of decoding indices, where both records are there."""
    if not (hard.is_file() and soft.is_file()):
        return []
    lines = ["", "## Hard or soft decoding of indices", "", "![](figures/decoding_hard_vs_soft_digits.png)", ""]
    lines += ["Hard indices, accuracy in %:", "", *by_snr(read_record(hard), None)]
    lines += ["", "Posterior-mean codebook vectors, accuracy in %:", "", *by_snr(read_record(soft), None)]
    return [*lines, "", "Soft decoding loses below 4.5 dB, so hard indices stay the default."]


def write_report(out: Path) -> None:
    """Write ``out/README.md`` and print where it is."""
    write_text(out / "README.md", page(out))
    print(f"report: {out / 'README.md'}")
