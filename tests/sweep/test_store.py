"""The store: refuses what it cannot trust with one line, and survives real kills."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.reliability.stores import flip_bits
from sc_sionna.sweep import Outcome, Point, Store, remove_store
from sc_sionna.sweep.provenance import processor_class
from sc_sionna.sweep.store import APPLICATION_ID
from tests.sweep.toy import POINTS, SETTINGS, as_json, evaluate, sweep

ROOT = Path(__file__).resolve().parents[2]


def refused(path: Path, settings: dict = SETTINGS) -> str:
    """The one line with which a store is refused; the file stays as it was."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UserError) as caught, Store(path, settings) as store:
        store.batches(POINTS[0].key)
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    return str(caught.value)


def start_toy(tmp_path: Path, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.sweep.toy", str(tmp_path / "s.sqlite"), str(tmp_path / "out"), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True)


def stored_rows(path: Path) -> int:
    """Rows that are committed, seen from another process."""
    if not path.exists():
        return 0
    db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=10)  # rw: a kill may leave a journal to roll back
    try:
        return int(db.execute("SELECT count(*) FROM batches").fetchone()[0])
    finally:
        db.close()


def test_killed_at_any_moment_and_restarted_the_counts_are_those_of_an_uninterrupted_run(tmp_path: Path) -> None:
    moments = random.Random(11)
    rows = 0
    for after in (0, 1, 0, 3, 1, 5, 2, 4):  # batches more than at the last kill; 0: while it starts
        process = start_toy(tmp_path, seconds=0.05)
        deadline = time.monotonic() + 30
        while stored_rows(tmp_path / "s.sqlite") < rows + after and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.03))
        os.killpg(process.pid, signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
        assert stored_rows(tmp_path / "s.sqlite") >= rows + after  # nothing committed is lost
        rows = stored_rows(tmp_path / "s.sqlite")
    final = start_toy(tmp_path, seconds=0.0)
    _, errors = final.communicate(timeout=60)
    assert final.returncode == 0, errors
    uninterrupted = sweep(tmp_path / "other.sqlite")
    assert 16 <= rows < sum(r.batches for r in uninterrupted)  # every kill was in the middle
    assert json.loads((tmp_path / "out").read_text()) == as_json(uninterrupted)
    assert stored_rows(tmp_path / "s.sqlite") == sum(r.batches for r in uninterrupted)


def test_a_second_sweep_on_a_store_is_refused_and_named(tmp_path: Path) -> None:
    process = start_toy(tmp_path, seconds=30)
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "s.sqlite").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        message = refused(tmp_path / "s.sqlite")
        assert f"in use by another sweep (process {process.pid})" in message
        with pytest.raises(UserError, match="in use"):
            remove_store(tmp_path / "s.sqlite")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    Store(tmp_path / "s.sqlite", SETTINGS).close()  # the lock died with its holder


def test_stores_side_by_side_have_their_own_locks(tmp_path: Path) -> None:
    with Store(tmp_path / "snr1.5", SETTINGS), Store(tmp_path / "snr1.6", SETTINGS):
        pass


def test_other_settings_are_refused_with_both_hashes_and_the_difference(tmp_path: Path) -> None:
    sweep(tmp_path / "s.sqlite")
    message = refused(tmp_path / "s.sqlite", {"kind": "toy", "seed": 6})
    assert len(set(re.findall(r"\b[0-9a-f]{12}\b", message))) == 2
    assert "seed was 5, now 6" in message
    assert "--fresh" in message
    assert "--out" in message
    nested = {"kind": "toy", "seed": 5, "link": {"num_streams": 2}}
    assert "link was absent" in refused(tmp_path / "s.sqlite", nested)


def test_fresh_forgets_a_sweep_even_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    remove_store(path)  # nothing there
    path.write_text("not a store")
    refused(path)
    remove_store(path)
    with Store(path, SETTINGS) as store:
        assert store.batches(POINTS[0].key) == {}


