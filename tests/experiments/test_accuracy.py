"""The main job: what is run does not depend on the order, on restarts, or on a kill in the middle."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sc_sionna.core import code_identity
from sc_sionna.core.errors import UserError
from sc_sionna.experiments import accuracy
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save, run_experiment
from sc_sionna.schemes import SchemeSpec
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.sweep import Point, read_record
from sc_sionna.sweep.metrics import merge
from sc_sionna.sweep.per_image import pack
from sc_sionna.sweep.scores import same_outcome
from tests.sims.helpers import ROOT, run_sim

SMALL = {"snr_db": (-9, 3, 6, 40), "max_images": 48, "batch_size": 16}


@pytest.fixture
def job(compiled_systems) -> AccuracyExperiment:
    return prepared(**SMALL)


def prepared(**values) -> AccuracyExperiment:
    """An experiment that may evaluate at once."""
    job = AccuracyExperiment(AccuracySettings(**values))
    job.prepare()
    return job


def by_point(results) -> dict:
    return {r.point: (r.counts, r.batches, r.first_batch, r.stop) for r in results}


def test_results_depend_neither_on_the_order_of_the_points_nor_on_restarts(
    job: AccuracyExperiment, tmp_path: Path
) -> None:
    plain, _ = run_experiment(job, tmp_path / "a.sqlite", quiet=True)
    turned = AccuracyExperiment(
        AccuracySettings(**{**SMALL, "snr_db": (40, 6, 3, -9), "systems": ("jpeg-ldpc", "masked-vqvae")})
    )
    assert turned.points() == job.points()[::-1]
    assert by_point(run_experiment(turned, tmp_path / "b.sqlite", quiet=True)[0]) == by_point(plain)

    class Stopped(Exception):
        pass

    evaluate, seen = job.evaluate, []

    def stops(point: Point, batch: int):
        if len(seen) in (4, 11):
            seen.append(None)
            raise Stopped
        seen.append((point, batch))
        return evaluate(point, batch)

    job.evaluate = stops  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(Stopped):
            run_experiment(job, tmp_path / "c.sqlite", quiet=True)
    assert by_point(run_experiment(job, tmp_path / "c.sqlite", quiet=True)[0]) == by_point(plain)
    done = [x for x in seen if x is not None]
    assert len(done) == len(set(done)) == 24  # 8 points of 3 batches, none twice


def test_counts_are_the_sum_of_the_batches_and_every_image_is_counted_once(
    job: AccuracyExperiment, tmp_path: Path
) -> None:
    job = AccuracyExperiment(AccuracySettings(**{**SMALL, "max_images": 40, "snr_db": (3,)}))
    assert job.max_batches == 3
    for result in run_experiment(job, tmp_path / "s.sqlite", quiet=True)[0]:
        assert result.counts == merge(*(job.evaluate(result.point, b).counts for b in range(3)))
        assert result.counts is not None
        assert result.counts["images"] == 40  # the last batch has 8
        scheme, batches = job.scheme(result.point.system), [job.batch(number) for number in range(3)]
        right = [scheme.transmit(batch, 3.0)["predictions"] == batch.labels for batch in batches]
        assert result.outcomes == {"correct": pack(np.concatenate(right))}
        assert (result.batches, result.stop) == (3, "maximum")


def test_adding_an_snr_or_images_changes_no_count(job: AccuracyExperiment, tmp_path: Path) -> None:
    more = prepared(**{**SMALL, "snr_db": (3, 4.5), "max_images": 64})
    for name in SMALL_SCHEMES:
        assert same_outcome(more.evaluate(Point(name, 3), 1), job.evaluate(Point(name, 3), 1))


SMALL_SCHEMES = ("masked-vqvae", "jpeg-ldpc")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seed": 2}, "seed was 1, now 2"),
        ({"batch_size": 8}, "batch_size was 16, now 8"),
        ({"link": {"num_streams": 2}}, "link.num_streams was 4, now 2"),
        ({"max_images": 47}, "images_sha256"),
    ],
)
def test_a_store_of_other_settings_is_refused_and_kept(
    job: AccuracyExperiment, tmp_path: Path, changed: dict, words: str
) -> None:
    store = tmp_path / "s.sqlite"
    one = AccuracyExperiment(AccuracySettings(**{**SMALL, "snr_db": (40,)}))
    plain, _ = run_experiment(one, store, quiet=True)
    other = AccuracyExperiment(AccuracySettings(**{**SMALL, "snr_db": (40,), **changed}))
    with pytest.raises(UserError, match="holds a sweep with other settings") as caught:
        run_experiment(other, store, quiet=True)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    one.evaluate = lambda point, batch: pytest.fail("a stored batch ran again")  # type: ignore[method-assign]
    assert by_point(run_experiment(one, store, quiet=True)[0]) == by_point(plain)


def test_a_store_of_other_code_is_refused(
    job: AccuracyExperiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = AccuracyExperiment(AccuracySettings(**{**SMALL, "snr_db": (40,)}))
    run_experiment(one, tmp_path / "s.sqlite", quiet=True)
    true = code_identity._digest
    monkeypatch.setattr(code_identity, "_digest", lambda path: "0" * 16 if path.name == "metrics.py" else true(path))
    with pytest.raises(UserError, match=r"made_with.code.sc_sionna.sweep.metrics was"):
        run_experiment(one, tmp_path / "s.sqlite", quiet=True)


def test_the_record_says_what_was_run(
    job: AccuracyExperiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = run_and_save(job, "small", tmp_path, quiet=True)
    assert record == read_record(tmp_path / "records" / "small.json")
    assert (tmp_path / "figures" / "small.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert f"record: {tmp_path / 'records' / 'small.json'}" in printed
    assert f"figure: {tmp_path / 'figures' / 'small.png'}" in printed
    assert [(p.system, p.snr_db) for p in record.points] == [(p.system, p.snr_db) for p in job.points()]
    assert record.notes["chance"] == 0.1
    inputs = record.settings["inputs"]
    assert set(inputs["weights_sha256"]) == set(SMALL_SCHEMES)
    assert AccuracySettings(**{k: v for k, v in record.settings.items() if k != "inputs"}) == job.settings
    for point in record.points:
        assert point.counts is not None
        assert point.ci95 is not None
        assert point.value is not None
        assert point.value == point.counts["correct"] / 48
        assert point.ci95[0] < point.value < point.ci95[1] or point.value in (0, 1)
        assert point.budget is not None
        assert (point.budget["payload_bits"] == 192) == (point.system == "masked-vqvae")
    at_40 = {p.system: p.value for p in record.points if p.snr_db == 40}
    assert at_40 == record.notes["error_free_accuracy"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": "mnist"}, "weights 'mnist-masked-vqvae': not in"),
        ({"systems": ("masked-vqvae", "telepathy")}, "system = 'telepathy': unknown"),
        ({"systems": ("jpeg-ldpc", "jpeg-ldpc")}, "one occurs twice"),
        ({"systems": ()}, "schemes = ()"),
        ({"dataset": "mnist"}, "dataset = 'mnist': unknown"),
        ({"snr_db": ()}, "snr_db"),
        ({"max_images": 0}, "max_images"),
        ({"link": {"num_streams": 5}}, "num_streams = 5"),
        ({"jpeg": {"quality": 50}}, "'jpeg'"),
    ],
)
def test_settings_that_cannot_work_are_one_line(settings: dict, words: str) -> None:
    with pytest.raises(UserError) as caught:
        AccuracyExperiment(AccuracySettings(**settings))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_killed_in_the_middle_and_started_again_the_counts_are_those_of_an_uninterrupted_run(
    compiled_systems, tmp_path: Path
) -> None:
    """The script itself under SIGKILL; the same command line goes on and completes it."""
    options = ["--quick", "--max-images", "16", "--snr-db=-9:18:1", "--quiet", "--epsilon", "0"]
    options += ["--systems", "masked-vqvae,jpeg-ldpc"]
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    command = [sys.executable, str(ROOT / "sims" / "accuracy_vs_snr.py"), *options, "--out", str(cut)]
    store = cut / "runs" / "accuracy_vs_snr_digits_quick.sqlite"
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 400
        while stored_rows(store) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    rows = stored_rows(store)
    assert 3 <= rows < 56
    assert not (cut / "records").exists()
    run_sim("accuracy_vs_snr", [*options, "--out", str(cut)])
    run_sim("accuracy_vs_snr", [*options, "--out", str(whole)])
    name = "records/accuracy_vs_snr_digits_quick.json"
    a, b = (read_record(folder / name) for folder in (cut, whole))
    assert len(a.points) == 56
    assert a.points == b.points
    assert a.settings_sha256 == b.settings_sha256
    assert stored_rows(store) == 56


def stored_rows(path: Path) -> int:
    """Rows that are committed, seen from another process."""
    if not path.exists():
        return 0
    db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=10)
    try:
        return int(db.execute("SELECT count(*) FROM batches").fetchone()[0])
    finally:
        db.close()


def test_a_batch_is_evaluated_without_reading_a_name_or_building_a_network(
    job: AccuracyExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [job.evaluate(point, 2) for point in job.points()[:2]]
    for scheme in SMALL_SCHEMES:
        job.scheme(scheme).forget()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a batch is evaluated with what is there")

    for owner, name in ((SchemeSpec, "parse"), (SchemeSpec, "__init__"), (SemanticCodec, "__init__")):
        monkeypatch.setattr(owner, name, refuse)
    monkeypatch.setattr(accuracy, "make_scheme", refuse)
    monkeypatch.setattr("sc_sionna.schemes.base.load_codec", refuse)
    for point, before in zip(job.points()[:2], expected, strict=True):
        assert same_outcome(job.evaluate(point, 2), before)


def test_a_sweep_begins_with_every_network_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = AccuracyExperiment(AccuracySettings(**{**SMALL, "snr_db": (40,), "max_images": 16}))
    seen = []
    monkeypatch.setattr(
        job, "evaluate", lambda point, batch: seen.append(set(job._schemes)) or {"images": 16, "correct": 1}
    )
    run_experiment(job, tmp_path / "s.sqlite", quiet=True)
    assert seen == [set(SMALL_SCHEMES)] * 2
