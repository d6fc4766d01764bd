"""The figures of equal channel uses: what they say they show, from records alone."""

from __future__ import annotations

from pathlib import Path

import matplotlib.figure
import pytest

from sc_sionna.figures.equal_uses import plot_equal_uses, plot_uses_for_accuracy, uses_needed
from sc_sionna.sweep import Point, Record, make_record, point_records
from sc_sionna.sweep.metrics import METRICS
from tests.sweep.fakes import result


def record_of(name: str, right: dict[str, list[int]], **link) -> Record:
    """``right``: by scheme, correct ones of 100 images at 0 and at 10 dB."""
    points = [
        result(Point(system, snr_db), {"images": 100, "correct": correct})
        for system, at in right.items()
        for snr_db, correct in zip((0.0, 10.0), at, strict=True)
    ]
    link = {"adaptation": "mcs", "channel_uses": 32, "num_streams": 4, "modulation": "16qam", "coderate": 0.5, **link}
    return make_record(
        name, settings={"kind": "accuracy", "link": link}, seed=1, data_set="digits", duration_s=1.0, notes={},
        points=point_records(points, METRICS["accuracy"]),
    )  # fmt: skip


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[matplotlib.figure.Figure]:
    """The figures that are saved."""
    found: list[matplotlib.figure.Figure] = []
    monkeypatch.setattr("sc_sionna.figures.style.save", lambda figure, path: found.append(figure))
    return found


def lines(axes) -> list[tuple[str, list[float]]]:
    """Dashes and heights of every line with its bars."""
    return [(c.lines[0].get_linestyle(), [round(y) for y in c.lines[0].get_ydata()]) for c in axes.containers]


def test_fixed_modes_and_the_bound_stand_beside_the_adaptive_link(drawn, tmp_path: Path) -> None:
    records = [
        record_of("adaptive", {"masked-vqvae": [80, 96], "pixels-ldpc": [50, 95], "label-ldpc": [98, 98]}),
        record_of("fixed", {"pixels-ldpc": [10, 97]}, adaptation="none"),
        record_of("ideal", {"pixels-ldpc": [90, 98]}, adaptation="ideal"),
    ]
    plot_equal_uses(records, tmp_path / "a.png", "title")
    left, right = drawn[0].axes
    assert lines(left) == [("-", [80, 96]), ("-", [50, 95]), ("-", [98, 98])]
    assert lines(right) == [("-", [50, 95]), (":", [10, 97]), ("--", [90, 98])]
    colours = {c.lines[0].get_color() for c in right.containers}
    assert len(colours) == 1  # of one scheme
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert {"masked-vqvae", "pixels-ldpc", "label-ldpc", "4 × 16qam, 1/2", "ideal code, same source codec"} == set(
        legend
    )


def test_what_adapts_to_the_realisation_is_dash_dotted_beside_the_others(drawn, tmp_path: Path) -> None:
    records = [
        record_of("adaptive", {"masked-vqvae": [80, 96], "pixels-ldpc": [50, 95]}),
        record_of("realisation", {"pixels-ldpc": [60, 97]}, adaptation="mcs-realisation"),
    ]
    plot_equal_uses(records, tmp_path / "a.png", "title")
    left, right = drawn[0].axes
    assert lines(left) == [("-", [80, 96]), ("-", [50, 95])]
    assert lines(right) == [("-", [50, 95]), ("-.", [60, 97])]
    assert len({c.lines[0].get_color() for c in right.containers}) == 1
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert set(legend) == {"masked-vqvae", "pixels-ldpc", "adapts to the realisation"}


def test_the_uses_of_an_accuracy_are_interpolated_over_their_logarithm() -> None:
    assert uses_needed([(16, 0.5), (64, 0.9)], 0.7) == pytest.approx(32)
    assert uses_needed([(16, 0.5), (32, 0.9), (64, 0.91)], 0.9) == pytest.approx(32)
    assert uses_needed([(16, 0.8), (32, 0.9)], 0.7) == 16  # no fewer were run
    assert uses_needed([(16, 0.1), (32, 0.2)], 0.7) is None


def test_a_scheme_that_misses_the_accuracy_everywhere_is_named(drawn, tmp_path: Path) -> None:
    records = [
        record_of("u64", {"masked-vqvae": [90, 90], "webp-ldpc": [10, 20]}, channel_uses=64),
        record_of("u16", {"masked-vqvae": [50, 90], "webp-ldpc": [10, 10]}, channel_uses=16),
    ]
    plot_uses_for_accuracy(records, tmp_path / "a.png", 0.7, "title")
    (axes,) = drawn[0].axes
    assert lines(axes)[0] == ("-", [32, 16])
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == ["masked-vqvae", "webp-ldpc (not within 64 uses)"]