def test_the_journal_of_a_store_removed_by_hand_does_not_damage_the_next(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store(path, SETTINGS) as store:
        for batch in range(600):
            store.add("old", batch, Outcome({"images": 7}))
    code = """if True:
        import os, signal, sqlite3, sys
        db = sqlite3.connect(sys.argv[1], isolation_level=None)
        db.executescript("PRAGMA cache_size = 1; BEGIN; UPDATE batches SET counts = counts || ' '")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert (tmp_path / "s.sqlite-journal").stat().st_size > 0
    path.unlink()
    for _ in range(2):
        with Store(path, SETTINGS) as store:
            assert store.batches("old") == {}


def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"\x00" * 5000, b"SQLite format 3\x00" + b"\x00" * 100):
        (tmp_path / "s.sqlite").write_bytes(content)
        assert "not a store, or a damaged one" in refused(tmp_path / "s.sqlite")
    db = sqlite3.connect(tmp_path / "foreign.sqlite")
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    assert "another program's database" in refused(tmp_path / "foreign.sqlite")
    (tmp_path / "folder").mkdir()
    assert "not a store" in refused(tmp_path / "folder")


def test_a_truncated_store_is_refused_at_every_length(tmp_path: Path) -> None:
    sweep(tmp_path / "s.sqlite")
    whole = (tmp_path / "s.sqlite").read_bytes()
    for length in [*range(0, len(whole), 1024), len(whole) - 1]:
        (tmp_path / "cut.sqlite").write_bytes(whole[:length])
        assert "damaged" in refused(tmp_path / "cut.sqlite")


def test_damaged_counts_are_refused(tmp_path: Path) -> None:
    for counts in (
        '{"images": 4', '{"images": 4.5}', "[1]", '{"images": -1}', '{"images": "4"}', '{"images": 4, "correct": 5}',
        '{"images": 4, "blocks": 4, "block_errors": 5}', '{"images": 4, "undecodable": 5}', "[" * 5000, "9" * 5000,
        '{"images": 4, "bits": 8, "bit_errors": 3, "bit_errors_sq": 10}',
        '{"images": 2, "bits": 8, "bit_errors": 4, "bit_errors_sq": 7}',
    ):  # fmt: skip
        path = tmp_path / "s.sqlite"
        remove_store(path)
        Store(path, SETTINGS).close()
        db = sqlite3.connect(path)
        row = (POINTS[0].key, 0, counts, "{}", "{}", None, "this one")
        with Store(path, SETTINGS) as store:
            stated = store._row_hash(*row)  # right: the content alone is impossible
        db.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, stated))
        db.commit()
        db.close()
        assert "damaged" in refused(path)


def test_another_store_version_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "s.sqlite", SETTINGS).close()
    db = sqlite3.connect(tmp_path / "s.sqlite")
    db.execute("PRAGMA user_version = 99")
    db.close()
    assert "store version 99, this program reads 4" in refused(tmp_path / "s.sqlite")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        assert f"{folder}: cannot be written" in refused(folder / "s.sqlite")


def test_a_full_disk_is_said_and_leaves_the_store_whole(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", SETTINGS) as store:
        store.add("p", 0, Outcome({"images": 1}))
        pages = store._connection().execute("PRAGMA page_count").fetchone()[0]
        store._connection().execute(f"PRAGMA max_page_count = {pages}")  # what SQLite reports as a full disk
        added = 1
        try:
            while added < 10_000:
                store.add("p", added, Outcome({"images": 1}))
                added += 1
        except UserError as error:
            assert "cannot be written (database or disk is full)" in str(error)  # noqa: PT017
    assert 1 < added < 10_000
    with Store(tmp_path / "s.sqlite", SETTINGS) as store:
        assert sorted(store.batches("p")) == list(range(added))


def test_a_batch_is_stored_once(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", SETTINGS) as store:
        store.add("p", 0, Outcome({"images": 1}))
        with pytest.raises(UserError, match="damaged"):
            store.add("p", 0, Outcome({"images": 2}))
        assert {number: row.outcome.counts for number, row in store.batches("p").items()} == {0: {"images": 1}}
    with pytest.raises(ValueError, match="closed"):
        store.batches("p")


def test_settings_are_kept_readable_in_the_store(tmp_path: Path) -> None:
    Store(tmp_path / "s.sqlite", {"b": 1, "a": (1, 2)}).close()
    Store(tmp_path / "s.sqlite", {"a": [1, 2], "b": 1}).close()  # the same settings
    db = sqlite3.connect(tmp_path / "s.sqlite")
    text = dict(db.execute("SELECT * FROM meta"))["settings"]
    db.close()
    assert json.loads(text) == {"a": [1, 2], "b": 1}


def test_a_store_of_the_first_version_is_refused_in_one_line(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "s.sqlite")
    db.executescript(
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
        "CREATE TABLE batches (point TEXT, batch INTEGER, counts TEXT NOT NULL, PRIMARY KEY (point, batch)) WITHOUT ROWID"
    )
    db.close()
    assert "store version 1, this program reads 4; say --fresh" in refused(tmp_path / "s.sqlite")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE batches SET counts = replace(counts, '\"images\": 40', '\"images\": 41') WHERE batch = 1",
        "UPDATE batches SET batch = 20 WHERE batch = 1",
        "UPDATE batches SET point = point || 'x' WHERE batch = 1",
        "UPDATE batches SET processor = 'another' WHERE batch = 1",
        "UPDATE batches SET crafted = 'another' WHERE batch = 1",
        "UPDATE batches SET sha256 = replace(sha256, 'a', 'b')",
        "UPDATE meta SET value = replace(value, 'toy', 'yot') WHERE name = 'settings'",
    ],
)
def test_a_row_that_was_changed_is_refused_by_its_hash(tmp_path: Path, change: str) -> None:
    sweep(tmp_path / "s.sqlite")
    db = sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)
    assert db.execute(change).rowcount > 0
    db.close()
    assert "damaged" in refused(tmp_path / "s.sqlite")


def test_any_flipped_bit_is_refused_or_changes_no_result(tmp_path: Path) -> None:
    """A part of what `sc-sionna fuzz stores` does with 1,500 flips."""
    assert flip_bits(150, rng.generator(3, "store flips"), tmp_path).silent == 0


def as_foreign(path: Path, processor: str = "another class") -> None:
    """Make every row of a store one of another processor class, with the hash that goes with it."""
    with Store(path, SETTINGS) as store:
        rows = [
            (key, number, json.dumps(row.outcome.counts, sort_keys=True), "{}", "{}", row.crafted, processor)
            for key, number, row in store.rows()
        ]
        stated = [store._row_hash(*row) for row in rows]
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("DELETE FROM batches")
    db.executemany(
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(*r, s) for r, s in zip(rows, stated, strict=True)]
    )
    db.close()


THREATENED = [Point(p.system, p.snr_db, "noise") for p in POINTS]


def test_another_processor_class_goes_on_only_with_the_same_crafted_images(tmp_path: Path) -> None:
    def crafted(here: str):
        return lambda point, batch: f"{point.system} {batch} {here}"

    path = tmp_path / "s.sqlite"
    part = sweep(path, THREATENED[:2], crafted=crafted("x"))
    assert {r.processors for r in part} == {(processor_class(),)}
    as_foreign(path)
    whole = sweep(tmp_path / "whole.sqlite", THREATENED)
    assert sweep(path, THREATENED[:2], crafted=crafted("y"))[0].counts == part[0].counts  # nothing is left to run
    with pytest.raises(
        UserError, match="made on another processor \\(another class\\), whose crafted images differ"
    ) as caught:
        sweep(path, THREATENED, crafted=crafted("y"))
    assert "\n" not in str(caught.value)
    on = sweep(path, THREATENED, crafted=crafted("x"))
    assert as_json(on) == as_json(whole)
    assert {r.processors for r in on} == {("another class",), (processor_class(),)}


def test_another_processor_class_goes_on_without_an_attack_only_with_the_same_counts(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    sweep(path, POINTS[:2])
    as_foreign(path)

    def rounds_differently(point: Point, batch: int) -> dict[str, int]:
        counts = evaluate(point, batch)
        return {**counts, "correct": counts["correct"] - 1}

    with pytest.raises(UserError, match="whose counts, scores or hits differ"):
        sweep(path, POINTS, evaluate=rounds_differently)
    assert as_json(sweep(path, POINTS)) == as_json(sweep(tmp_path / "whole.sqlite"))


def test_an_attack_that_makes_other_images_of_the_same_batch_is_refused_on_the_same_processor(tmp_path: Path) -> None:
    made = iter(range(10**6))
    with pytest.raises(UserError, match="crafted images"):
        sweep(tmp_path / "s.sqlite", THREATENED, crafted=lambda point, batch: str(next(made)))
