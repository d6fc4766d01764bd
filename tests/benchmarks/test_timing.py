"""Interleaved repetitions: the order of the calls, what is timed, and the verdict on a goal."""

from __future__ import annotations

import time

import pytest

from sc_sionna.benchmarks.timing import Goal, interleaved


def test_ways_take_turns_and_the_warm_up_is_not_timed() -> None:
    calls: list[tuple[str, int]] = []

    def way(name: str, seconds: float):
        def call(repetition: int) -> str:
            calls.append((name, repetition))
            time.sleep(5 * seconds if repetition < 0 else seconds)
            return f"{name}{repetition}"

        return call

    timing = interleaved({"a": way("a", 0.004), "b": way("b", 0.02)}, repetitions=3, warm_up=2)
    assert calls == [(name, number) for number in range(-2, 3) for name in "ab"]
    assert timing.results == {"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2"]}
    assert 0.004 <= timing.seconds["a"] < 0.02 <= timing.seconds["b"] < 0.1  # the warm-up of b alone takes 0.1
    assert timing.repetitions == 3


def test_short_calls_fill_a_repetition_and_a_busy_moment_does_not_move_the_median() -> None:
    calls: list[int] = []

    def call(repetition: int) -> None:
        calls.append(repetition)
        time.sleep(0.06 if len(calls) == 1 else 0.002)

    timing = interleaved({"a": call}, repetitions=3, warm_up=0, at_least=0.02)
    assert calls[:2] == [0, 1]  # the slow call filled the first repetition by itself
    assert calls.count(1) > 1
    assert timing.seconds["a"] < 0.02


@pytest.mark.parametrize(("measured", "verdict"), [(9.9, "NOT met"), (10.0, "met"), (12.0, "met")])
def test_a_goal_says_its_limit_the_measurement_and_whether_it_is_met(measured: float, verdict: str) -> None:
    assert Goal(">= {limit} times", 10.0).line(measured, 1) == f"Goal: >= 10 times; measured {measured:.1f}: {verdict}"
    assert Goal("<= {limit}", 10.0, at_most=True).met(measured) is (measured <= 10.0)
