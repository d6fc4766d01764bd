"""SNR ranges and changed settings as a user types them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc_sionna.cli.parsing import MAX_POINTS, parse_changes, parse_snr_range
from sc_sionna.core.errors import UserError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("-9:18:3", [-9, -6, -3, 0, 3, 6, 9, 12, 15, 18]),
        ("0:1:0.1", [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),  # no 0.30000000000000004, and 1 included
        ("0:10:4", [0, 4, 8]),
        ("3:3:1", [3]),
        ("3", [3]),
        (" 6, -3 ,0", [6, -3, 0]),
        ("1e1", [10]),
    ],
)
def test_ranges_and_lists(text: str, values: list[float]) -> None:
    assert parse_snr_range(text) == values


@settings(deadline=None)
@given(st.integers(-60, 60), st.integers(1, 400), st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 1.0, 3.0]))
def test_a_range_has_both_ends_and_equal_steps(start: int, steps: int, step: float) -> None:
    values = parse_snr_range(f"{start}:{start + steps * step}:{step}")
    assert len(values) == steps + 1
    assert values[0] == start
    assert values[-1] == pytest.approx(start + steps * step, abs=1e-8)
    assert all(abs(b - a - step) < 1e-8 for a, b in pairwise(values))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a range of numbers"),
        ("three", "not a range of numbers"),
        ("0:3", "not a range of numbers"),
        ("0:3:1:1", "not a range of numbers"),
        ("0::1", "not a range of numbers"),
        ("0,,3", "not a range of numbers"),
        ("0;3", "not a range of numbers"),
        ("nan", "not finite"),
        ("0,inf", "not finite"),
        ("1e999", "not finite"),
        ("0:inf:1", "not finite"),
        ("nan:3:1", "not finite"),
        ("0:3:nan", "not finite"),
        ("0:3:0", "needs STEP > 0"),
        ("0:3:-1", "needs STEP > 0"),
        ("3:0:1", "STOP >= START"),
        ("0:1000:1", "more than 1000 points; raise STEP"),
        ("0:1:5e-324", "more than 1000 points"),  # their number is infinite in floating point
        ("-1e308:1e308:1", "more than 1000 points"),
        ("0:1e-9:1e-10", "a value occurs twice"),  # 1e-9 dB is the resolution
        ("3,3.0", "a value occurs twice"),
        ("0,-0", "a value occurs twice"),
    ],
)
def test_bad_ranges_are_one_line_with_the_text_and_a_remedy(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_snr_range(text)
    message = str(caught.value)
    assert words in message
    assert f"snr_db = {text!r}" in message
    assert "; " in message
    assert "\n" not in message


def test_the_most_points_are_allowed() -> None:
    assert len(parse_snr_range(f"1:{MAX_POINTS}:1")) == MAX_POINTS


def test_changes_by_group() -> None:
    found = parse_changes(
        ["train.epochs=5", "link.channel=awgn", "train.snr_db=1e1", "codec.decoder.knows_snr=true", "link.crc=none"],
        ("codec", "link", "train"),
    )
    assert found == {
        "train": {"epochs": 5, "snr_db": 10.0},
        "link": {"channel": "awgn", "crc": "none"},
        "codec": {"decoder": {"knows_snr": True}},
    }
    assert parse_changes([], ("codec", "link")) == {"codec": {}, "link": {}}
    assert parse_changes(["link.precoder=my.code:Mine=2"], ("link",)) == {"link": {"precoder": "my.code:Mine=2"}}
    assert parse_changes(["train.epochs=5", "train.epochs=6"], ("train",)) == {"train": {"epochs": 6}}


@pytest.mark.parametrize("change", ["", "epochs=5", "train.epochs", "train.=5", ".epochs=5", "trian.epochs=5", "="])
def test_a_malformed_change_names_the_groups(change: str) -> None:
    with pytest.raises(UserError, match=r"write GROUP\.NAME=VALUE with GROUP one of codec, train") as caught:
        parse_changes([change], ("codec", "train"))
    assert repr(change) in str(caught.value)
