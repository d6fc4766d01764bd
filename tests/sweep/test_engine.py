"""The loop: results depend on nothing but settings, and every point says why it stopped."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.sweep import Point, StopRule, stored_results
from sc_sionna.sweep.metrics import ACCURACY, BLOCK_ERROR_RATE, merge
from tests.sweep.toy import POINTS, SETTINGS, STOP, evaluate, sweep


def test_counts_are_the_sum_of_the_batches_up_to_the_stop(tmp_path: Path) -> None:
    for result in sweep(tmp_path / "s.sqlite"):
        batches = [evaluate(result.point, b) for b in range(result.batches)]
        assert result.counts == merge(*batches)
        assert result.first_batch == batches[0]
        assert result.stop is not None
        assert STOP.verdict(result.batches - 1, merge(*batches[:-1]), ACCURACY) is None


def test_every_rule_stops_some_point_and_is_named(tmp_path: Path) -> None:
    stops = {str(r.point): r.stop for r in sweep(tmp_path / "s.sqlite")}
    assert set(stops.values()) == {"half_width", "errors", "maximum"}


def test_results_do_not_depend_on_the_order_of_the_points(tmp_path: Path) -> None:
    in_order = {r.point: r for r in sweep(tmp_path / "a.sqlite")}
    shuffled = POINTS.copy()
    random.Random(3).shuffle(shuffled)
    assert shuffled != POINTS
    assert {r.point: r for r in sweep(tmp_path / "b.sqlite", shuffled)} == in_order


def test_adding_a_point_changes_no_other(tmp_path: Path) -> None:
    few = sweep(tmp_path / "s.sqlite", POINTS[1:3])
    more = sweep(tmp_path / "s.sqlite", POINTS)
    assert more[1:3] == few


def test_stored_batches_are_not_run_again(tmp_path: Path) -> None:
    first = sweep(tmp_path / "s.sqlite")

    def never(point: Point, batch: int) -> dict[str, int]:
        raise AssertionError(f"{point} batch {batch} was stored")

    assert sweep(tmp_path / "s.sqlite", evaluate=never) == first


def test_an_error_loses_no_finished_batch(tmp_path: Path) -> None:
    calls = []

    def fails(point: Point, batch: int) -> dict[str, int]:
        if len(calls) == 7:
            raise RuntimeError("out of memory")
        calls.append((point, batch))
        return evaluate(point, batch)

    with pytest.raises(RuntimeError, match="out of memory"):
        sweep(tmp_path / "s.sqlite", evaluate=fails)
    rest = []

    def goes_on(point: Point, batch: int) -> dict[str, int]:
        rest.append((point, batch))
        return evaluate(point, batch)

    results = sweep(tmp_path / "s.sqlite", evaluate=goes_on)
    assert results == sweep(tmp_path / "other.sqlite")
    assert not set(calls) & set(rest)
    assert len(calls) + len(rest) == sum(r.batches for r in results)


def test_an_unfinished_sweep_shows_points_that_were_not_run_as_null(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stops(point: Point, batch: int) -> dict[str, int]:
        if point == POINTS[3] and batch == 1:
            raise Stopped
        return evaluate(point, batch)

    with pytest.raises(Stopped):
        sweep(tmp_path / "s.sqlite", evaluate=stops)
    settings = {"store_path": tmp_path / "s.sqlite", "run_settings": SETTINGS, "stop": STOP, "metric": ACCURACY}
    results = stored_results(POINTS, **settings)
    # "learned" was complete at its three SNRs; "classical" had its first batch at all of them and its second at one
    assert [r.stop is not None for r in results] == [True, False] * 3
    assert [r.batches for r in results[1::2]] == [2, 1, 1]
    assert results[3].counts == evaluate(POINTS[3], 0)
    untouched = stored_results([Point("other", 2.0)], **settings)[0]
    assert (untouched.counts, untouched.batches, untouched.stop) == (None, 0, None)


def test_a_batch_is_run_at_every_snr_and_then_forgotten(tmp_path: Path) -> None:
    """What is kept for the other SNRs of a batch is of one batch, however long the sweep."""
    kept: set[tuple[str, int]] = set()
    most, seen = [], []

    def keeps(point: Point, batch: int) -> dict[str, int]:
        kept.add((point.system, batch))
        most.append(len(kept))
        seen.append((point.system, batch, point.snr_db))
        return evaluate(point, batch)

    results = sweep(tmp_path / "s.sqlite", evaluate=keeps, forget=kept.clear)
    assert max(most) == 1
    assert not kept
    assert max(r.batches for r in results) > 2
    assert seen[:3] == [("learned", 0, snr_db) for snr_db in (-3.0, 2.0, 3.5)]
    assert results == sweep(tmp_path / "other.sqlite")


def test_a_longer_rule_goes_on_from_the_stored_batches(tmp_path: Path) -> None:
    sweep(tmp_path / "s.sqlite", stop=StopRule(max_batches=2))
    longer = sweep(tmp_path / "s.sqlite", stop=StopRule(max_batches=5))
    assert longer == sweep(tmp_path / "other.sqlite", stop=StopRule(max_batches=5))
    shorter = sweep(tmp_path / "s.sqlite", stop=StopRule(max_batches=2))
    assert [r.batches for r in shorter] == [2] * len(POINTS)


def test_the_smaller_maximum_holds(tmp_path: Path) -> None:
    for rule, max_batches, batches in (
        (StopRule(max_batches=4), 3, 3),
        (StopRule(max_batches=2), 3, 2),
        (StopRule(), 3, 3),
        (StopRule(max_trials=100), None, 3),
        (StopRule(max_batches=1, min_batches=5, errors=1), None, 1),
    ):
        (result,) = sweep(tmp_path / "s.sqlite", POINTS[:1], stop=rule, max_batches=max_batches)
        assert (result.batches, result.stop) == (batches, "maximum")


def test_a_rule_without_maximum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="set max_batches or max_trials"):
        sweep(tmp_path / "s.sqlite", stop=StopRule(errors=100))
    assert not (tmp_path / "s.sqlite").exists()


def test_stop_rule_counts_errors_of_a_failure_rate() -> None:
    rule = StopRule(errors=10, max_batches=100, min_batches=3)
    assert rule.verdict(2, {"blocks": 100, "block_errors": 50}, BLOCK_ERROR_RATE) is None
    assert rule.verdict(3, {"blocks": 100, "block_errors": 9}, BLOCK_ERROR_RATE) is None
    assert rule.verdict(3, {"blocks": 100, "block_errors": 10}, BLOCK_ERROR_RATE) == "errors"


def test_an_snr_has_one_name_and_is_finite() -> None:
    assert len({Point("a", 0), Point("a", 0.0), Point("a", -0.0), Point("a", np.float32(0))}) == 1
    assert Point("a", 1.0).key != Point("a", 1.0, "").key  # no threat is not a threat without a name
    for bad in (float("nan"), float("inf")):
        with pytest.raises(UserError, match="not a finite number"):
            Point("a", bad)


def test_a_point_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"learned at -3 dB: occurs twice"):
        sweep(tmp_path / "s.sqlite", [*POINTS, Point("learned", -3)])


@pytest.mark.parametrize(
    ("counts", "error"),
    [
        ({"correct": 1}, ValueError),
        ({"images": 0, "correct": 0}, ValueError),
        ({"images": 1, "correct": 2}, ValueError),
        ({"images": 1, "correct": -1}, ValueError),
        ({"images": 1, "correct": 0.5}, TypeError),
    ],
)
def test_impossible_counts_raise_before_they_are_stored(tmp_path: Path, counts: dict, error: type[Exception]) -> None:
    with pytest.raises(error):
        sweep(tmp_path / "s.sqlite", evaluate=lambda point, batch: counts)
    assert sweep(tmp_path / "s.sqlite") == sweep(tmp_path / "other.sqlite")
