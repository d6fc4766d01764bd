"""Numbers behind Fig. 9 and 10 by hand, and figures from records alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.figures import style
from sc_sionna.figures.bars import plot_audit
from sc_sionna.figures.maps import (
    frequencies,
    plot_activation,
    plot_similarity,
    similarity_numbers,
    similarity_of,
    uniformity,
)
from sc_sionna.sweep import PointRecord, Record, make_record, read_record, write_record
from sc_sionna.sweep.metrics import ACCURACY

SCHEME = {"images": 10, "clean": [1, 9, 5, 5], "noisy": [4, 6, 5, 2]}


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    drawn: list[Any] = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, path: (drawn.append(figure), save(figure, path)))
    return drawn


def record_of(notes: dict[str, Any], points: tuple[PointRecord, ...] = ()) -> Record:
    return make_record("maps", settings={}, seed=1, data_set="none", points=points, duration_s=0.0, notes=notes)


def test_uniformity_by_hand() -> None:
    assert uniformity(np.full(4, 7)) == {"entropy": pytest.approx(1.0), "gini": pytest.approx(0.0)}
    assert uniformity(np.array([0, 0, 8, 0])) == {"entropy": pytest.approx(0.0), "gini": pytest.approx(0.75)}
    assert uniformity(np.zeros(4)) == {"entropy": 0.0, "gini": 0.75}
    # Gini is half the mean difference of two of them over their mean: (|1−3| · 2) / 4 / 2 / 2
    assert uniformity(np.array([3, 1]))["gini"] == pytest.approx(0.25)


def test_frequencies_are_sorted_by_the_clean_ones() -> None:
    clean, noisy = frequencies(SCHEME)
    assert clean.tolist() == [0.9, 0.5, 0.5, 0.1]
    assert noisy.tolist() == [0.6, 0.5, 0.2, 0.4]


def test_activation_has_a_panel_per_scheme(figures: list[Any], tmp_path: Path) -> None:
    plot_activation(record_of({"schemes": {"a": SCHEME, "b": SCHEME}}), tmp_path / "a.png", "Digits")
    assert [axes.get_title(loc="left") for axes in figures[0].axes] == ["a", "b"]
    assert [patch.get_height() for patch in figures[0].axes[0].patches] == pytest.approx([90, 50, 50, 10])
    assert figures[0].axes[0].lines[0].get_ydata().tolist() == pytest.approx([60, 50, 20, 40])


def test_similarity_numbers_of_known_codebooks() -> None:
    assert similarity_numbers(2 * np.eye(4)) == {"mean": 0.0, "rms": 0.0, "max": 0.0, "welch": 0.0}
    angles = np.pi * np.arange(3) / 3  # three lines of the plane, 60° apart, meet the Welch bound
    frame = similarity_numbers(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert frame == {name: pytest.approx(0.5) for name in ("mean", "rms", "max", "welch")}
    random = np.random.default_rng(0).standard_normal((64, 8))
    assert similarity_numbers(random)["welch"] == pytest.approx(1 / 3)
    assert similarity_numbers(random)["rms"] > 1 / 3
    np.testing.assert_allclose(similarity_of(random), similarity_of(-3 * random))


def test_heat_maps_are_the_similarities(figures: list[Any], tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((6, 3)).tolist()
    record = record_of({}).model_copy(
        update={"values": {"codebooks": {"without": vectors, "with": np.eye(3).tolist()}}}
    )
    write_record(tmp_path / "r.json", record)
    for number, drawn in enumerate((record, read_record(tmp_path / "r.json"))):
        plot_similarity(drawn, tmp_path / f"{number}.png")
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    shown = figures[0].axes[0].images[0]
    np.testing.assert_allclose(shown.get_array(), similarity_of(vectors))
    assert shown.get_clim() == (0, 1)


def audit_point(system: str, threat: str | None, correct: int) -> PointRecord:
    counts = {"images": 20, "correct": correct}
    value, interval = ACCURACY.value(counts), ACCURACY.interval(counts)
    return PointRecord(
        system=system, snr_db=18.0, threat=threat, metric="accuracy", value=value, ci95=interval, counts=counts,
        batches=1, first_batch=counts,
    )  # fmt: skip


def test_audit_has_three_bars_a_scheme_and_a_star_for_a_failed_check(figures: list[Any], tmp_path: Path) -> None:
    counts = {None: 19, "eq7, 1 draw": 10, "eq7, 4 draws": 9, "square": 15, "worst case": 4}
    points = tuple(audit_point(system, *item) for system in ("plain", "plain+at") for item in counts.items())
    checks = {"plain": [{"name": "x", "passed": True}], "plain+at": [{"name": "x", "passed": False}]}
    plot_audit(record_of({"checks": checks}, points), tmp_path / "a.png", "Audit")
    axes = figures[0].axes[0]
    assert sorted(p.get_height() for p in axes.patches) == pytest.approx([20, 20, 50, 50, 95, 95])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["plain", "plain\n+at *"]


@pytest.mark.parametrize("plot", [plot_activation, plot_similarity, plot_audit])
def test_another_record_is_one_clear_line(plot: Any, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"record 'maps': no '.*' in its (notes|values); name a record of the figure's own"
    ):
        plot(record_of({}), tmp_path / "no.png")
    assert not (tmp_path / "no.png").exists()
