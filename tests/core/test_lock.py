"""One process at a time, without a name of one operating system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.core.lock import ProcessLock

HOLD = """
import sys, time
from pathlib import Path
from sc_sionna.core.lock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]), Path("thing"), "run", "choose another")
print("held", flush=True)
time.sleep(60)
"""


def test_the_second_is_refused_and_told_who_holds_it_until_the_first_lets_go(tmp_path: Path) -> None:
    first = ProcessLock(tmp_path / "deep" / "a.lock", Path("thing"), "run", "choose another")
    with pytest.raises(UserError) as caught:
        ProcessLock(tmp_path / "deep" / "a.lock", Path("thing"), "run", "choose another")
    assert str(caught.value) == f"thing: in use by another run (process {os.getpid()}); wait for it, or choose another"
    first.release()
    first.release()
    second = ProcessLock(tmp_path / "deep" / "a.lock", Path("thing"), "run", "choose another")
    second.release()
    assert (tmp_path / "deep" / "a.lock").is_file()  # removing it would race with the next holder


def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "a.lock")]
    process = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[2], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {process.pid}"):
            ProcessLock(tmp_path / "a.lock", Path("thing"), "run", "choose another")
    finally:
        process.kill()
        process.communicate()
    ProcessLock(tmp_path / "a.lock", Path("thing"), "run", "choose another").release()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file: cannot be written or locked .*; choose another"):
        ProcessLock(tmp_path / "file" / "a.lock", Path("thing"), "run", "choose another")
