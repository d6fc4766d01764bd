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
THREATS = {"ε = 0.1": source_threat(0.1, **WEAK), "signs": random_sign_threat(0.1)}


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
        job = AccuracyExperiment(AccuracySettings(**SMALL, threats=THREATS))
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
        clean, noisy, signs = (values[system, threat] for threat in (None, *THREATS))
        assert noisy < clean - 0.3
        assert noisy < signs
    assert record.notes["attacker_knows"]["signs"] == "nothing"


def test_one_compiled_pass_serves_every_epsilon(compiled_systems) -> None:
    threats = {f"{e}": source_threat(e, **WEAK) for e in (0.01, 0.02)} | {"two": source_threat(0.01, draws=2, **WEAK)}
    job = AccuracyExperiment(AccuracySettings(**SMALL, threats=threats))
    system = job.system("jpeg-ldpc")
    noisy = {name: job.noise.images(system, name, job.batch(0)) for name in ("0.01", "0.02")}
    attacks = job.noise._attacks
    first, second = (attacks["jpeg-ldpc", name] for name in noisy)
    assert first.objective is second.objective
    assert [a.settings.epsilon for a in (first, second)] == [0.01, 0.02]
    for name, images in noisy.items():
        assert np.abs(images - job.batch(0).images).max() == pytest.approx(float(name), abs=1e-6)


def test_a_threat_changes_no_clean_count(swept, compiled_systems, tmp_path: Path) -> None:
    record = read_record(swept[1])
    clean = AccuracyExperiment(AccuracySettings(**SMALL))
    found = {r.point: r.counts for r in run_experiment(clean, tmp_path / "s.sqlite", quiet=True)[0]}
    with_threats = {Point(p.system, p.snr_db): p.counts for p in record.points if p.threat is None}
    assert found == with_threats
    only = AccuracyExperiment(AccuracySettings(**SMALL, clean=False, threats={"signs": THREATS["signs"]}))
    point = Point("masked-vqvae", 3, "signs")
    assert point in only.points()
    assert len(only.points()) == 4
    counts = [swept[0].evaluate(point, batch) for batch in range(2)]
    assert [only.evaluate(point, batch) for batch in range(2)] == counts  # nor does a threat change another's


def test_a_record_with_threats_is_replayed_exactly(swept, compiled_systems, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay_record(swept[1], 1000, quiet=True) == 0
    printed = capsys.readouterr().out
    assert printed.count("equal") == 12
    assert "12 of 12 points agree" in printed


def test_jpeg_is_under_the_control_over_the_air_only(compiled_systems, tmp_path: Path) -> None:
    weak, strong = (air_threat(ssnr, gaussian=True, samples=16) for ssnr in (60.0, -20.0))
    threats = {"air": air_threat(0.0, samples=16, steps=3), "weak": weak, "strong": strong}
    values = {**SMALL, "systems": ("jpeg-ldpc",), "snr_db": (40,)}
    job = AccuracyExperiment(AccuracySettings(**values, threats=threats, left_out={"air": ("jpeg-ldpc",)}))
    assert [p.threat for p in job.points()] == [None, "weak", "strong"]
    clean, weak_counts, strong_counts = (job.evaluate(point, 0) for point in job.points())
    assert weak_counts == clean
    assert strong_counts["undecodable"] == 16
    ratios = job.notes()["realised_ssnr_db"]
    assert set(ratios) == {"weak", "strong"}
    assert ratios["weak"]["jpeg-ldpc"] == pytest.approx(60, abs=0.2)
    assert ratios["strong"]["jpeg-ldpc"] == pytest.approx(-20, abs=0.2)
    fresh = AccuracyExperiment(job.settings)  # a job that evaluated nothing, as after a resume, knows the same
    assert fresh.notes()["realised_ssnr_db"] == ratios
    with pytest.raises(UserError, match="entropy-coded bits have no gradient") as caught:
        AccuracyExperiment(AccuracySettings(**values, threats=threats)).evaluate(Point("jpeg-ldpc", 40, "air"), 0)
    assert "\n" not in str(caught.value)


def test_noise_over_one_jpeg_block_repeats_over_the_others(compiled_systems, monkeypatch: pytest.MonkeyPatch) -> None:
    job = AccuracyExperiment(AccuracySettings(**SMALL))
    system, batch = job.system("jpeg-ldpc"), job.batch(0)
    blocks = int(system._source(batch)[1].max())
    one = np.full((16, 128, 4), 0.5 + 0.5j, np.complex64)
    short, whole = (system.transmit(batch, 12.0, x) for x in (one, np.tile(one, (1, blocks, 1))))
    np.testing.assert_array_equal(short["received_bits"], whole["received_bits"])
    assert (short["received_bits"] != system.transmit(batch, 12.0)["received_bits"]).any()


def test_the_air_attack_is_crafted_once_per_system(compiled_systems, monkeypatch: pytest.MonkeyPatch) -> None:
    crafted = []
    craft = OverTheAirAttack.craft
    monkeypatch.setattr(OverTheAirAttack, "craft", lambda self, *rest: (crafted.append(self), craft(self, *rest))[1])
    threats = {"control": air_threat(0.0, gaussian=True, samples=16)}
    job = AccuracyExperiment(AccuracySettings(**SMALL, clean=False, threats=threats))
    for point in job.points():
        for batch in range(2):
            job.evaluate(point, batch)
    assert len(crafted) == 2


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ({"no such threat": ("jpeg-ldpc",)}, "left_out: 'no such threat' is not compared; choose signs"),
        ({"signs": ("jscc",)}, "left_out: 'jscc' is not compared; choose masked-vqvae, jpeg-ldpc"),
    ],
)
def test_what_is_left_out_must_be_there(left_out: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        AccuracySettings(**SMALL, threats={"signs": THREATS["signs"]}, left_out=left_out)


def test_accuracy_without_channel_noise_under_a_threat(swept) -> None:
    job, path, _ = swept
    record = read_record(path)
    at_40 = {p.threat: p.value for p in record.points if (p.system, p.snr_db) == ("masked-vqvae", 40)}
    assert job.error_free("masked-vqvae") == at_40[None] == record.notes["error_free_accuracy"]["masked-vqvae"]
    assert job.error_free("masked-vqvae", THREATS["ε = 0.1"]) < at_40[None] - 0.3
