"""Outcomes image by image: bits that add up to the counts through store and record, and no edited bit is taken."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.sweep import (
    MeanScore,
    Outcome,
    Point,
    PointResult,
    Record,
    StopRule,
    Store,
    compare,
    make_record,
    point_records,
    read_record,
    run_sweep,
    write_record,
)
from sc_sionna.sweep.metrics import ACCURACY, Metric
from sc_sionna.sweep.per_image import MOST_SCORES, pack, pack_scores, unpack, unpack_scores
from sc_sionna.sweep.record import content_hash

SETTINGS = {"kind": "toy", "seed": 5}
POINT, IMAGES, BATCHES = Point("scheme", 3.0), 13, 3  # 39 images: one bit is left over in the last byte


def hits_of(batch: int) -> np.ndarray:
    return rng.generator(5, "hits", batch).random(IMAGES) < 0.7


def evaluate(point: Point, batch: int) -> Outcome:
    hits = hits_of(batch)
    return Outcome({"images": IMAGES, "correct": int(hits.sum())}, hits={"correct": hits})


def sweep(store: Path, work: Callable = evaluate, batches: int = BATCHES, metric: Metric = ACCURACY) -> PointResult:
    rule = StopRule(max_batches=batches)
    (result,) = run_sweep([POINT], work, store_path=store, run_settings=SETTINGS, stop=rule, metric=metric)
    return result


def record_of(result: PointResult, metric: Metric = ACCURACY) -> Record:
    points = point_records([result], metric)
    return make_record("toy", settings=SETTINGS, seed=5, data_set="none", points=points, duration_s=1)


def test_bits_are_packed_first_image_first() -> None:
    hits = np.array([1, 0, 0, 0, 0, 0, 0, 1, 1], np.bool_)
    assert pack(hits) == "8180"
    np.testing.assert_array_equal(unpack("8180", 9), hits)
    for text, images in (("8180", 8), ("8181", 9), ("81", 9), ("818000", 9), ("81 80", 9), ("8G80", 9), ("AB80", 9)):
        with pytest.raises(ValueError, match=r"bit|hexadecimal"):
            unpack(text, images)
    assert pack_scores(np.array([1.0, -2.0], np.float32)) == "0000803f000000c0"
    for text in ("0000803f00", "0000807f", "0000c07f"):  # cut, infinite, no number
        with pytest.raises(ValueError, match=r"buffer|finite"):
            unpack_scores(text)


def test_the_bits_of_all_batches_are_in_the_record_in_the_order_of_the_images(tmp_path: Path) -> None:
    whole = np.concatenate([hits_of(batch) for batch in range(BATCHES)])
    sweep(tmp_path / "s.sqlite", batches=1)
    result = sweep(tmp_path / "s.sqlite")  # one batch is read, two are run
    assert result == sweep(tmp_path / "other.sqlite")
    with Store(tmp_path / "s.sqlite", SETTINGS) as store:
        np.testing.assert_array_equal(store.batches(POINT.key)[2].outcome.hits["correct"], hits_of(2))
    write_record(tmp_path / "toy.json", record_of(result))
    (point,) = read_record(tmp_path / "toy.json").points
    assert point.outcomes == {"correct": np.packbits(whole).tobytes().hex()}
    np.testing.assert_array_equal(point.per_image("correct"), whole)
    assert point.counts == {"images": 39, "correct": int(whole.sum())}


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome({"images": 3, "correct": 2}, hits={"correct": np.array([True, False, False])}), "1 of the images"),
        (Outcome({"images": 3, "correct": 2}, hits={"correct": np.array([True, True])}), "not one bit for each of 3"),
        (Outcome({"images": 3, "correct": 2}, hits={"correct": np.array([1, 1, 0])}), "not one bit for each of 3"),
        (Outcome({"images": 3, "correct": 2}, hits={"right": np.array([True, True, False])}), "right = None"),
    ],
)
def test_hits_that_are_not_those_of_the_count_are_not_kept(tmp_path: Path, outcome: Outcome, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sweep(tmp_path / "s.sqlite", lambda point, batch: outcome)


def changed_in_store(path: Path, change: Callable[[str], str]) -> None:
    """Edit the hits of batch 0 and give the row the hash that is right for it."""
    with Store(path, SETTINGS) as store:
        row_hash = store._row_hash
    db = sqlite3.connect(path)
    row = list(db.execute("SELECT point, batch, counts, scores, hits, crafted, processor FROM batches").fetchone())
    row[4] = change(row[4])
    db.execute("UPDATE batches SET hits = ?, sha256 = ? WHERE batch = 0", (row[4], row_hash(*row)))
    db.commit()
    db.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(pack(hits_of(0)), pack(hits_of(0) ^ (np.arange(IMAGES) == 4))),
        lambda text: text.replace(pack(hits_of(0)), pack(hits_of(0)) + "00"),
        lambda text: text.replace("correct", "images"),
        lambda text: "[]",
        lambda text: '{"correct": 3}',
    ],
)
def test_a_stored_bit_that_contradicts_the_count_is_damage(tmp_path: Path, change: Callable[[str], str]) -> None:
    path = tmp_path / "s.sqlite"
    sweep(path)
    changed_in_store(path, change)
    with pytest.raises(UserError, match="damaged") as caught:
        sweep(path)
    assert "\n" not in str(caught.value)


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """The one line with which a record is refused whose point was changed and whose hash was renewed."""
    content = json.loads(path.read_text())
    change(content["points"][0])
    content["sha256"] = content_hash(content)
    other = path.with_name("edited.json")
    other.write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        read_record(other)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_record_with_one_bit_edited_is_refused_in_one_line(tmp_path: Path) -> None:
    result = sweep(tmp_path / "s.sqlite")
    write_record(tmp_path / "toy.json", record_of(result))
    hits = np.concatenate([hits_of(batch) for batch in range(BATCHES)])
    one_more = pack(hits | (np.arange(39) == np.flatnonzero(~hits)[0]))
    words = edited(tmp_path / "toy.json", lambda p: p["outcomes"].update(correct=one_more))
    assert f"correct = {hits.sum()}: {hits.sum() + 1} of the images' bits are set" in words
    # two bits exchanged between the first batch and the rest: the sum is right, that of the first batch is not
    moved = hits.copy()
    moved[np.flatnonzero(hits[:IMAGES])[0]] = False
    moved[IMAGES + np.flatnonzero(~hits[IMAGES:])[0]] = True
    words = edited(tmp_path / "toy.json", lambda p: p["outcomes"].update(correct=pack(moved)))
    assert f"correct = {hits[:IMAGES].sum()}: {hits[:IMAGES].sum() - 1} of the images' bits are set" in words
    for outcomes, said in (
        ({"correct": result.outcomes["correct"] + "00"}, "not one bit for each of 39 images"),
        ({"correct": "x" * 10}, "hexadecimal"),
        ({"beauty": result.outcomes["correct"]}, "'beauty': neither a count nor a score"),
        ({"correct": 3}, "string"),
    ):
        assert said in edited(tmp_path / "toy.json", lambda p, o=outcomes: p.update(outcomes=o))


def test_a_record_without_outcomes_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    result = sweep(tmp_path / "s.sqlite", lambda p, b: {"images": IMAGES, "correct": int(hits_of(b).sum())})
    assert result.outcomes == {}
    write_record(tmp_path / "old.json", record_of(result))
    assert "outcomes" not in (tmp_path / "old.json").read_text()
    old = read_record(tmp_path / "old.json")
    (found,) = compare(old, record_of(sweep(tmp_path / "new.sqlite")))
    assert found.exact
    assert found.agree


def test_the_same_counts_of_other_images_are_a_difference(tmp_path: Path) -> None:
    def turned(point: Point, batch: int) -> Outcome:
        counts, scores, hits = evaluate(point, batch)
        return Outcome(counts, scores, {"correct": hits["correct"][::-1].copy()} if batch == 1 else hits)

    record, other = record_of(sweep(tmp_path / "a.sqlite")), record_of(sweep(tmp_path / "b.sqlite", turned))
    (found,) = compare(record, other)
    assert (found.z, found.exact, found.agree) == (0.0, False, False)
    # a replay of fewer batches is compared on the images of both
    for batches, exact in ((1, True), (2, False)):
        (found,) = compare(record, record_of(sweep(tmp_path / f"b{batches}.sqlite", turned, batches)))
        assert found.exact is exact


def scores_of(images: int) -> Callable[[Point, int], Outcome]:
    def work(point: Point, batch: int) -> Outcome:
        values = rng.generator(5, "scores", batch).normal(20, 3, images).astype(np.float32)
        return Outcome({"images": images}, {"psnr_db": values, "ssim": values / 40})

    return work


def test_scores_that_are_the_metric_are_kept_one_by_one_up_to_a_limit(tmp_path: Path) -> None:
    psnr, work = MeanScore("psnr_db"), scores_of(10)
    write_record(tmp_path / "toy.json", record_of(sweep(tmp_path / "s.sqlite", work, 2, psnr), psnr))
    (point,) = read_record(tmp_path / "toy.json").points
    assert set(point.outcomes) == {"psnr_db"}
    whole = np.concatenate([work(POINT, batch).scores["psnr_db"] for batch in range(2)])
    np.testing.assert_array_equal(point.per_image("psnr_db"), whole)
    nearly = whole.copy()
    nearly[3] = np.nextafter(nearly[3], np.float32(0))
    for text in (pack_scores(nearly), pack_scores(whole[:19])):
        words = edited(tmp_path / "toy.json", lambda p, t=text: p["outcomes"].update(psnr_db=t))
        assert "'psnr_db': not the scores that are summed up" in words
    half = MOST_SCORES // 2
    assert sweep(tmp_path / "most.sqlite", scores_of(half), 2, psnr).outcomes
    assert not sweep(tmp_path / "more.sqlite", scores_of(half + 1), 2, psnr).outcomes
