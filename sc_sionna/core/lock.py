"""One process at a time: a lock that the operating system frees when its holder ends, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from sc_sionna.core.errors import UserError


class ProcessLock:
    """Holds ``path`` until :meth:`release`; the file stays, since removing it would race with the next holder.

    path : the lock file; its folder is made. It holds the process number of its holder
    what : the thing that is locked, as an error names it
    work : the work that needs it alone, such as "sweep"
    remedy : how the user gets on without the lock

    Raises UserError where another process, or another lock of this one, holds it, and for a folder that cannot be written.
    """

    def __init__(self, path: Path, what: Path, work: str, remedy: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path, timeout=0, mode=0o644, thread_local=False)
            self._lock.acquire()
        except Timeout:
            raise UserError(
                f"{what}: in use by another {work} (process {_holder(path)}); wait for it, or {remedy}"
            ) from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{path.parent}: cannot be written or locked ({reason}); {remedy}") from None
        _write_holder(path)

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        self._lock.release()


def _write_holder(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.truncate(path, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[:32].strip() or "unknown"
    except OSError:  # a system whose locks keep readers out too
        return "unknown"
