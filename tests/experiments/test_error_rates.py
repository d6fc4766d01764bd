"""Error rates of the link: the table of measured facts, and independence of order and restarts."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.base import run_and_save, run_experiment
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import Point, StopRule, read_record

LINKS = {
    "svd": LinkSettings(),
    "dft": LinkSettings(precoder="dft"),
    "floor": LinkSettings(num_streams=8, beyond_rank=True),
}
SMALL = {"links": {"svd": LINKS["svd"], "dft": LINKS["dft"]}, "snr_db": (3, 12), "batch_size": 64}


@pytest.fixture(scope="module")
def big() -> ErrorRateExperiment:
    return ErrorRateExperiment(ErrorRateSettings(links=LINKS, batch_size=2048))


@pytest.mark.parametrize(
    ("link", "snr_db", "blocks", "indices"),
    # "Where the link's cliff is": measured with Sionna's decoder, 256 information bits a block, 8 bits an index
    [
        ("svd", 0, 1.00, 0.84),
        ("svd", 3, 0.89, 0.58),
        ("svd", 6, 0.05, 0.02),
        ("svd", 9, 0.00, 0.00),
        ("dft", 9, 0.86, 0.61),
        ("dft", 12, 0.44, 0.27),
        ("dft", 15, 0.15, 0.08),
    ],
)
def test_the_cliff_is_where_the_facts_say(
    big: ErrorRateExperiment, link: str, snr_db: float, blocks: float, indices: float
) -> None:
    counts = big.evaluate(Point(link, snr_db), 0)
    assert counts["blocks"] == counts["images"] == 2048
    found, n = counts["block_errors"] / counts["blocks"], counts["blocks"]
    # the table has two digits, and a sample of its own, taken to be as large as this one
    sigma = sqrt(2 * max(blocks * (1 - blocks), found * (1 - found)) / n)
    assert abs(found - blocks) <= 0.005 + 4 * sigma
    # indices of a block fail together: the variance between blocks, from the squares. The layered decoder leaves a lost
    # block with some more wrong bits than Sionna's, by up to 0.03 of the indices
    n_indices = counts["indices"] / n
    found_indices = counts["index_errors"] / counts["indices"]
    variance = counts["index_errors_sq"] / n / n_indices**2 - found_indices**2
    assert abs(found_indices - indices) <= 0.005 + 0.03 + 4 * sqrt(2 * variance / n)


def test_eight_streams_on_four_antennas_never_work(big: ErrorRateExperiment) -> None:
    for snr_db in (0, 15, 30):
        counts = big.evaluate(Point("floor", snr_db), 0)
        assert counts["block_errors"] == counts["blocks"] == 2048


def test_counts_are_those_of_the_links_output(big: ErrorRateExperiment) -> None:
    job = ErrorRateExperiment(ErrorRateSettings(**{**SMALL, "payload_bits": 48, "bits_per_index": 6}))
    counts = job.evaluate(Point("svd", 4), 2)
    bits = rng.generator(1, "payload", 4.0, 2).integers(0, 2, (64, 48), dtype=np.int8)
    wrong = np.asarray(job.link("svd")(bits, 4.0, rng.seed_words(1, "link", 4.0, 2)).bits) != bits
    per_image = [int(row.sum()) for row in wrong]
    indices = [sum(row[k : k + 6].any() for k in range(0, 48, 6)) for row in wrong]
    assert 0 < sum(per_image) < 64 * 48
    assert counts == {
        "images": 64,
        "bits": 64 * 48,
        "bit_errors": sum(per_image),
        "bit_errors_sq": sum(x * x for x in per_image),
        "blocks": 64,
        "block_errors": sum(x > 0 for x in per_image),
        "block_errors_sq": sum(x > 0 for x in per_image),
        "indices": 64 * 8,
        "index_errors": sum(indices),
        "index_errors_sq": sum(x * x for x in indices),
    }


def test_results_depend_neither_on_the_order_of_the_points_nor_on_restarts(tmp_path: Path) -> None:
    rule = StopRule(errors=100, max_batches=3)
    job = ErrorRateExperiment(ErrorRateSettings(**SMALL, stop=rule))
    plain, _ = run_experiment(job, tmp_path / "a.sqlite", quiet=True)
    assert {r.stop for r in plain} == {"errors", "maximum"}
    turned = ErrorRateExperiment(ErrorRateSettings(**{**SMALL, "snr_db": (12, 3)}, stop=rule))
    turned._links = job._links  # built already
    again, _ = run_experiment(turned, tmp_path / "b.sqlite", quiet=True)
    assert {r.point: r for r in again} == {r.point: r for r in plain}
    run_experiment(job, tmp_path / "c.sqlite", quiet=True, stop=StopRule(max_batches=1))
    assert run_experiment(job, tmp_path / "c.sqlite", quiet=True)[0] == plain  # goes on under the longer rule
    assert job.evaluate(Point("svd", 3), 0) != job.evaluate(Point("svd", 3), 1)


def test_a_setting_that_cannot_work_leaves_nothing_behind(tmp_path: Path) -> None:
    """Also not an empty store, on which the corrected command would be refused."""
    bad = ErrorRateSettings(**{**SMALL, "links": {"svd": {"channel": "rice"}}})
    with pytest.raises(UserError, match="channel = 'rice': unknown"):
        run_and_save(ErrorRateExperiment(bad), "rates", tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_a_fresh_run_that_cannot_begin_forgets_nothing(tmp_path: Path) -> None:
    good = ErrorRateSettings(**{**SMALL, "snr_db": (3,), "stop": {"max_batches": 1}})
    run_and_save(ErrorRateExperiment(good), "rates", tmp_path, quiet=True)
    kept = {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.suffix != ".lock"}
    assert len(kept) == 3
    bad = ErrorRateSettings(**{**SMALL, "links": {"svd": {"precoder": "zf"}}})
    with pytest.raises(UserError, match="precoder = 'zf': unknown"):
        run_and_save(ErrorRateExperiment(bad), "rates", tmp_path, fresh=True, quiet=True)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*.*") if p.suffix != ".lock"} == kept
    record = read_record(tmp_path / "records" / "rates.json")
    assert record.points[0].budget is not None
    assert record.points[0].budget["symbols"] == 128  # 256 bits at rate 1/2, 4 bits a symbol


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"links": {}}, "links"),
        ({"links": {"a": {"num_streams": 8}}}, "beyond_rank = true to show the floor"),
        ({"links": LINKS, "payload_bits": 250}, "bits_per_index = 8: does not divide payload_bits = 250"),
        ({"links": LINKS, "payload_bits": 0}, "payload_bits"),
        ({"links": LINKS, "batch_size": 0}, "batch_size"),
        ({"links": LINKS, "stop": {"errors": 0}}, "errors"),
        ({"links": LINKS, "telepathy": 1}, "unknown setting 'telepathy'"),
    ],
)
def test_settings_that_cannot_work_are_one_line(settings: dict, words: str) -> None:
    with pytest.raises(UserError) as caught:
        ErrorRateSettings(**settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
