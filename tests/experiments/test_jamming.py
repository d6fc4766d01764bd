"""Jamming in a sweep: who is jammed how, that no realisation goes into it, replay, the power for half of the accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.attacks.threats import jamming_threat
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.replay import replay_record
from sc_sionna.figures.half_power import half_power
from sc_sionna.schemes import Batch
from sc_sionna.sweep import read_record

SCAN, PIXELS, LABEL = "jpeg-ldpc[source.quality=3]", "pixels-ldpc", "label-ldpc"
FEW = {"samples": 8}  # the search on the code is made for every length that occurs
BEST, CONTROL = (jamming_threat(13.0, shuffled, **FEW) for shuffled in (False, True))
SMALL = {"snr_db": (18,), "max_images": 32, "batch_size": 16, "systems": (SCAN, PIXELS, LABEL)}


@pytest.fixture(scope="module")
def job() -> AccuracyExperiment:
    """Three coded payloads under the best pattern and its control; everything is built once."""
    job = AccuracyExperiment(AccuracySettings(**SMALL, threats=(BEST, CONTROL)))
    job.prepare()
    return job


@pytest.fixture(scope="module")
def swept(job: AccuracyExperiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jamming")
    run_and_save(job, "jamming", folder, quiet=True)
    return folder / "records" / "jamming.json"


def test_a_record_says_which_uses_were_jammed_and_its_replay_is_exact(swept: Path, capsys) -> None:
    record = read_record(swept)
    jammed = record.notes["jammed_uses"]
    assert jammed[BEST.label] == jammed[CONTROL.label]  # the control has as many uses
    assert jammed[BEST.label][SCAN] == {"pattern": "header", "share": None}
    assert set(jammed[BEST.label]) == {SCAN, PIXELS, LABEL}
    values = {(p.system, p.threat): p.value for p in record.points}
    assert values[SCAN, BEST.label] < values[SCAN, CONTROL.label] - 0.3
    for system in (SCAN, PIXELS, LABEL):  # one channel of the attacker for each of 1,024 images
        assert record.notes["realised_ssnr_db"][BEST.label][system] == pytest.approx(13.0, abs=0.2)
    assert "statistics only" in record.notes["attacker_knows"][BEST.label]
    assert replay_record(swept, 32, quiet=True) == 0
    printed = capsys.readouterr().out
    assert "9 of 9 points agree" in printed
    assert "compared count by count" in printed


def test_other_fading_and_noise_change_nothing_of_what_is_sent(job, monkeypatch: pytest.MonkeyPatch) -> None:
    for label in (SCAN, PIXELS, LABEL):
        scheme, batch = job.scheme(label), job.batch(0)
        for threat in (BEST, CONTROL):
            sent, received = [], []
            for word in ("link", "another realisation"):
                words = rng.seed_words(1, word)
                monkeypatch.setattr(Batch, "link_seed", lambda self, snr_db, words=words: words)
                sent.append(job.noise.interference(scheme, threat, batch, 18.0))
                received.append(scheme.air_surface(batch, 18.0).received)
            np.testing.assert_array_equal(*sent)
            assert not np.allclose(*received)
            monkeypatch.undo()


def test_patterns_are_tried_on_training_images_over_fading_of_their_own(job, monkeypatch) -> None:
    tried = []
    scheme = job.scheme(LABEL)
    transmit = type(scheme).transmit
    monkeypatch.setattr(
        type(scheme), "transmit", lambda self, batch, *rest: (tried.append(batch), transmit(self, batch, *rest))[1]
    )
    threat = jamming_threat(-8.0, **FEW)
    plan = job.noise.jammer(scheme, threat).plan
    assert len(tried) == 13  # three patterns with four shares, and all uses
    test_images = {image.tobytes() for image in job.batch(0).images} | {
        image.tobytes() for image in job.batch(1).images
    }
    for batch in tried:
        assert not test_images & {image.tobytes() for image in batch.images}
        assert batch.run_seed != job.settings.seed
    again = AccuracyExperiment(job.settings)
    assert again.noise.jammer(scheme, threat).plan == plan
    count = len(tried)
    job.noise.interference(scheme, threat, job.batch(0), 18.0)
    assert len(tried) == count  # settled once for all


def test_a_scheme_is_jammed_by_the_patterns_that_its_framing_has() -> None:
    threats = tuple(jamming_threat(8.0, pattern=p, **FEW) for p in ("best", "burst", "strided", "code-graph", "header"))
    systems = (SCAN, PIXELS, LABEL, "masked-vqvae", "jscc", "tests.schemes.toy_scheme:NearestMean")
    settings = AccuracySettings(**{**SMALL, "systems": systems}, clean=False, threats=threats)
    points = AccuracyExperiment(settings).points()
    found = {
        s: [t.attack.pattern for t in threats if (s, t.label) in {(p.system, p.threat) for p in points}]
        for s in systems
    }
    without_header = ["best", "burst", "strided", "code-graph"]
    assert found == {
        SCAN: [*without_header, "header"],
        PIXELS: without_header,
        LABEL: without_header,
        "masked-vqvae": without_header,
        "jscc": ["best", "burst", "strided"],
        systems[-1]: [],  # a class of the user's own that does not say how its uses are laid out
    }


def test_a_pattern_that_the_link_does_not_have_is_an_error_before_the_run() -> None:
    threat = jamming_threat(8.0, pattern="code-graph", **FEW)
    values = {"systems": ("masked-vqvae",), "snr_db": (18,), "max_images": 16, "link": {"coded": False}}
    with pytest.raises(UserError, match="sends no code words; take burst, strided or best") as caught:
        AccuracyExperiment(AccuracySettings(**values, threats=(threat,))).prepare()
    assert "\n" not in str(caught.value)


def test_half_of_the_accuracy_is_interpolated_between_the_ratios_beside_it() -> None:
    rows = [(0.0, 0.1, 0.05, 0.2), (10.0, 0.9, 0.8, 0.95), (5.0, 0.4, 0.3, 0.45)]
    half = half_power(rows, 0.5)
    assert half.value == pytest.approx(6.0)
    assert half.beside == (5.0, 10.0)
    assert half.low == pytest.approx(5 + 5 * 0.05 / 0.5)  # where the upper ends cross
    assert half.high == pytest.approx(5 + 5 * 0.2 / 0.5)
    assert half.low < half.value < half.high


def test_half_of_the_accuracy_beyond_the_ratios_has_no_value() -> None:
    always, never = [(x, 0.9, 0.8, 0.95) for x in (0.0, 5.0)], [(x, 0.1, 0.05, 0.2) for x in (0.0, 5.0)]
    assert half_power(always, 0.5) == (None, None, None, (None, 0.0))
    assert half_power(never, 0.5) == (None, None, None, (5.0, None))
