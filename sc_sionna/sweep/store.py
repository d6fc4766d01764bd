"""Finished batches in an SQLite file: one committed row per (point, batch).

A sweep that is killed at any moment has lost at most the batch in hand. A lock file beside the store, held by the operating
system, keeps a second sweep out and is free again the moment its holder dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from sc_sionna.core.errors import UserError
from sc_sionna.settings import settings_hash
from sc_sionna.sweep.metrics import Counts, to_counts

SCHEMA = 1
APPLICATION_ID = 0x5C510AA  # in the file's header: tells a store from any other SQLite database
REMEDY = "say --fresh to forget it, or choose another --out"

_TABLES = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA};
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (point TEXT, batch INTEGER, counts TEXT NOT NULL, PRIMARY KEY (point, batch)) WITHOUT ROWID;
"""


class Store:
    """Counts of one sweep's batches; a context manager that holds the lock.

    path : the SQLite file; its folder is made
    run_settings : everything that the counts of a batch depend on; a store of other settings is refused

    Raises UserError for a folder that cannot be written, a file that is no store or damaged, other settings or another
    version, and while another sweep holds the store.
    """

    def __init__(self, path: Path, run_settings: dict[str, Any]) -> None:
        self.path = path
        self.run_settings = run_settings
        self.hash = settings_hash(run_settings)
        self._db: sqlite3.Connection | None = None
        self._lock = _acquire_lock(path)
        try:
            if not path.exists():
                self._create()
            self._open()
        except BaseException:
            self.close()
            raise

    def _create(self) -> None:
        # under another name until complete: a kill leaves no half store, and so a file of no bytes is damage
        scratch = Path(f"{self.path}.new")
        try:
            _unlink(scratch)
            db = sqlite3.connect(scratch, isolation_level=None)
            try:
                db.executescript(_TABLES)
                text = json.dumps(self.run_settings, sort_keys=True)
                db.execute("INSERT INTO meta VALUES ('settings', ?), ('hash', ?)", (text, self.hash))
            finally:
                db.close()
            # there is no store yet, so this can only be the journal of one removed by hand after a kill; SQLite would roll
            # its old pages back into the new store
            Path(f"{self.path}-journal").unlink(missing_ok=True)
            os.replace(scratch, self.path)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{self.path}: cannot be written ({error}); free space or choose another --out") from None

    def _open(self) -> None:
        try:
            if self.path.stat().st_size == 0:
                raise sqlite3.DatabaseError("the file is empty")
            # mode=rw never makes a file; the foreign or damaged ones are left as they are
            self._db = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=60
            )
            if self._db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise sqlite3.DatabaseError("another program's database")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA:
                raise UserError(f"{self.path}: store version {version}, this program reads {SCHEMA}; {REMEDY}")
            self._db.execute("PRAGMA synchronous = FULL")
            if self._db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("integrity check failed")
            meta = dict(self._db.execute("SELECT name, value FROM meta"))
            stored_hash, stored = meta["hash"], json.loads(meta["settings"])
        except (OSError, sqlite3.Error, KeyError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{self.path}: not a store, or a damaged one ({error}); {REMEDY}") from None
        if stored_hash != self.hash:
            name, old, new = _first_difference(stored, json.loads(json.dumps(self.run_settings)))
            raise UserError(
                f"{self.path}: holds a sweep with other settings (hash {stored_hash[:12]}, now {self.hash[:12]}; "
                f"{name} was {old}, now {new}); {REMEDY}"
            )

    def close(self) -> None:
        """Close the file and free the lock. The lock file stays: removing it would race with the next holder."""
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise ValueError(f"{self.path}: the store is closed")
        return self._db

    def add(self, point: str, batch: int, counts: Counts) -> None:
        """Commit one finished batch; sqlite3.IntegrityError if the store holds it already."""
        row = (point, batch, json.dumps(counts, sort_keys=True))
        try:
            self._connection().execute("INSERT INTO batches VALUES (?, ?, ?)", row)
        except sqlite3.OperationalError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error}); free space and run the same command again, "
                "finished batches are kept"
            ) from None

    def batches(self, point: str) -> dict[int, Counts]:
        """Stored batches of a point by number."""
        try:
            rows = self._connection().execute("SELECT batch, counts FROM batches WHERE point = ?", (point,)).fetchall()
            return {int(batch): to_counts(json.loads(counts)) for batch, counts in rows}
        except (sqlite3.Error, ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{self.path}: damaged ({error}); {REMEDY}") from None


def _acquire_lock(path: Path) -> int:
    """File descriptor that holds the lock of a store; the system frees it when the process ends, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # opened without truncation: while another sweep holds it, its process number must stay readable
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f"{path.parent}: cannot be written ({error.strerror}); choose another --out") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise UserError(
            f"{path}: in use by another sweep (process {holder}); wait for it, or choose another --out"
        ) from None
    except OSError as error:
        os.close(lock)
        raise UserError(f"{path}.lock: cannot be locked ({error.strerror}); choose another --out") from None
    return lock


def _unlink(path: Path) -> None:
    for suffix in ("", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def remove_store(path: Path) -> None:
    """Forget a sweep (``--fresh``), also a damaged one; UserError while another process is running it."""
    if not path.exists():
        return
    lock = _acquire_lock(path)
    try:
        _unlink(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be removed ({error.strerror}); choose another --out") from None
    finally:
        os.close(lock)


def _first_difference(old: Any, new: Any, name: str = "") -> tuple[str, str, str]:
    """Name of the first setting that differs, with both values as JSON."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(set(old) | set(new)):
            path = f"{name}.{key}" if name else key
            if key not in old or key not in new:
                return path, *(_short(x[key]) if key in x else "absent" for x in (old, new))  # type: ignore[return-value]
            if old[key] != new[key]:
                return _first_difference(old[key], new[key], path)
    return name or "a setting", _short(old), _short(new)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
