"""Who evaluates a sweep: workers get the head's job or refuse, shards share the points out."""

from __future__ import annotations

import json

import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.experiments import worker
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.hands import Hands, parse_shard
from sc_sionna.sweep import Point
from sc_sionna.sweep.executor import Unit
from sc_sionna.sweep.local import LocalExecutor

LINK = {"num_streams": 1, "modulation": "qpsk"}


@pytest.fixture(scope="module")
def job() -> ErrorRateExperiment:
    made = ErrorRateExperiment(ErrorRateSettings(links={"svd": LINK}, snr_db=(-3, 0), batch_size=8))
    made.prepare()
    return made


def test_a_worker_builds_the_head_s_job_from_json_and_counts_the_same(job):
    order = json.loads(json.dumps(worker.order_for(job, None, None)))
    executor = worker.prepare(order)
    executor.submit(Unit(tuple(job.points()), 3))
    for part in executor.finished():
        assert part.outcome == job.evaluate(part.point, 3)


@pytest.mark.parametrize(
    ("place", "name"), [("code", "made_with.code.sc_sionna.phy.link"), ("libraries", "made_with.libraries.numpy")]
)
def test_a_worker_with_other_code_or_libraries_is_refused_by_name(job, place, name):
    order = json.loads(json.dumps(worker.order_for(job, None, None)))
    of_head = order["run_settings"]["made_with"][place]
    of_head["sc_sionna.phy.link" if place == "code" else "numpy"] = "another"
    with pytest.raises(UserError, match=rf'worker: {name} is "[^"]+" here and "another" at the head of the sweep'):
        worker.prepare(order)


def test_shards_have_every_point_once_and_keep_systems_together():
    points = [Point(name, snr_db, threat) for name in "abc" for threat in (None, "noise") for snr_db in (0, 3)]
    for of in (1, 2, 4, 6):
        parts = [Hands(shard=(number, of)).share(points) for number in range(1, of + 1)]
        assert sorted(p.key for part in parts for p in part) == sorted(p.key for p in points)
        groups = [{p.group for p in part} for part in parts]
        assert all(not a & b for i, a in enumerate(groups) for b in groups[:i])
    with pytest.raises(UserError, match="--shard 7/7: the sweep has 6 systems and threats"):
        Hands(shard=(7, 7)).share(points)
    for text in ("0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"):
        with pytest.raises(UserError, match="write i/N with 1 <= i <= N"):
            parse_shard(text)


def test_hands_are_this_process_workers_or_a_cluster_that_is_told_its_threads(job):
    assert Hands().executor(job, None, None) is None
    assert isinstance(Hands(workers=2).executor(job, None, None), LocalExecutor)
    with pytest.raises(UserError, match="--cluster: its machines may differ in their cores"):
        Hands(cluster="auto").executor(job, None, None)
