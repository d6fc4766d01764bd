"""Figures: from records only, the same bytes again, nothing dropped in silence."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sc_sionna.core.errors import UserError
from sc_sionna.figures import style
from sc_sionna.figures.curves import plot_error_rates, plot_task_vs, plot_task_vs_snr, series_of
from sc_sionna.sweep import Point, PointRecord, Record, make_record, point_records
from sc_sionna.sweep.metrics import ACCURACY, BLOCK_ERROR_RATE, wilson
from tests.sweep.fakes import SNRS, accuracy_record, link_record, result


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The matplotlib figures that are drawn."""
    drawn: list[Any] = []
    save = style.save
    monkeypatch.setattr(style, "save", lambda figure, path: (drawn.append(figure), save(figure, path)))
    return drawn


def test_accuracy_has_a_line_per_system_and_threat_with_wilson_bars(figures: list[Any], tmp_path: Path) -> None:
    record = accuracy_record()
    plot_task_vs_snr(record, tmp_path / "new" / "a.png", "Digits")
    (axes,) = figures[0].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("SNR (dB)", "Accuracy (%)")
    containers = dict(zip(axes.get_legend_handles_labels()[1], axes.containers, strict=True))
    assert list(containers) == ["masked-vqvae", "masked-vqvae, semantic noise 0.008", "jpeg-ldpc"]
    line, _, (bars,) = containers["masked-vqvae"].lines
    assert line.get_xdata().tolist() == SNRS
    for (_, low), (_, high) in (segment for segment in bars.get_segments()):
        assert any(
            p.ci95 is not None and np.allclose((low, high), 100 * np.array(p.ci95), atol=1e-9) for p in record.points
        )
    # points that were not run are left out, not drawn at 0
    assert max(containers["masked-vqvae, semantic noise 0.008"].lines[0].get_xdata()) == 12
    assert [text.get_text() for text in axes.texts] == ["chance 10 %"]


def test_lines_differ_in_colour_and_marker() -> None:
    looks = [style.look(number) for number in range(28)]
    assert len({(look["color"], look["linestyle"]) for look in looks}) == 28
    assert len({(look["marker"], look["linestyle"]) for look in looks}) == 28


def test_points_without_errors_are_upper_limits(figures: list[Any], tmp_path: Path) -> None:
    record = link_record(("coded", "uncoded"))
    plot_error_rates(record, tmp_path / "e.png")
    names = ["Bit error rate", "Block error rate", "Index error rate"]
    assert [axes.get_ylabel() for axes in figures[0].axes] == names
    assert all(axes.get_yscale() == "log" for axes in figures[0].axes)
    blocks = figures[0].axes[1]
    unseen = [p for p in record.points if p.value == 0]
    assert unseen
    drawn = [c for c in blocks.containers if c.lines[0].get_markerfacecolor() == "white"]
    heights = np.concatenate([c.lines[0].get_ydata() for c in drawn])
    limit = wilson(0, 4000)
    assert limit is not None
    assert heights.tolist() == [limit[1]] * len(unseen)
    total = sum(len(c.lines[0].get_xdata()) for c in blocks.containers)
    assert total == len(record.points)
    assert "no errors seen" in figures[0].legends[0].get_title().get_text()


def test_a_system_without_indices_has_no_line_in_their_panel(figures: list[Any], tmp_path: Path) -> None:
    plot_error_rates(link_record(("jpeg-ldpc",)), tmp_path / "a.png")
    assert [axes.get_ylabel() for axes in figures[0].axes] == ["Bit error rate", "Block error rate"]
    plot_error_rates(link_record(("coded", "jpeg-ldpc")), tmp_path / "b.png")
    assert len(figures[1].axes) == 3


def test_figures_are_the_same_bytes_again_and_carry_no_metadata(tmp_path: Path) -> None:
    record = accuracy_record()
    for name in ("a.png", "b.png"):
        plot_task_vs_snr(record, tmp_path / name)
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    image = Image.open(io.BytesIO(content))
    assert set(image.info) <= {"dpi"}
    assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_several_records_in_one_figure_keep_their_names(tmp_path: Path) -> None:
    lines = series_of([accuracy_record("first"), accuracy_record("second")], ACCURACY.name)
    assert [line.label for line in lines][::3] == ["masked-vqvae (first)", "masked-vqvae (second)"]
    single = series_of([accuracy_record(), link_record(("coded",))])
    assert [line.label for line in single][-1] == "coded"


def test_records_without_points_to_draw_are_refused(tmp_path: Path) -> None:
    record = accuracy_record()
    nothing = record.model_copy(update={"points": tuple(p for p in record.points if p.counts is None)})
    for call in (
        lambda: plot_task_vs_snr(nothing, tmp_path / "a.png"),
        lambda: plot_task_vs_snr(link_record(("coded",), BLOCK_ERROR_RATE), tmp_path / "a.png"),
        lambda: plot_task_vs_snr([], tmp_path / "a.png"),
        lambda: plot_error_rates(nothing, tmp_path / "a.png"),
        lambda: plot_error_rates(record, tmp_path / "a.png"),  # counts images only
    ):
        with pytest.raises(UserError, match="record"):
            call()
    assert list(tmp_path.iterdir()) == []


