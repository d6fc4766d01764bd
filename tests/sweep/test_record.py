"""Records: complete, checked on the way back, and comparable."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sc_sionna import __file__ as package_file
from sc_sionna.core.errors import UserError
from sc_sionna.sweep import (
    Point,
    Record,
    StopRule,
    compare,
    make_record,
    point_records,
    read_record,
    write_record,
)
from sc_sionna.sweep.metrics import ACCURACY, BLOCK_ERROR_RATE, merge, wilson
from sc_sionna.sweep.provenance import git_commit
from sc_sionna.sweep.record import content_hash
from tests.sweep.fakes import accuracy_record, link_record, result
from tests.sweep.toy import SETTINGS, sweep


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_record(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def rewrite(path: Path, **changes: Any) -> None:
    """Change a record's content and state the right hash of it."""
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({**content, "sha256": content_hash(content)}))


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = accuracy_record()
    write_record(tmp_path / "new" / "folder" / "a.json", record)
    assert read_record(tmp_path / "new" / "folder" / "a.json") == record
    write_record(tmp_path / "b.json", record)
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "new" / "folder" / "a.json").read_bytes()


def test_a_record_says_where_it_is_from(tmp_path: Path) -> None:
    write_record(tmp_path / "a.json", accuracy_record())
    content = json.loads((tmp_path / "a.json").read_text())
    named = (
        "schema name command settings settings_sha256 commit versions device seed data_set created duration_s points"
    )
    assert set(named.split()) <= set(content)
    assert {"python", "tensorflow", "sionna", "keras", "numpy"} <= set(content["versions"])
    assert content["device"]["cores"] >= 1
    assert content["command"]
    fields = {"system", "snr_db", "threat", "metric", "value", "ci95", "counts", "budget", "stop"}
    assert all(fields <= set(point) for point in content["points"])


def test_points_hold_value_interval_and_the_rule_that_stopped_them(tmp_path: Path) -> None:
    results = sweep(tmp_path / "s.sqlite")
    budget = {"payload_bits": 192.0, "channel_uses": 24.0}
    points = point_records(results, ACCURACY, {"learned": budget})
    for point, from_engine in zip(points, results, strict=True):
        assert point.counts is not None
        images, correct = point.counts["images"], point.counts["correct"]
        assert point.value == correct / images
        assert point.ci95 == wilson(correct, images)
        assert (point.stop, point.batches) == (from_engine.stop, from_engine.batches)
        assert point.budget == (budget if point.system == "learned" else None)


def test_points_that_were_not_run_are_null_in_the_file(tmp_path: Path) -> None:
    write_record(tmp_path / "a.json", accuracy_record())
    points = json.loads((tmp_path / "a.json").read_text())["points"]
    not_run = [p for p in points if p["threat"] is not None and p["snr_db"] > 12]
    assert len(not_run) == 2
    for point in not_run:
        assert [point[name] for name in ("value", "ci95", "counts", "stop")] == [None] * 4


