"""Both LDPC decoders on the same blocks: how long a point lasts, what a kill leaves, what a replay finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.ldpc import Curve, LdpcExperiment, LdpcSettings, PublicRate
from sc_sionna.experiments.replay import replay_record
from sc_sionna.figures.decoders import ebno_at, gaps, public_rates
from sc_sionna.sweep import PointRecord, Record, read_record
from sc_sionna.sweep.metrics import BLOCK_ERROR_RATE
from tests.experiments.resealed import one_less, reseal

CURVE = Curve(k=64, n=128, ebno_db=(1.0, 2.0, 2.5), sionna=(3.0,), layered=(2.2,))
SETTINGS = LdpcSettings(
    curves=(CURVE,), public=PublicRate(k=64, n=128, ebno_db=2.5, fer=0.05, source="nobody"),
    stop={"errors": 110, "max_batches": 9},
)  # fmt: skip


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    folder = tmp_path_factory.mktemp("ldpc")
    made = run_and_save(LdpcExperiment(SETTINGS), "ldpc", folder, quiet=True)
    return folder / "records" / "ldpc.json", made


def test_a_point_lasts_until_both_decoders_have_enough_errors_on_the_same_blocks(record: tuple[Path, Record]) -> None:
    points = {(p.system, p.snr_db): p for p in record[1].points}
    assert len(points) == 2 * 3 + 1 + 1
    # at 1 dB one batch of 2,048 blocks holds enough errors of both; the counts are those of the decoders' first record
    for name, errors in (("layered", 993), ("sionna", 989)):
        assert points[f"{name} (64, 128)", 1.0].counts == {
            "blocks": 2048,
            "block_errors": errors,
            "errors_of_both": 906,
        }
    both = [points[f"{name} (64, 128)", 2.5] for name in ("layered", "sionna")]
    assert {p.batches for p in both} == {2}  # the layered decoder makes 99 errors in the first
    assert all(p.counts and p.counts["block_errors"] >= 110 and p.counts["blocks"] == 4096 for p in both)
    alone = points["sionna (64, 128)", 3.0].counts
    assert alone is not None
    assert set(alone) == {"blocks", "block_errors"}
    assert ("layered (64, 128)", 3.0) not in points
    assert (record[0].parents[1] / "figures" / "ldpc.png").stat().st_size > 10_000


def test_the_gap_and_the_published_rate_are_read_from_the_record(record: tuple[Path, Record]) -> None:
    stored = read_record(record[0])
    assert {name: point.snr_db for name, point in public_rates(stored).items()} == {"layered": 2.5, "sionna": 2.5}
    assert gaps(stored) == []  # the only code is that of the published rate
    content = stored.settings | {"public": None}
    tenth, hundredth = gaps(stored.model_copy(update={"settings": content}))
    assert (tenth.k, tenth.n, tenth.rate) == (64, 128, 0.1)
    assert tenth.gap_db is not None
    assert -0.2 < tenth.gap_db < 0
    assert hundredth.gap_db is None  # no curve goes that far


def test_the_crossing_is_log_linear_between_points() -> None:
    def point(ebno_db: float, errors: int) -> PointRecord:
        counts = {"blocks": 1000, "block_errors": errors}
        return PointRecord(
            system="a", snr_db=ebno_db, metric="block_error_rate", value=BLOCK_ERROR_RATE.value(counts),
            ci95=BLOCK_ERROR_RATE.interval(counts), counts=counts, batches=1, first_batch=counts,
        )  # fmt: skip

    points = [point(1.0, 1000), point(2.0, 100), point(3.0, 1)]
    assert ebno_at(points, 0.1) == pytest.approx(2.0)
    assert ebno_at(points, 0.01) == pytest.approx(2.5)
    assert ebno_at(points, 0.0001) is None


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_counts_and_replays(
    record: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, done = LdpcExperiment.evaluate, []

    def killed(self: LdpcExperiment, point, batch: int):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append((point, batch))
        return whole(self, point, batch)

    with monkeypatch.context() as patch:
        patch.setattr(LdpcExperiment, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            run_and_save(LdpcExperiment(SETTINGS), "ldpc", tmp_path, quiet=True)
    assert not (tmp_path / "records").exists()
    again: list = []
    with monkeypatch.context() as patch:
        patch.setattr(LdpcExperiment, "evaluate", lambda self, p, b: again.append((p, b)) or whole(self, p, b))
        resumed = run_and_save(LdpcExperiment(SETTINGS), "ldpc", tmp_path, quiet=True)
    assert not set(again) & set(done)
    assert [(p.key, p.counts, p.first_batch) for p in resumed.points] == [
        (p.key, p.counts, p.first_batch) for p in record[1].points
    ]
    assert replay_record(record[0], 1, quiet=True) == 0
    reseal(tmp_path / "records" / "ldpc.json", one_less("errors_of_both"))
    assert replay_record(tmp_path / "records" / "ldpc.json", 1, quiet=True) == 1


def test_a_code_that_occurs_twice_or_does_not_exist_is_one_clear_line() -> None:
    with pytest.raises(UserError, match=r"\(64, 128\), \(64, 128\): a code occurs twice"):
        LdpcSettings(curves=(CURVE, CURVE))
    experiment = LdpcExperiment(LdpcSettings(curves=(Curve(k=64, n=2000, ebno_db=(1.0,)),)))
    with pytest.raises(UserError, match="n = 2000: the rate"):
        experiment.prepare()
