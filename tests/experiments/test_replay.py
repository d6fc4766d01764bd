"""A stored record is run again: equal where it must be equal, refused where it cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.experiments import replay
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.replay import experiment_of, replay_record
from sc_sionna.semantic.weights import PACKAGED
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import StopRule, read_record
from sc_sionna.sweep.metrics import BLOCK_ERROR_RATE
from sc_sionna.sweep.per_image import pack
from sc_sionna.sweep.record import content_hash

LINK = LinkSettings(num_streams=2)


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rates")
    settings = ErrorRateSettings(
        links={"two": LINK}, snr_db=(-3, 0), batch_size=64, payload_bits=64, stop={"errors": 400, "max_batches": 2}
    )
    run_and_save(ErrorRateExperiment(settings), "rates", folder, quiet=True)
    return folder / "records" / "rates.json"


def rewrite(path: Path, change: Callable[[dict], object], target: Path) -> Path:
    """A record that states the right hash of changed content, as another run would have written it."""
    content = json.loads(path.read_text())
    change(content)
    from sc_sionna.settings import settings_hash

    content["settings_sha256"] = settings_hash(content["settings"])
    content["sha256"] = content_hash(content)
    target.write_text(json.dumps(content))
    return target


def test_the_same_batches_are_exactly_equal(
    compiled_systems, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = AccuracyExperiment(AccuracySettings(snr_db=(3, 6), max_images=48, batch_size=16))
    run_and_save(job, "small", tmp_path, quiet=True)
    path = tmp_path / "records" / "small.json"
    before = sorted(p for p in tmp_path.rglob("*"))
    for max_images in (16, 32, 1000):  # the first batch, a part, all: at least the first is compared count by count
        capsys.readouterr()
        assert replay_record(path, max_images, quiet=True) == 0
        printed = capsys.readouterr().out
        assert printed.count("equal") == 4
        assert "DI" not in printed  # neither DIFFER nor DISAGREES
        assert "4 of 4 points agree" in printed
    assert sorted(p for p in tmp_path.rglob("*")) == before  # it writes nothing beside the record

    def other_images(content: dict) -> None:
        """As many right answers, to other images, in batches that a replay of the first alone would not see."""
        record = read_record(path)
        for stored, point in zip(content["points"], record.points, strict=True):
            hits = point.per_image("correct")
            hits[16:] = hits[16:][::-1]
            stored["outcomes"]["correct"] = pack(hits)

    other = rewrite(path, other_images, tmp_path / "records" / "other.json")
    capsys.readouterr()
    assert replay_record(other, 16, quiet=True) == 0
    assert replay_record(other, 1000, quiet=True) == 1
    assert "DIFFER  DISAGREES" in capsys.readouterr().out


def test_a_job_of_a_record_is_the_job_that_made_it(compiled_systems, rates: Path) -> None:
    record = read_record(rates)
    job = experiment_of(record)
    assert isinstance(job, ErrorRateExperiment)
    assert job.settings.links == {"two": LINK}
    assert job.record_settings() == record.settings | {"inputs": {}}
    assert replay_record(rates, 1, quiet=True) == 0


def test_counts_that_cannot_be_repeated_disagree(
    rates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def derive(point: dict) -> None:
        point["value"] = BLOCK_ERROR_RATE.value(point["counts"])
        point["ci95"] = BLOCK_ERROR_RATE.interval(point["counts"])

    def better(content: dict) -> None:
        point = content["points"][0]
        for counts in (point["counts"], point["first_batch"]):
            counts["block_errors"] -= 1
            counts["block_errors_sq"] -= 1
        derive(point)

    assert replay_record(rewrite(rates, better, tmp_path / "a.json"), 10_000, quiet=True) == 1
    printed = capsys.readouterr().out
    assert "DIFFER  DISAGREES" in printed  # one block is far below any z: only exact comparison sees it
    assert "1 of 2 points agree" in printed

    def elsewhere(content: dict) -> None:
        better(content)
        content["device"]["processors"] = ["another one, which rounds differently"]

    assert replay_record(rewrite(rates, elsewhere, tmp_path / "b.json"), 10_000, quiet=True) == 0
    printed = capsys.readouterr().out
    assert "DIFFER" in printed  # said, but |z| <= 4 decides
    assert "compared by |z| <= 4 alone: made on another one, which rounds differently, here on" in printed

    def far_off(content: dict) -> None:
        elsewhere(content)
        for point in content["points"]:
            for counts in (point["counts"], point["first_batch"]):
                counts["block_errors"] = counts["block_errors_sq"] = counts["blocks"] - counts["block_errors"]
            point["stop"] = StopRule(**content["settings"]["stop"]).verdict(2, point["counts"], BLOCK_ERROR_RATE)
            derive(point)

    assert replay_record(rewrite(rates, far_off, tmp_path / "c.json"), 10_000, quiet=True) == 1


def test_a_record_without_its_points_or_with_others_does_not_agree(
    rates: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for change in (
        lambda c: c.update(points=[]),
        lambda c: c["points"].pop(),
        lambda c: c["points"][0].update(system="three"),
        lambda c: c["points"][0].update(snr_db=17.0),
        lambda c: c["points"][0].update(budget={**c["points"][0]["budget"], "symbols": 1}),
    ):
        assert replay_record(rewrite(rates, change, tmp_path / "other.json"), 1, quiet=True) == 1
        assert "differ from those of its settings" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[:-40], "truncated or not JSON"),
        (lambda text: "", "truncated or not JSON"),
        (lambda text: text.replace('"block_errors"', '"block_error"', 1), "so it was changed"),
        (lambda text: text.replace('"seed": 1', '"seed": 2'), "so it was changed"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "schema 2, this program reads 1"),
    ],
)
def test_a_tampered_record_is_refused(rates: Path, tmp_path: Path, damage: Callable[[str], str], words: str) -> None:
    text = rates.read_text()
    assert damage(text) != text
    path = tmp_path / "record.json"
    path.write_text(damage(text))
    with pytest.raises(UserError, match=words) as caught:
        replay_record(path, 1, quiet=True)
    assert "\n" not in str(caught.value)


def test_a_record_of_an_unknown_kind_or_setting_is_refused(rates: Path, tmp_path: Path) -> None:
    toy = rewrite(rates, lambda c: c["settings"].update(kind="toy"), tmp_path / "a.json")
    with pytest.raises(UserError, match="kind 'toy' cannot be run; known: accuracy, error-rates"):
        replay_record(toy, 1, quiet=True)
    newer = rewrite(rates, lambda c: c["settings"].update(telepathy=True), tmp_path / "b.json")
    with pytest.raises(UserError, match="unknown setting 'telepathy'"):
        replay_record(newer, 1, quiet=True)


def test_other_weights_or_images_than_the_records_are_refused(compiled_systems, tmp_path: Path) -> None:
    settings = AccuracySettings(systems=("jpeg-ldpc",), snr_db=(40,), max_images=16, batch_size=16)
    run_and_save(AccuracyExperiment(settings), "small", tmp_path, quiet=True)
    path = tmp_path / "records" / "small.json"

    for name, words in (
        ("weights_sha256", "its weights_sha256 differs"),
        ("images_sha256", "its images_sha256 differs"),
    ):
        other = rewrite(path, lambda c, n=name: c["settings"]["inputs"].update({n: "0" * 64}), tmp_path / "other.json")
        with pytest.raises(UserError, match=f"{words} from what is here") as caught:
            replay_record(other, 1, quiet=True)
        assert "--weights" in str(caught.value)
        assert "\n" not in str(caught.value)

    for suffix in (".json", ".weights.h5"):
        (tmp_path / f"digits-jpeg-ldpc{suffix}").write_bytes((PACKAGED / f"digits-jpeg-ldpc{suffix}").read_bytes())
    assert replay.experiment_of(read_record(path), weights=tmp_path).inputs()[
        "weights_sha256"
    ]  # the same weights elsewhere
    (tmp_path / "digits-jpeg-ldpc.weights.h5").write_bytes(b"other")
    with pytest.raises(UserError, match="SHA-256 differs"):
        replay_record(path, 1, weights=tmp_path, quiet=True)
