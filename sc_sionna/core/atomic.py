"""Files that are either the old or the new version, never half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sc_sionna.core.errors import UserError


def make_folder(folder: Path) -> None:
    """Make a folder if need be; UserError where it cannot be written. Long work asks before it begins."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone afterwards; UserError on a machine that has no temporary folder."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="sc_sionna-")
    except OSError as error:
        raise UserError(f"temporary folder: {error.strerror or error}; free space, or set TMPDIR to a folder") from None
    with folder as name:
        yield Path(name)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary one in the same folder; UserError where the folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UserError(f"{path.parent}: cannot be written ({error.strerror}); choose another output folder") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException as error:  # an interruption leaves no scratch file either
        Path(scratch).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(
                f"{path}: cannot be written ({error.strerror}); free space or choose another folder"
            ) from None
        raise


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def remove_scratch(path: Path) -> list[Path]:
    """Remove what killed writers of ``path`` left beside it, and say what; call it while no other may write the file."""
    prefix = f".{path.name}."
    length = len(prefix) + 8  # mkstemp adds eight characters
    found = [
        entry
        for entry in (path.parent.iterdir() if path.parent.is_dir() else ())
        if entry.name.startswith(prefix) and len(entry.name) == length and entry.is_file()
    ]
    for entry in found:
        entry.unlink(missing_ok=True)
    return found
