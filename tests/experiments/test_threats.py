"""Semantic noise in the main job: made once per system and threat, reused over the SNR; clean points do not see it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.attacks.over_the_air import OverTheAirAttack
from sc_sionna.attacks.source import SourceAttack
from sc_sionna.attacks.threats import air_threat, random_sign_threat, source_threat
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save, run_experiment
from sc_sionna.experiments.replay import replay_record
from sc_sionna.sweep import Point, read_record

SMALL = {"snr_db": (3, 40), "max_images": 32, "batch_size": 16, "systems": ("masked-vqvae", "jpeg-ldpc")}
WEAK = {"steps": 2, "batch_size": 16}
NOISE, SIGNS = source_threat(0.1, **WEAK), random_sign_threat(0.1)


def prepared(**values) -> AccuracyExperiment:
    """An experiment of the small sweep, changed, that may evaluate at once."""
    job = AccuracyExperiment(AccuracySettings(**{**SMALL, **values}))
    job.prepare()
    return job


@pytest.fixture(scope="module")
def swept(digits_job: AccuracyExperiment, tmp_path_factory: pytest.TempPathFactory):
    """A sweep with threats: its job, record file, and how often what was crafted."""
    crafted: list[tuple[object, int]] = []
    craft = SourceAttack.craft

    def counted(self, images, labels, generator):
        crafted.append((self, len(images)))
        return craft(self, images, labels, generator)

    folder = tmp_path_factory.mktemp("threats")
    with pytest.MonkeyPatch.context() as patch:
        from tests.conftest import _keep_systems

        _keep_systems(patch)
        patch.setattr(SourceAttack, "craft", counted)
        job = AccuracyExperiment(AccuracySettings(**SMALL, threats=(NOISE, SIGNS)))
        run_and_save(job, "threats", folder, quiet=True)
    return job, folder / "records" / "threats.json", crafted


def test_images_are_crafted_once_per_system_threat_and_batch(swept) -> None:
    _, path, crafted = swept
    record = read_record(path)
    assert len(record.points) == 2 * 2 * 3
    assert [count for _, count in crafted] == [
        16
    ] * 4  # two systems of two batches, at two SNRs; random signs cost none
    assert len({id(attack) for attack, _ in crafted}) == 2
    values = {(p.system, p.threat): p.value for p in record.points if p.snr_db == 40}
    for system in SMALL["systems"]:
        clean, noisy, signs = (values[system, threat] for threat in (None, NOISE.label, SIGNS.label))
        assert noisy < clean - 0.3
        assert noisy < signs
    assert record.notes["attacker_knows"][SIGNS.label] == "nothing"


def test_one_compiled_pass_serves_every_epsilon(compiled_systems, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    craft = SourceAttack.craft
    monkeypatch.setattr(SourceAttack, "craft", lambda self, *rest: (made.append(self), craft(self, *rest))[1])
    threats = [source_threat(e, **WEAK) for e in (0.01, 0.02)]
    job = prepared(threats=(*threats, source_threat(0.01, draws=2, **WEAK)))
    for threat in threats:
        images = job.noise.images(job.scheme("jpeg-ldpc"), threat, job.batch(0))
        assert np.abs(images - job.batch(0).images).max() == pytest.approx(threat.attack.epsilon, abs=1e-6)
    first, second = made
    assert first.objective is second.objective
    assert [a.settings.epsilon for a in made] == [0.01, 0.02]


def test_an_attack_draws_once_where_nothing_is_drawn(compiled_systems, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    craft = SourceAttack.craft
    monkeypatch.setattr(SourceAttack, "craft", lambda self, *rest: (made.append(self), craft(self, *rest))[1])
    threat = source_threat(0.1, draws=4, **WEAK)
    job = prepared(threats=(threat,))
    for label in job.specs:
        job.evaluate(Point(label, 40, threat.label), 0)
    assert {label: job.scheme(label).random for label in job.specs} == {"masked-vqvae": True, "jpeg-ldpc": False}
    assert [attack.settings.draws for attack in made] == [4, 1]


def test_a_threat_changes_no_clean_count(swept, compiled_systems, tmp_path: Path) -> None:
    record = read_record(swept[1])
    clean = AccuracyExperiment(AccuracySettings(**SMALL))
    found = {r.point: r.counts for r in run_experiment(clean, tmp_path / "s.sqlite", quiet=True)[0]}
    with_threats = {Point(p.system, p.snr_db): p.counts for p in record.points if p.threat is None}
    assert found == with_threats
    only = prepared(clean=False, threats=(SIGNS,))
    point = Point("masked-vqvae", 3, SIGNS.label)
    assert point in only.points()
    assert len(only.points()) == 4
    counts = [swept[0].evaluate(point, batch).counts for batch in range(2)]
    assert [only.evaluate(point, batch).counts for batch in range(2)] == counts  # nor does a threat change another's


def test_a_record_with_threats_is_replayed_exactly(swept, compiled_systems, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay_record(swept[1], 1000, quiet=True) == 0
    printed = capsys.readouterr().out
    assert printed.count("equal") == 12
    assert "12 of 12 points agree" in printed


def test_jpeg_is_under_the_control_over_the_air_only(compiled_systems, tmp_path: Path) -> None:
    weak, strong = (air_threat(ssnr, gaussian=True, samples=16) for ssnr in (60.0, -20.0))
    crafted = air_threat(0.0, samples=16, steps=3)
    values = {"systems": ("jpeg-ldpc",), "snr_db": (40,), "threats": (crafted, weak, strong)}
    job = prepared(**values)
    assert [p.threat for p in job.points()] == [None, weak.label, strong.label]
    clean, weak_counts, strong_counts = (job.evaluate(point, 0).counts for point in job.points())
    assert weak_counts == clean
    assert strong_counts["undecodable"] == 16
    ratios = job.notes()["realised_ssnr_db"]
    assert set(ratios) == {weak.label, strong.label}
    assert ratios[weak.label]["jpeg-ldpc"] == pytest.approx(60, abs=0.2)
    assert ratios[strong.label]["jpeg-ldpc"] == pytest.approx(-20, abs=0.2)
    fresh = AccuracyExperiment(job.settings)  # a job that evaluated nothing, as after a resume, knows the same
    assert fresh.notes()["realised_ssnr_db"] == ratios
    with pytest.raises(UserError, match="entropy-coded bits have no gradient") as caught:
        job.evaluate(Point("jpeg-ldpc", 40, crafted.label), 0)  # which no point of the sweep asks for
    assert "\n" not in str(caught.value)


def test_the_air_attack_is_crafted_once_per_system(compiled_systems, monkeypatch: pytest.MonkeyPatch) -> None:
    crafted = []
    craft = OverTheAirAttack.craft
    monkeypatch.setattr(OverTheAirAttack, "craft", lambda self, *rest: (crafted.append(self), craft(self, *rest))[1])
    job = prepared(clean=False, threats=(air_threat(0.0, gaussian=True, samples=16),))
    for point in job.points():
        for batch in range(2):
            job.evaluate(point, batch)
    assert len(crafted) == 2


def test_a_threat_occurs_once_and_threats_by_name_are_of_an_earlier_version() -> None:
    with pytest.raises(UserError, match=r"threats = random signs, .*: one occurs twice"):
        AccuracySettings(**SMALL, threats=(SIGNS, SIGNS))
    old = {"signs": {"kind": "random-sign", "source": {"epsilon": 0.1}, "air": None}}
    with pytest.raises(UserError, match="threats: are listed by name") as caught:
        AccuracySettings(**SMALL, threats=old)
    assert "\n" not in str(caught.value)
    assert AccuracySettings(**SMALL, threats={}, left_out={}).threats == ()
    with pytest.raises(UserError, match="'left_out'"):
        AccuracySettings(**SMALL, left_out={"signs": ("jpeg-ldpc",)})


def test_accuracy_without_channel_noise_under_a_threat(swept) -> None:
    job, path, _ = swept
    record = read_record(path)
    at_40 = {p.threat: p.value for p in record.points if (p.system, p.snr_db) == ("masked-vqvae", 40)}
    assert job.error_free("masked-vqvae") == at_40[None] == record.notes["error_free_accuracy"]["masked-vqvae"]
    assert job.error_free("masked-vqvae", NOISE) < at_40[None] - 0.3
