"""Conventional schemes at their best: what they cost, what arrives, what a loss is taken for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.attacks.threats import air_threat, random_sign_threat, source_threat
from sc_sionna.core.errors import UserError
from sc_sionna.data.common import to_float
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.replay import replay_record
from sc_sionna.schemes import Batch, SchemeSpec
from sc_sionna.sweep import read_record
from sc_sionna.tasks import TASKS

SCAN = "jpeg-ldpc[source.quality=3]"
LABEL = "label-ldpc"
TWICE = "label-ldpc[source.repetitions=2]"
STREAMS = (SCAN, "webp-ldpc", "avif-ldpc[source.quality=1]", "pixels-ldpc")


@pytest.fixture(scope="module")
def job() -> AccuracyExperiment:
    """The whole embedded test set in one batch."""
    job = AccuracyExperiment(AccuracySettings(systems=(*STREAMS, LABEL, TWICE), snr_db=(3,), batch_size=512))
    job.prepare()
    return job


@pytest.fixture(scope="module")
def batch(job: AccuracyExperiment) -> Batch:
    return job.batch(0)


def counted(job: AccuracyExperiment, label: str, batch: Batch, snr_db: float) -> tuple[dict, dict[str, int]]:
    outputs = job.scheme(label).transmit(batch, snr_db)
    return outputs, job.scheme(label).counts(batch, outputs)


@pytest.mark.parametrize(
    ("label", "symbols", "accuracy"),
    [
        (SCAN, 180, 0.97),
        ("webp-ldpc", 470, 0.97),
        ("avif-ldpc[source.quality=1]", 180, 0.97),
        ("pixels-ldpc", 72, 0.97),
    ],
)
def test_costs_and_accuracy_on_the_digits(job, batch, label: str, symbols: float, accuracy: float) -> None:
    """Header and CRC included; JPEG with its tables sent in every picture takes 2,342 symbols."""
    outputs, counts = counted(job, label, batch, 40.0)
    assert counts["bit_errors"] == counts["block_errors"] == counts["undecodable"] == counts["undetected"] == 0
    assert counts["correct"] / counts["images"] >= accuracy
    np.testing.assert_array_equal(outputs["predictions"], job.scheme(label).error_free_predictions(batch, 40.0))
    budget = job.scheme(label).budget(job.images.pixels)
    assert budget.symbols <= symbols
    # what a budget says is what was on the air
    assert budget.channel_uses == pytest.approx(outputs["link"].num_uses.mean())
    sent = budget.payload_bits + budget.side_bits + budget.crc_bits + budget.padding_bits
    assert sent <= budget.coded_bits <= 2 * sent + 3 * 16  # rate 1/2, whole uses of 16 bits


@pytest.mark.parametrize("label", STREAMS)
def test_where_nothing_arrives_the_mean_image_is_shown(job, batch, label: str) -> None:
    _, counts = counted(job, label, batch, -40.0)
    mean = int((job.scheme(label)._mean() == batch.labels).sum())
    assert counts["undecodable"] == counts["images"]
    assert counts["correct"] == mean < 0.2 * counts["images"]
    assert counts["block_errors"] == counts["blocks"]


@pytest.mark.parametrize("label", STREAMS)
def test_at_the_cliff_each_image_is_shown_as_it_arrived(job, batch, label: str) -> None:
    outputs, counts = counted(job, label, batch, 5.0)
    scheme, link = job.scheme(label), outputs["link"]
    arrived = link.error_free
    assert 0.1 < arrived.mean() < 0.95
    clean = scheme.error_free_predictions(batch, 5.0)
    np.testing.assert_array_equal(outputs["predictions"][arrived], clean[arrived])
    assert (outputs["predictions"][outputs["undecodable"]] == scheme._mean()).all()
    assert counts["undecodable"] + arrived.sum() + (outputs["undetected"] & ~outputs["undecodable"]).sum() == len(
        arrived
    )


@pytest.mark.parametrize("label", [SCAN, "pixels-ldpc"])
def test_an_error_that_every_check_misses_is_shown_as_it_decodes(
    job, batch, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong bits with every check right: a CRC of 16 bits lets that happen too rarely to wait for."""
    scheme, link = job.scheme(label), job.scheme(label).link

    def missed(streams, *rest):
        out = link(streams, *rest)
        bits = [b.copy() for b in out.bits]
        for row in (3, 5):
            bits[row][len(bits[row]) // 2 :] ^= 1
        return out._replace(bits=bits, error_free=out.error_free & ~np.isin(np.arange(len(bits)), (3, 5)))

    monkeypatch.setattr(scheme, "link", missed)
    outputs = scheme.transmit(batch, 40.0)
    assert np.flatnonzero(outputs["undetected"]).tolist() == [3, 5]
    for row in (3, 5):
        shown = scheme.codec.decode(outputs["link"].bits[row])
        assert outputs["undecodable"][row] == (shown is None)
        expected = scheme._mean() if shown is None else scheme._predict(to_float(shown[None]))[0]
        assert outputs["predictions"][row] == expected
    assert scheme.counts(batch, outputs)["undetected"] == 2


def test_the_label_survives_where_nothing_else_does(job, batch) -> None:
    """A plain classifier's accuracy from -9 dB on, over 30 uses of one stream (12 bits, QPSK, rate 1/5)."""
    outputs, counts = counted(job, LABEL, batch, -9.0)
    assert counts["block_errors"] / counts["blocks"] < 0.02
    assert counts["correct"] / counts["images"] > 0.95
    assert job.scheme(LABEL).budget(job.images.pixels).channel_uses == 30
    assert job.scheme(TWICE).budget(job.images.pixels).channel_uses == 60
    once, twice = (counted(job, label, batch, -15.0)[1]["block_errors"] for label in (LABEL, TWICE))
    assert twice < 0.5 * once
    _, lost = counted(job, LABEL, batch, -60.0)
    assert lost["correct"] < 0.25 * lost["images"]
    power = np.mean(np.abs(job.scheme(LABEL).link.transmitter(outputs["bits"])) ** 2)
    assert power == pytest.approx(1.0, rel=1e-5)  # one stream has the power of all


def test_a_class_that_does_not_exist_is_undecodable(job, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = job.scheme(LABEL)
    monkeypatch.setattr(scheme, "error_free_predictions", lambda batch, snr_db: np.full(len(batch.labels), 12))
    outputs = scheme.transmit(batch, 40.0)
    assert outputs["undecodable"].all()
    assert (outputs["predictions"] == 0).all()


def test_threats_reach_those_that_have_what_they_need(tmp_path: Path) -> None:
    signs, steps, gaussian = (
        random_sign_threat(0.1),
        source_threat(0.1, steps=3),
        air_threat(-20.0, gaussian=True, samples=8),
    )
    threats = (signs, steps, gaussian, air_threat(0.0, samples=8, steps=2))
    systems = ("pixels-ldpc", LABEL)
    settings = AccuracySettings(systems=systems, snr_db=(20,), max_images=64, batch_size=64, threats=threats)
    job = AccuracyExperiment(settings)
    reached = {(p.system, p.threat) for p in job.points() if p.threat}
    assert reached == {(s, t.label) for s in systems for t in (signs, gaussian)} | {(LABEL, steps.label)}
    record = run_and_save(job, "conventional", tmp_path, quiet=True)
    value = {(p.system, p.threat): p.value for p in record.points}
    assert value[LABEL, steps.label] < value[LABEL, signs.label] - 0.2
    assert value["pixels-ldpc", gaussian.label] < 0.3
    assert read_record(tmp_path / "records" / "conventional.json") == record
    assert replay_record(tmp_path / "records" / "conventional.json", 64, quiet=True) == 0
    with pytest.raises(UserError, match="its source codec has no gradient; attack a learned scheme"):
        job.scheme("pixels-ldpc").victim()


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("webp-ldpc[source.size=3]", "'source.size' is fixed by the weights, or unknown; at test time set source.crc"),
        ("webp-ldpc[masking.ratio=0]", "'masking.ratio' is fixed by the weights"),
        ("masked-vqvae[source.quality=3]", "'source.quality' is fixed by the weights"),
    ],
)
def test_unknown_settings_are_one_line(label: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        SchemeSpec.parse(label)


@pytest.mark.parametrize(
    ("label", "link", "words"),
    [
        ("webp-ldpc[source.quality=500]", {}, "quality = 500"),
        ("pixels-ldpc[source.side=64]", {}, "side = 64: a thumbnail of 32 pixels at most"),
        ("jpeg-ldpc[source.optimize=true]", {}, "tables made for an image are not known to the receiver"),
        ("pixels-ldpc", {"coded": False}, "link.coded = False: pixels-ldpc sends code blocks"),
        ("label-ldpc[source.num_streams=5]", {}, "num_streams = 5"),
    ],
)
def test_what_cannot_work_is_refused_before_a_sweep(label: str, link: dict, words: str) -> None:
    job = AccuracyExperiment(AccuracySettings(systems=(label,), snr_db=(3,), max_images=8, link=link))
    with pytest.raises(UserError, match=words) as caught:
        job.prepare()
    assert "\n" not in str(caught.value)


def test_they_share_the_weights_of_one_classifier() -> None:
    assert {SchemeSpec.parse(label).stored_as for label in (*STREAMS, LABEL)} == {"jpeg-ldpc"}
    assert SchemeSpec.parse("label-ldpc+at").stored_as == "jpeg-ldpc+at"
    assert SchemeSpec.parse("label-ldpc+at").label == "label-ldpc+at"
    assert "classification" in TASKS


def test_a_codec_of_the_users_own_is_swept_and_drawn(tmp_path: Path) -> None:
    """As README shows it, in under 40 lines."""
    from tests.schemes.own_codec import CODE

    assert len(CODE.splitlines()) < 40
    settings = AccuracySettings(
        systems=("tests.schemes.own_codec:MyScheme", "pixels-ldpc"), snr_db=(-20, 20), max_images=128
    )
    record = run_and_save(AccuracyExperiment(settings), "own", tmp_path, quiet=True)
    value = {(p.system, p.snr_db): p.value for p in record.points}
    assert value["tests.schemes.own_codec:MyScheme", 20.0] > 0.5
    assert value["tests.schemes.own_codec:MyScheme", -20.0] < 0.3
    assert (tmp_path / "figures" / "own.png").stat().st_size > 10_000
