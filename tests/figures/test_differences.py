"""Differences in figures and tables: paired where a record keeps outcomes, said which, and over training seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.figures.differences import basis_note, differences, from_reference, plot_differences
from sc_sionna.report.studies import parts
from sc_sionna.report.tables import contest
from sc_sionna.sweep import Point, PointResult, Record, make_record, point_records
from sc_sionna.sweep.metrics import ACCURACY
from sc_sionna.sweep.paired import pairs_of, score_interval
from sc_sionna.sweep.per_image import pack

IMAGES = 200
HITS = {  # how many images are right, the easy ones first
    "masked-vqvae": 150, "masked-vqvae+at": 160, "masked-vqvae@seed2": 148, "masked-vqvae+at@seed2": 169,
    "masked-vqvae@seed3": 150, "label-ldpc": 190,
}  # fmt: skip


def record_of(systems: list[str], kept: bool = True) -> Record:
    results = []
    for snr_db in (0.0, 6.0):
        for system in systems:
            hits = np.arange(IMAGES) < HITS[system] - (20 if snr_db == 0 else 0)
            hits[0] = system != "masked-vqvae+at"  # one image is right for the other alone
            counts = {"images": IMAGES, "correct": int(hits.sum())}
            outcomes = {"correct": pack(hits)} if kept else {}
            results.append(PointResult(Point(system, snr_db), counts, 1, counts, "maximum", outcomes=outcomes))
    return make_record(
        "toy", settings={"kind": "accuracy"}, seed=1, data_set="digits", points=point_records(results, ACCURACY),
        duration_s=1, notes={"pairs": {"training": ["masked-vqvae+at", "masked-vqvae"]}},
    )  # fmt: skip


def test_pairs_of_images_are_used_where_the_record_has_them_and_the_caption_says_so(tmp_path: Path) -> None:
    record = record_of(["masked-vqvae", "masked-vqvae+at"])
    first, second = differences(record)
    # 10 images gained and one lost, of 200
    expected = score_interval(pairs_of(np.arange(200) < 10, np.arange(200) == 199))
    assert (first.value, first.low, first.high) == pytest.approx(expected)
    assert first[3:6] == second[3:6]
    assert {d.basis for d in (first, second)} == {"paired"}
    (old, _) = differences(record_of(["masked-vqvae", "masked-vqvae+at"], kept=False))
    assert old.value == pytest.approx(first.value)
    assert old.basis == "independent"
    assert old.high - old.low > 2 * (first.high - first.low)
    text = "\n".join(parts(record))
    low, high = (f"{100 * end:+.1f}" for end in (first.low, first.high))
    assert f"| +4.5 [{low}, {high}] |" in text
    assert "95 % paired intervals: the same images" in text
    assert "independent" not in text
    plot_differences(record, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5_000
    both = basis_note(["independent", "paired"])
    assert both.index("paired intervals") < both.index("intervals for independent samples")


def test_the_spread_over_training_seeds_stands_beside_the_interval() -> None:
    record = record_of([name for name in HITS if name != "label-ldpc"])
    (first, _) = differences(record)
    # 4.5 points with the first seed, 10.5 with the second; the third has no partner
    assert first.value == pytest.approx(0.045)
    assert first.spread == pytest.approx((2, 0.075, np.std([0.045, 0.105], ddof=1), 0.045, 0.105))
    assert "; 2 seeds: +7.5 ± 4.2 |" in "\n".join(parts(record))


def test_the_contest_is_told_against_the_class_sent_alone_or_else_the_best() -> None:
    record = record_of(["masked-vqvae", "masked-vqvae+at", "label-ldpc"])
    name, found = from_reference(record)
    assert name == "label-ldpc"
    assert list(found) == [0.0, 6.0]
    assert found[6.0]["masked-vqvae"].value == pytest.approx(-0.2)
    assert found[6.0]["masked-vqvae+at"].value == pytest.approx(-0.155)
    assert "label-ldpc" not in found[6.0]
    lines = contest(record)
    (title,) = [line for line in lines if line.startswith("Accuracy minus that of label-ldpc")]
    assert "paired intervals" in title
    (row,) = [line for line in lines[lines.index(title) :] if line.startswith("| masked-vqvae |")]
    assert row.startswith("| masked-vqvae | -20.0 [")
    name, found = from_reference(record_of(["masked-vqvae", "masked-vqvae+at"]))
    assert name == "the best at that SNR"
    assert {system for by_system in found.values() for system in by_system} == {"masked-vqvae"}
