"""The attack benchmark's words; its times are the machine's."""

from __future__ import annotations

import pytest

from sc_sionna.benchmarks import BENCHMARKS
from sc_sionna.benchmarks.attack import ATTACK, PASS, TRAINING, AttackBench, format_attack


@pytest.mark.parametrize(("milliseconds", "words"), [(11.0, "1.10: met"), (14.0, "1.40: NOT met")])
def test_the_table_and_the_goal(milliseconds: float, words: str) -> None:
    text = format_attack(AttackBench(60, {PASS: 0.010, TRAINING: 0.0125, ATTACK: milliseconds / 1e3}))
    assert text.endswith(words)
    assert f"| attack step | {milliseconds:.1f} | {1e3 / milliseconds:.1f} | {12.5 / milliseconds:.2f} |" in text
    assert "| training step | 12.5 | 80.0 | 1.00 | 1.25 |" in text
    assert "medians of 60 interleaved repetitions" in text
    assert "attack" in BENCHMARKS
