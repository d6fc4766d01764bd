"""Finished batches in an SQLite file: one committed row per (point, batch), each with a hash of its own.

A sweep that is killed at any moment has lost at most the batch in hand. A lock file beside the store, held by the operating
system, keeps a second sweep out and is free again the moment its holder dies. The hashes find damage; they are no signature:
whoever can write the file can write them too.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sc_sionna.core import strict_json
from sc_sionna.core.errors import UserError
from sc_sionna.core.lock import ProcessLock
from sc_sionna.settings import settings_hash
from sc_sionna.sweep.per_image import pack, pack_scores, unpack, unpack_scores
from sc_sionna.sweep.provenance import processor_class
from sc_sionna.sweep.scores import Outcome, to_outcome

SCHEMA = 4
APPLICATION_ID = 0x5C510AA  # in the file's header: tells a store from any other SQLite database
REMEDY = "say --fresh to forget it, or choose another --out"

_TABLES = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA};
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (
    point TEXT, batch INTEGER, counts TEXT NOT NULL, scores TEXT NOT NULL, hits TEXT NOT NULL, crafted TEXT,
    processor TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (point, batch)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class StoredBatch:
    """A finished batch.

    outcome : its counts, and of each image the scores and the hits where the task has any
    crafted : SHA-256 of the images or signals that an attack made for it; None without an attack
    processor : the class of the processor that ran it (:func:`sc_sionna.sweep.provenance.processor_class`)
    """

    outcome: Outcome
    crafted: str | None
    processor: str


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
        self.processor = processor_class()
        self._db: sqlite3.Connection | None = None
        self._lock = _lock(path)
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
            stored_hash, stored = meta["hash"], strict_json.loads(meta["settings"])
            if settings_hash(stored) != stored_hash:
                raise sqlite3.DatabaseError("its settings are not those that it was made with")
        except UserError:
            raise
        except (OSError, sqlite3.Error, KeyError, ValueError, TypeError) as error:
            raise UserError(f"{self.path}: not a store, or a damaged one ({error}); {REMEDY}") from None
        if stored_hash != self.hash:
            name, old, new = first_difference(stored, json.loads(json.dumps(self.run_settings)))
            raise UserError(
                f"{self.path}: holds a sweep with other settings (hash {stored_hash[:12]}, now {self.hash[:12]}; "
                f"{name} was {old}, now {new}); {REMEDY}"
            )
        for _ in self.rows():  # every row's hash, also of points that this run does not ask for
            pass

    def close(self) -> None:
        """Close the file and free the lock."""
        if self._db is not None:
            self._db.close()
            self._db = None
        self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise ValueError(f"{self.path}: the store is closed")
        return self._db

    def _row_hash(self, *row: Any) -> str:
        """Of the columns before it, in their order, for this store's settings."""
        return hashlib.sha256(json.dumps([self.hash, *row]).encode()).hexdigest()

    def add(
        self, point: str, batch: int, outcome: Outcome, crafted: str | None = None, processor: str | None = None
    ) -> None:
        """Commit one finished batch; UserError where the store cannot be written, is damaged, or holds the batch already.

        processor : the class of the processor that ran it; None for that of this process
        """
        scores = {name: pack_scores(values) for name, values in outcome.scores.items()}
        hits = {name: pack(which) for name, which in outcome.hits.items()}
        texts = (json.dumps(part, sort_keys=True) for part in (outcome.counts, scores, hits))
        row = (point, batch, *texts, crafted, processor or self.processor)
        try:
            self._connection().execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, self._row_hash(*row))
            )
        except sqlite3.OperationalError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error}); free space and run the same command again, "
                "finished batches are kept"
            ) from None
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: damaged ({error}); {REMEDY}") from None

    def rows(self, point: str | None = None) -> Iterator[tuple[str, int, StoredBatch]]:
        """Key of the point, number and content of every batch, or of those of one point; UserError at a damaged one."""
        try:
            query = "SELECT point, batch, counts, scores, hits, crafted, processor, sha256 FROM batches"
            where = ("", ()) if point is None else (" WHERE point = ?", (point,))
            for *row, stated in self._connection().execute(query + where[0], where[1]).fetchall():
                key, batch, *texts, crafted, processor = row
                if self._row_hash(*row) != stated:
                    raise ValueError(f"batch {batch} is not what was written")
                yield key, batch, StoredBatch(_outcome(*texts), crafted, processor)
        except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError, UnicodeDecodeError) as error:
            if self._db is None:
                raise
            raise UserError(f"{self.path}: damaged ({error}); {REMEDY}") from None

    def batches(self, point: str) -> dict[int, StoredBatch]:
        """Stored batches of a point by number."""
        return {batch: row for _, batch, row in self.rows(point)}


def settings_of(path: Path) -> dict[str, Any]:
    """The settings that a store was made with; UserError for a file that is no store, or a damaged one."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise sqlite3.DatabaseError("another program's database")
            text = db.execute("SELECT value FROM meta WHERE name = 'settings'").fetchone()[0]
        found: dict[str, Any] = strict_json.loads(text)
    except (OSError, sqlite3.Error, ValueError, TypeError) as error:
        raise UserError(f"{path}: not a store, or a damaged one ({error}); name the store of a sweep") from None
    return found


def _outcome(*texts: str) -> Outcome:
    """The outcome of a row's counts, scores and hits; ValueError where the bits of hits do not add up to their count."""
    counts, scores, hits = map(strict_json.loads, texts)
    of_images = {name: unpack_scores(text) for name, text in scores.items()}
    return to_outcome(Outcome(counts, of_images, {name: unpack(text, counts["images"]) for name, text in hits.items()}))


def _lock(path: Path) -> ProcessLock:
    return ProcessLock(Path(f"{path}.lock"), path, "sweep", "choose another --out")


def _unlink(path: Path) -> None:
    for suffix in ("", "-journal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def remove_store(path: Path) -> None:
    """Forget a sweep (``--fresh``), also a damaged one; UserError while another process is running it."""
    if not path.exists():
        return
    lock = _lock(path)
    try:
        _unlink(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be removed ({error.strerror}); choose another --out") from None
    finally:
        lock.release()


def first_difference(old: Any, new: Any, name: str = "") -> tuple[str, str, str]:
    """Name of the first setting that differs, with both values as JSON."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(set(old) | set(new)):
            path = f"{name}.{key}" if name else key
            if key not in old or key not in new:
                return path, *(_short(x[key]) if key in x else "absent" for x in (old, new))  # type: ignore[return-value]
            if old[key] != new[key]:
                return first_difference(old[key], new[key], path)
    return name or "a setting", _short(old), _short(new)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