def test_missing_and_truncated_records_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "none.json")
    assert "cannot be read" in refused(tmp_path)
    path = tmp_path / "a.json"
    write_record(path, accuracy_record())
    whole = path.read_bytes()
    for length in (0, 1, 2, 100, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        assert "truncated or not JSON" in refused(path)
    path.write_bytes(b"\xff\xfe\x00")
    assert "truncated or not JSON" in refused(path)
    path.write_text("[" * 100_000)
    assert "truncated or not JSON" in refused(path)
    for text in ("[]", "{}", "3"):
        path.write_text(text)
        assert "not a record" in refused(path)


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_record(path, accuracy_record())
    text = path.read_text()
    path.write_text(text.replace('"correct": ', '"correct": 1', 1))
    assert "SHA-256" in refused(path)
    content = json.loads(text)
    del content["sha256"]
    path.write_text(json.dumps(content))
    assert "states None" in refused(path)
    path.write_text(text.replace("12.35", "NaN"))
    assert "NaN is not a finite number" in refused(path)
    path.write_text(text.replace("12.35", "1e999"))
    assert "out of range" in refused(path)


@pytest.mark.parametrize("schema", [0, 2, "1", None, True])
def test_another_schema_is_refused(tmp_path: Path, schema: Any) -> None:
    write_record(tmp_path / "a.json", accuracy_record())
    rewrite(tmp_path / "a.json", schema=schema)
    assert f"schema {schema!r}, this program reads 1" in refused(tmp_path / "a.json")


def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_record(path, accuracy_record())
    points = json.loads(path.read_text())["points"]
    for changes, reason in (
        ({"settings_sha256": "0" * 64}, "settings_sha256 is not the hash"),
        ({"points": [*points, points[0]]}, "a point occurs twice"),
        ({"points": [{**points[0], "value": 0.99}]}, "is not the value"),
        ({"points": [{**points[0], "counts": None, "value": 0.0}]}, "null together"),
        ({"points": [{**points[0], "metric": "beauty"}]}, "metric 'beauty' is unknown"),
        ({"points": [{**points[0], "stop": "tired"}]}, "points.0.stop"),
        ({"points": [{**points[0], "ci95": [0.0, 1.0]}]}, "is not the interval"),
        (
            {"points": [{**points[0], "ci95": [points[0]["ci95"][0], points[0]["ci95"][1] + 1e-6]}]},
            "is not the interval",
        ),
        ({"points": [{**points[0], "batches": 0}]}, "if and only if it has batches"),
        ({"points": [{**points[0], "first_batch": {"images": 797, "correct": 798}}]}, "at most images"),
        ({"points": [{**points[0], "first_batch": {"images": 798, "correct": 1}}]}, "is no part of the counts"),
        ({"points": [{**points[0], "counts": {**points[0]["counts"], "undecodable": 800}}]}, "at most images = 797"),
        ({"surprise": 1}, "surprise"),
        ({"seed": None}, "seed"),
        ({"device": {"processors": 3}}, "device.processors is not a list"),
        ({"device": {"processors": [1]}}, "device.processors is not a list"),
        ({"commit": {"hash": 3}}, "commit.hash is not a text"),
    ):
        write_record(path, accuracy_record())
        rewrite(path, **changes)
        assert reason in refused(path)


@pytest.mark.parametrize("stop", ["half_width", "errors", "maximum", None])
def test_the_rule_that_stopped_a_point_is_recomputed(tmp_path: Path, stop: str | None) -> None:
    rule = {"half_width": 0.03, "errors": 120, "max_batches": 12, "min_batches": 2}
    settings = {**SETTINGS, "stop": rule}
    points = point_records(sweep(tmp_path / "s.sqlite"), ACCURACY)
    record = make_record("toy", settings=settings, seed=5, data_set="toy", points=points, duration_s=1.0)
    path = tmp_path / "a.json"
    write_record(path, record)
    assert read_record(path) == record
    true = [point.stop for point in points]
    assert len(set(true)) > 1
    if stop == "maximum":  # what the data allow is not in the rule: only an earlier stop contradicts
        true = [t for t in true if t != "maximum"]
    content = json.loads(path.read_text())
    wrong = next(i for i, t in enumerate(true) if t != stop)
    content["points"][wrong]["stop"] = stop
    rewrite(path, points=content["points"])
    assert f"stop = {stop}" in refused(path)


def test_a_record_with_a_number_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    record = accuracy_record(notes={"loss": float("nan")})
    with pytest.raises(UserError, match="finite numbers only"):
        write_record(tmp_path / "a.json", record)
    assert list(tmp_path.iterdir()) == []


def toy_record(batches: int, tmp_path: Path, seed: int = 5, **changes: Any) -> Record:
    results = sweep(tmp_path / "s.sqlite", stop=StopRule(max_batches=batches))
    points = point_records(results, ACCURACY)
    values = {
        "settings": {**SETTINGS, "seed": seed},
        "seed": seed,
        "data_set": "toy",
        "points": points,
        "duration_s": 1.0,
    }
    return make_record("toy", **{**values, **changes})


def test_a_replay_of_part_of_the_batches_agrees_exactly(tmp_path: Path) -> None:
    stored = toy_record(8, tmp_path)
    for batches in (8, 1, 3):
        comparisons = compare(stored, toy_record(batches, tmp_path))
        assert len(comparisons) == len(stored.points)
        assert all(c.exact and c.agree for c in comparisons)
        assert all(c.z == 0 for c in comparisons) == (batches == 8)


def test_a_replay_of_other_draws_agrees_within_chance_only(tmp_path: Path) -> None:
    comparisons = compare(accuracy_record(), accuracy_record("other draws", 5000, seed=2))
    assert all(c.exact is None and c.agree for c in comparisons)
    assert any(c.z != 0 for c in comparisons)


def with_counts(record: Record, **added: int) -> Record:
    """The record with something added to the counts of its first point."""
    first = record.points[0]
    counts = merge(first.counts or {}, added)
    changed = point_records(
        [result(Point(first.system, first.snr_db), counts, batches=first.batches, first_batch=counts)], ACCURACY
    )
    return record.model_copy(update={"points": (*changed, *record.points[1:])})


def test_a_difference_in_the_same_batches_is_found(tmp_path: Path) -> None:
    stored = toy_record(1, tmp_path)
    changed = with_counts(stored, correct=1)
    (found,) = [c for c in compare(stored, changed) if not c.agree]
    assert found.exact is False
    assert abs(found.z) < 4
    elsewhere = changed.model_copy(update={"device": {"cpu": "another"}})
    assert all(c.agree for c in compare(stored, elsewhere))  # rounding may differ there
    assert all(c.agree for c in compare(stored, changed, exact=False))


def test_a_real_difference_is_found_by_z(tmp_path: Path) -> None:
    def worse(point: Point, batch: int) -> dict[str, int]:
        return {"images": 40, "correct": 10}

    results = sweep(tmp_path / "w.sqlite", evaluate=worse, stop=StopRule(max_batches=8))
    other = toy_record(8, tmp_path, seed=6, points=point_records(results, ACCURACY))
    comparisons = compare(toy_record(8, tmp_path), other)
    assert [c.agree for c in comparisons if c.point.snr_db > 0] == [False] * 4
    assert all(c.exact is None for c in comparisons)  # another seed: not the same batches


def test_points_of_one_record_alone_or_not_run_are_left_out() -> None:
    record = accuracy_record()
    shorter = record.model_copy(update={"points": record.points[5:]})
    run = [p for p in record.points[5:] if p.counts is not None]
    assert [c.point for c in compare(record, shorter)] == run
    assert compare(record, link_record(("coded",), BLOCK_ERROR_RATE)) == []


def test_commit_is_this_checkouts_or_none(tmp_path: Path) -> None:
    commit = git_commit()
    if (Path(package_file).parents[1] / ".git").exists():
        assert commit is not None
        assert re.fullmatch("[0-9a-f]{40}", commit["hash"])
        assert isinstance(commit["dirty"], bool)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    package, results = tmp_path / "package", tmp_path / "results"
    package.mkdir()
    (package / "__init__.py").write_text("")
    assert git_commit(package) is None  # no repository
    subprocess.run([*git, "init", "-q"], check=True)
    assert git_commit(package) is None  # a repository that encloses an installed copy
    results.mkdir()
    (results / "a.json").write_text("1")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "First"], check=True)
    first = git_commit(package)
    assert first is not None
    assert first["dirty"] is False
    (results / "a.json").write_text("2")  # written by a sweep before this one
    assert git_commit(package) == first
    (package / "__init__.py").write_text("changed = True")
    assert git_commit(package) == {**first, "dirty": True}
