"""Real-valued scores: kept image by image, exact through store and record, intervals against SciPy."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

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
from sc_sionna.sweep.record import content_hash
from sc_sionna.sweep.scores import summarised

SETTINGS = {"kind": "toy", "seed": 5}
POINTS = [Point("codec", snr_db) for snr_db in (0.0, 6.0)]
PSNR = MeanScore("psnr_db")


def evaluate(point: Point, batch: int) -> Outcome:
    random = rng.generator(5, "scores", point.snr_db, batch)
    values = random.normal(20.0 + point.snr_db, 3.0, 30).astype(np.float32)
    return Outcome({"images": 30}, {"psnr_db": values, "ssim": np.tanh(values / 40)})


def sweep(store: Path, stop: StopRule | None = None, work=evaluate) -> list[PointResult]:
    rule = stop or StopRule(max_batches=4)
    return run_sweep(POINTS, work, store_path=store, run_settings=SETTINGS, stop=rule, metric=PSNR)


def record_of(results: list[PointResult]) -> Record:
    settings = {**SETTINGS, "stop": StopRule(max_batches=4).model_dump(mode="json")}
    return make_record(
        "toy", settings=settings, seed=5, data_set="none", points=point_records(results, PSNR), duration_s=1
    )


def test_value_and_interval_are_those_of_the_images(tmp_path: Path) -> None:
    for result in sweep(tmp_path / "s.sqlite"):
        values = np.concatenate([evaluate(result.point, b).scores["psnr_db"] for b in range(4)]).astype(np.float64)
        found = {**result.counts, **result.scores}
        assert PSNR.value(found) == pytest.approx(values.mean(), rel=1e-14)
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert PSNR.interval(found) == pytest.approx((low, high), rel=1e-12)
        assert result.scores["ssim"].images == 120


def test_a_stop_rule_holds_for_a_mean_and_one_of_errors_is_refused(tmp_path: Path) -> None:
    results = sweep(tmp_path / "s.sqlite", StopRule(half_width=0.8, max_batches=50))
    for result in results:
        assert result.stop == "half_width"
        low, high = PSNR.interval(result.scores)
        assert (high - low) / 2 <= 0.8
        assert 2 <= result.batches < 10
    with pytest.raises(UserError, match=r"stop\.errors = 5: psnr_db is a mean over images and counts no errors"):
        sweep(tmp_path / "t.sqlite", StopRule(errors=5, max_batches=3))


def test_scores_are_exact_through_store_and_record(tmp_path: Path) -> None:
    first = sweep(tmp_path / "s.sqlite", StopRule(max_batches=2))
    assert [r.batches for r in first] == [2, 2]
    again = sweep(tmp_path / "s.sqlite")  # two batches are read, two are run
    whole = sweep(tmp_path / "other.sqlite")
    assert again == whole
    with Store(tmp_path / "s.sqlite", SETTINGS) as store:
        stored = store.batches(POINTS[1].key)[1].outcome.scores["psnr_db"]
    np.testing.assert_array_equal(stored, evaluate(POINTS[1], 1).scores["psnr_db"])
    record = record_of(whole)
    write_record(tmp_path / "toy.json", record)
    assert read_record(tmp_path / "toy.json") == record
    (comparison, *_) = compare(record, record_of(first))
    assert comparison.exact
    assert comparison.agree


def test_a_score_that_differs_in_its_last_bit_is_seen(tmp_path: Path) -> None:
    def last_bit(point: Point, batch: int) -> Outcome:
        counts, scores, _ = evaluate(point, batch)
        scores["psnr_db"][7] = np.nextafter(scores["psnr_db"][7], np.float32(100))
        return Outcome(counts, scores)

    one, other = record_of(sweep(tmp_path / "a.sqlite")), record_of(sweep(tmp_path / "b.sqlite", work=last_bit))
    for comparison in compare(one, other):
        assert comparison.exact is False
        assert not comparison.agree
        assert abs(comparison.z) < 1e-3


def test_an_edited_score_in_a_record_or_store_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "toy.json", record_of(sweep(tmp_path / "s.sqlite")))
    whole = json.loads((tmp_path / "toy.json").read_text())
    for change, words in (
        ({"mean": 60.0}, "is not the value 60"),
        ({"deviation": 1.0}, "is not the interval"),
        ({"images": 90}, "ci95|not one for each image"),
        ({"deviation": -1.0}, "deviation"),
    ):
        content = json.loads(json.dumps(whole))
        content["points"][0]["scores"]["psnr_db"] |= change
        content["sha256"] = content_hash(content)
        (tmp_path / "edited.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match=words):
            read_record(tmp_path / "edited.json")
    db = sqlite3.connect(tmp_path / "s.sqlite")
    (text,) = db.execute("SELECT scores FROM batches LIMIT 1").fetchone()
    changed = text[:-3] + ("0" if text[-3] != "0" else "1") + text[-2:]
    db.execute("UPDATE batches SET scores = ? WHERE scores = ?", (changed, text))
    db.commit()
    db.close()
    with pytest.raises(UserError, match="damaged"):
        sweep(tmp_path / "s.sqlite")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome({"images": 2}, {"psnr_db": np.ones(3)}), "'psnr_db': not one finite number for each of 2 images"),
        (Outcome({"images": 2}, {"psnr_db": np.array([1.0, np.nan])}), "not one finite number"),
        (Outcome({"images": 2}, {"accuracy": np.ones(2), "psnr_db": np.ones(2)}), "'accuracy': a count or a rate has"),
        (Outcome({"images": 2}, {"ssim": np.ones(2)}), "gave no psnr_db"),
        (Outcome({"images": 2}), "gave no psnr_db"),
    ],
)
def test_impossible_scores_are_not_kept(tmp_path: Path, outcome: Outcome, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sweep(tmp_path / "s.sqlite", work=lambda point, batch: outcome)


def test_one_image_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    results = run_sweep(
        POINTS[:1], lambda p, b: Outcome({"images": 1}, {"psnr_db": np.ones(1, np.float32)}),
        store_path=tmp_path / "s.sqlite", run_settings=SETTINGS, stop=StopRule(max_batches=1), metric=PSNR,
    )  # fmt: skip
    (point,) = point_records(results, PSNR)
    assert (point.value, point.ci95) == (1.0, None)


def test_a_mean_does_not_depend_on_the_order_of_the_images() -> None:
    values = rng.generator(1, "order").normal(0, 1e4, 1000).astype(np.float32)
    one, other = (summarised({"x": v})["x"] for v in (values, values[::-1]))
    assert (one.mean, one.deviation) == (other.mean, other.deviation)
    assert one.sha256 != other.sha256