def threat_record() -> Record:
    """Two systems, clean and under two threats; one system is not run under the second."""
    points = []
    for snr_db in (0.0, 10.0):
        for threat, accuracy in ((None, 0.9), ("source", 0.4), ("air", 0.6)):
            for system in ("masked-vqvae", "jpeg-ldpc"):
                if (system, threat) != ("masked-vqvae", "air"):
                    counts = {"images": 100, "correct": int(100 * accuracy)}
                    points.append(result(Point(system, snr_db, threat), counts))
    threats = {
        "source": {"kind": "source", "source": {"epsilon": 0.05}},
        "air": {"kind": "gaussian", "air": {"ssnr_db": 5.0}},
    }
    return make_record(
        "threats",
        settings={"kind": "accuracy", "threats": threats},
        seed=1,
        data_set="digits",
        duration_s=1.0,
        notes={"chance": 0.1, "bounds": {"upper bound": 0.97, "lower bound": 0.02}},
        points=point_records(points, ACCURACY),
    )


def test_threats_have_a_panel_each_in_which_a_system_looks_the_same(figures: list[Any], tmp_path: Path) -> None:
    plot_task_vs_snr(threat_record(), tmp_path / "a.png", "Digits")
    panels = figures[0].axes
    assert [axes.get_title() for axes in panels] == ["without semantic noise", "source", "air"]
    assert [axes.get_ylabel() for axes in panels] == ["Accuracy (%)", "", ""]
    assert all(axes.get_ylim() == (-2, 102) for axes in panels)
    assert panels[0].get_shared_y_axes().joined(panels[0], panels[2])
    looks: dict[str, set[Any]] = {}
    for axes in panels:
        for container in axes.containers:
            line = container.lines[0]
            looks.setdefault(container.get_label(), set()).add((line.get_color(), line.get_marker()))
    assert list(looks) == ["masked-vqvae", "jpeg-ldpc"]
    assert all(len(found) == 1 for found in looks.values())
    assert looks["masked-vqvae"] != looks["jpeg-ldpc"]
    assert [c.get_label() for c in panels[2].containers] == ["jpeg-ldpc"]
    assert panels[1].containers[0].lines[0].get_ydata().tolist() == [40, 40]
    shown = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert shown == ["masked-vqvae", "jpeg-ldpc", "upper bound", "lower bound"]
    for axes in panels:  # lines across: two bounds, and chance
        across = [line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[1] == 1]
        assert across == [97, 2, 10]


def test_any_axis_is_drawn_from_the_record_alone(figures: list[Any], tmp_path: Path) -> None:
    record = threat_record()
    threats = record.settings["threats"]

    def epsilon(_: Record, point: PointRecord) -> float | None:
        if point.snr_db != 10:
            return None
        return 0.0 if point.threat is None else threats[point.threat].get("source", {}).get("epsilon")

    plot_task_vs(record, tmp_path / "a.png", "ε", epsilon, label_of=lambda _, point: point.system.upper())
    (axes,) = figures[0].axes
    assert (axes.get_xlabel(), axes.get_title()) == ("ε", "")
    assert [c.get_label() for c in axes.containers] == ["MASKED-VQVAE", "JPEG-LDPC"]
    for container in axes.containers:
        assert container.lines[0].get_xdata().tolist() == [0.0, 0.05]
        assert container.lines[0].get_ydata().tolist() == [90, 40]
    plot_task_vs(record, tmp_path / "b.png", "ε", epsilon, panel_of=lambda _, point: point.system)
    assert [axes.get_title() for axes in figures[1].axes] == ["masked-vqvae", "jpeg-ldpc"]
    with pytest.raises(ValueError, match="another point of the line 'masked-vqvae' is at 1"):
        plot_task_vs(record, tmp_path / "c.png", "ε", lambda *_: 1.0)
    with pytest.raises(UserError, match="no accuracy point was run"):
        plot_task_vs(record, tmp_path / "c.png", "ε", lambda *_: None)
    assert not (tmp_path / "c.png").exists()


def test_more_panels_than_a_row_holds(figures: list[Any], tmp_path: Path) -> None:
    record = accuracy_record()
    panels = {snr_db: f"{snr_db:g} dB" for snr_db in SNRS[:4]}
    plot_task_vs(
        record, tmp_path / "a.png", "SNR", lambda _, p: p.snr_db if p.snr_db in panels and p.threat is None else None,
        panel_of=lambda _, p: panels[p.snr_db],
    )  # fmt: skip
    axes = figures[0].axes
    assert [a.get_title() for a in axes] == [*panels.values(), "", ""]
    assert [a.axison for a in axes] == [True] * 4 + [False] * 2
