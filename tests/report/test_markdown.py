"""The results page is what the records say, no more and no less."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sc_sionna.cli.main import app
from sc_sionna.core.errors import UserError
from sc_sionna.report.markdown import page
from sc_sionna.report.sections import SECTIONS
from sc_sionna.report.seen import SEEN

RESULTS = Path(__file__).resolve().parents[2] / "results"


def test_the_page_in_results_is_made_of_the_records_beside_it() -> None:
    assert (RESULTS / "README.md").read_text() == page(RESULTS)
    assert set(SEEN) <= set(SECTIONS)
    for name in SECTIONS:
        assert (RESULTS / "records" / f"{name}.json").is_file()


def test_a_record_that_is_not_there_has_no_section(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    shutil.copy(RESULTS / "records" / "ber_vs_snr.json", tmp_path / "records")
    done = CliRunner().invoke(app, ["report", "--out", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (0, f"report: {tmp_path / 'README.md'}\n")
    text = (tmp_path / "README.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Error rates of the link"]
    whole = (RESULTS / "README.md").read_text()
    start = whole.index("## Error rates of the link")
    assert text[text.index("## ") :].strip() == whole[start : whole.index("## ", start + 3)].strip()


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    record = (RESULTS / "records" / "ber_vs_snr.json").read_text()
    (tmp_path / "records" / "ber_vs_snr.json").write_text(record.replace('"seed": 1', '"seed": 2'))
    with pytest.raises(UserError, match="so it was changed"):
        page(tmp_path)
