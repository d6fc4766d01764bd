"""A file is the old or the new version, whatever happens to its writer."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sc_sionna.core.atomic import write_bytes, write_text
from sc_sionna.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def test_writes_into_new_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    write_text(path, "old ä")
    assert path.read_bytes() == "old ä".encode()
    write_bytes(path, b"\x00new")
    assert path.read_bytes() == b"\x00new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644  # not the 0600 of a temporary file
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"a\.txt: cannot be written \(No space left on device\); free space"):
        write_text(path, "new")
    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "a", Path("/proc/nowhere/a")):
        with pytest.raises(UserError, match=r"cannot be written \(.*\); choose another output folder") as error:
            write_bytes(path, b"")
        assert str(error.value).startswith(str(path.parent))
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_bytes(tmp_path / "folder", b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_reader_sees_one_whole_version_at_any_moment_of_a_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    code = """if True:
        import sys
        from pathlib import Path
        from sc_sionna.core.atomic import write_bytes
        for number in range(10**9):
            write_bytes(Path(sys.argv[1]), bytes([number % 256]) * 200_000)
    """
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT)
    try:
        versions = set()
        deadline = time.monotonic() + 20
        while len(versions) < 10 and time.monotonic() < deadline:
            if path.exists():
                content = path.read_bytes()
                assert content == content[:1] * 200_000
                versions.add(content[0])
        assert len(versions) == 10
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    content = path.read_bytes()
    assert content == content[:1] * 200_000
