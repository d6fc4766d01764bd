"""What the user sees: live on a terminal, lines elsewhere, nothing if quiet."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sc_sionna.sweep import Progress, make_progress
from sc_sionna.sweep import progress as module
from sc_sionna.sweep.progress import Clock, LiveProgress, PlainProgress, clock_text
from tests.sweep.toy import POINTS, evaluate, sweep


class FakeTime:
    """A clock that tests set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


def test_the_display_suits_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(make_progress(quiet=True)) is Progress
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert isinstance(make_progress(), PlainProgress)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert isinstance(make_progress(), LiveProgress)


def test_quiet_prints_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(tmp_path / "s.sqlite", progress=make_progress(quiet=True))
    assert capsys.readouterr() == ("", "")


def test_plain_lines_one_per_point_with_estimate_interval_and_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = sweep(tmp_path / "s.sqlite", progress=PlainProgress())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(POINTS)
    counts = results[0].counts
    assert counts is not None
    value = counts["correct"] / counts["images"]
    (line,) = (line for line in lines if "] learned at -3 dB: " in line)
    assert f"learned at -3 dB: {counts['images']} images, accuracy {value:.4g} [" in line
    assert "stopped by errors" in line
    assert [text.split("]")[0] for text in lines] == [f"[{number}/6" for number in range(1, 7)]
    assert lines[-1].endswith("0:00 left")
    assert "\x1b" not in "".join(lines)


def test_plain_lines_come_at_most_every_ten_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeTime(monkeypatch)

    def slow(point, batch: int) -> dict[str, int]:
        clock.now += 4.0
        return evaluate(point, batch)

    results = sweep(tmp_path / "s.sqlite", POINTS[2:3], evaluate=slow, progress=PlainProgress())
    lines = capsys.readouterr().out.splitlines()
    assert results[0].batches == 11
    assert len(lines) == 3 + 1  # batches 3, 6 and 9 of 4 s each, and the finished point
    assert "batch 3/12" in lines[0]
    assert lines[0].endswith("0:36 left")


def test_time_left_counts_only_what_this_run_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime(monkeypatch)
    clock = Clock(total=10)
    assert clock.left() == "time left unknown"
    for _ in range(4):
        clock.finish("stored")  # stored by an earlier run
    time.now += 30
    clock.batch("one", 6, 10)  # five batches were stored, so this one is a tenth of a point in 30 s
    assert clock.left() == f"{clock_text(30 / 0.1 * 5.4)} left"
    time.now += 120
    for batch in (7, 8, 9, 10):
        clock.batch("one", batch, 10)
    clock.finish("one")
    assert clock.left() == f"{clock_text(150 / 0.5 * 5)} left"


def test_time_left_with_several_points_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    time = FakeTime(monkeypatch)
    clock = Clock(total=4)
    time.now += 10
    clock.batch("a", 1, 10)
    clock.batch("b", 6, 10)  # five were stored
    assert clock.left() == f"{clock_text(10 / 0.2 * (4 - 0.7))} left"
    clock.finish("b")
    assert clock.left() == f"{clock_text(10 / 0.6 * (3 - 0.1))} left"


def test_clock_text() -> None:
    assert [clock_text(s) for s in (0.4, 59.7, 61, 3600)] == ["0:00", "1:00", "1:01", "1:00:00"]


def test_live_display_shows_points_images_estimate_and_time_left(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160, color_system=None)
    results = sweep(tmp_path / "s.sqlite", progress=LiveProgress(console))
    text = screen.getvalue()
    assert results[0].counts is not None
    for shown in ("points", "6/6", "learned at -3 dB", f"{results[0].counts['images']} images, accuracy", "left"):
        assert shown in text


def test_live_display_is_taken_down_by_an_error(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True)

    def fails(point, batch: int) -> dict[str, int]:
        raise RuntimeError("no")

    for _ in range(2):  # a second live display starts only after the first has stopped
        with pytest.raises(RuntimeError, match="no"):
            sweep(tmp_path / "s.sqlite", evaluate=fails, progress=LiveProgress(console))


def test_the_same_display_serves_training(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainProgress() as display:
        display.start(2, "epochs")
        for epoch in ("epoch 1", "epoch 2"):
            display.batch(epoch, 1, None, "loss 1.2")
            display.finish(epoch, "loss 1.1")
    assert capsys.readouterr().out.splitlines()[1] == "[2/2] epoch 2: loss 1.1, 0:00 left"
