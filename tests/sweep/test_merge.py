"""Stores of shards put together are the store of one sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.sweep.merge import merge_stores
from sc_sionna.sweep.store import Store
from tests.sweep import toy

PARTS = [[point for point in toy.POINTS if point.system == name] for name in ("learned", "classical")]


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.sqlite" for number in range(2)]
    for path, points in zip(paths, PARTS, strict=True):
        toy.sweep(path, points)
    return paths


def nothing(*_: object) -> dict:
    raise AssertionError("a batch that is stored was run again")


def test_a_merged_store_has_the_counts_of_one_sweep(shards, tmp_path):
    expected = toy.as_json(toy.sweep(tmp_path / "whole.sqlite"))
    count = merge_stores(shards, tmp_path / "merged.sqlite")
    assert toy.as_json(toy.sweep(tmp_path / "merged.sqlite", evaluate=nothing)) == expected
    with Store(tmp_path / "merged.sqlite", toy.SETTINGS) as store:
        assert len(list(store.rows())) == count
    assert sorted(path.name for path in tmp_path.glob("*.merging*")) == []


def test_what_cannot_be_merged_is_one_line_and_leaves_nothing(shards, tmp_path):
    target = tmp_path / "merged.sqlite"
    with pytest.raises(UserError, match=r"batch 0 of learned, .* is in .*0.sqlite too; shards do not overlap"):
        merge_stores([shards[0], shards[0]], target)
    other = tmp_path / "other.sqlite"
    toy.sweep(other, PARTS[1], run_settings={**toy.SETTINGS, "seed": 6})
    with pytest.raises(UserError, match=r"other.sqlite: another sweep than .* \(seed is 6, there 5\)"):
        merge_stores([shards[0], other], target)
    with pytest.raises(UserError, match="1 store; name at least two"):
        merge_stores(shards[:1], target)
    (tmp_path / "text.sqlite").write_text("no store")
    with pytest.raises(UserError, match=r"text.sqlite: not a store, or a damaged one"):
        merge_stores([shards[0], tmp_path / "text.sqlite"], target)
    with Store(shards[1], toy.SETTINGS), pytest.raises(UserError, match=r"1.sqlite: in use by another sweep"):
        merge_stores(shards, target)
    assert not target.exists()
    target.touch()
    with pytest.raises(UserError, match=r"merged.sqlite: exists already"):
        merge_stores(shards, target)
