"""Results that are no counts agree leaf by leaf: numbers within a tolerance, all else exactly."""

from __future__ import annotations

from sc_sionna.sweep.values import ValueDifference, count_leaves, value_differences

STORED = {"checks": [{"name": "power", "z": 0.5}, {"name": "snr", "z": -300.0}], "agree": True, "missing": None}


def changed(place: str, value: object, tolerance: float = 0.01) -> list[ValueDifference]:
    import copy

    other = copy.deepcopy(STORED)
    target: dict = other if place != "z" else other["checks"][1]
    target[place] = value
    return list(value_differences(STORED, other, tolerance))


def test_equal_results_agree_whatever_the_tolerance() -> None:
    assert list(value_differences(STORED, STORED, 0.0)) == []
    assert count_leaves(STORED) == 6


def test_numbers_may_differ_by_the_tolerance_which_is_relative_above_one() -> None:
    assert changed("z", -302.9) == []
    assert changed("z", -303.1) == [ValueDifference("checks[1].z", -300.0, -303.1)]
    assert list(value_differences({"z": 0.5}, {"z": 0.509}, 0.01)) == []
    assert list(value_differences({"z": 0.5}, {"z": 0.511}, 0.01)) == [ValueDifference("z", 0.5, 0.511)]
    assert list(value_differences({"z": 0.5}, {"z": float("nan")}, 0.01))  # nothing is within a tolerance of it
    assert list(value_differences({"symbols": 784}, {"symbols": 784.0}, 0.0)) == []  # JSON knows one kind of number


def test_words_truth_values_and_shapes_are_compared_exactly() -> None:
    assert changed("agree", False) == [ValueDifference("agree", True, False)]
    assert changed("agree", 1) == [ValueDifference("agree", True, 1)]
    assert changed("missing", 0.0) == [ValueDifference("missing", None, 0.0)]
    assert changed("checks", STORED["checks"][:1])[0].place == "checks"
    assert changed("another", 1) == [ValueDifference("another", "absent", 1)]
    assert [d.place for d in value_differences(STORED, {}, 1.0)] == ["checks", "agree", "missing"]
