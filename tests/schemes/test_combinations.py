"""Over a grid of settings, every combination is refused when the systems are built, or it works."""

from __future__ import annotations

import pytest

from sc_sionna.attacks.threats import air_threat
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import Point


def outcome(job: AccuracyExperiment, name: str, snr_db: float = 60.0) -> str:
    """``refused`` at building, or ``works``: what is sent without noise to speak of arrives and is counted."""
    try:
        system = job.scheme(name)
    except UserError:
        return "refused"
    batch = job.batch(0)
    outputs = system.transmit(batch, snr_db)
    counts = system.counts(batch, outputs)
    assert counts["images"] == 2
    if "bits" in outputs:
        assert counts["bit_errors"] == counts["block_errors"] == 0
    assert system.budget(job.images.pixels[:2]).channel_uses > 0
    return "works"


def job_of(link: dict, weights, **more) -> AccuracyExperiment:
    systems = ("masked-vqvae", "jscc", "jpeg-ldpc")
    return AccuracyExperiment(
        AccuracySettings(
            systems=systems, snr_db=(60,), max_images=2, batch_size=2, link=LinkSettings(**link), **more,
        ),
        weights=weights,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("link", "jpeg"),
    [
        ({"num_streams": 3, "modulation": "64qam", "coderate": 0.92, "crc": "CRC6"}, "works"),
        ({"num_streams": 1, "modulation": "qpsk", "coderate": 0.2, "max_block_bits": 48, "crc": "CRC24A"}, "works"),
        ({"num_streams": 3, "modulation": "64qam", "coded": False, "crc": "CRC11"}, "refused"),
        ({"num_streams": 4, "modulation": "64qam", "coderate": 0.2, "coherence": 5}, "works"),
    ],
)
def test_every_system_works_or_is_refused_when_it_is_built(link, jpeg, tiny_weights):
    job = job_of(link, tiny_weights)
    assert outcome(job, "jpeg-ldpc") == jpeg
    assert outcome(job, "masked-vqvae") == "works"
    assert outcome(job, "jscc") == ("works" if link["num_streams"] != 3 else "refused")  # 32 symbols


def test_prepare_refuses_before_a_point_runs(tiny_weights):
    with pytest.raises(UserError, match=r"link\.coded = False: jpeg-ldpc sends code blocks"):
        job_of({"coded": False}, tiny_weights).prepare()


@pytest.mark.parametrize(
    ("systems", "link", "words"),
    [
        (("masked-vqvae",), {"crc": "CRC16"}, "link.crc = 'CRC16': .* crc = 'none'"),
    ],
)
def test_an_attack_over_the_air_without_a_gradient_is_refused(systems, link, words, tiny_weights):
    values = {"systems": systems, "link": LinkSettings(**link), "snr_db": (3.0,)}
    with pytest.raises(UserError, match=words):
        AccuracySettings(**values, threats=(air_threat(6.0),))
    AccuracySettings(**values, threats=(air_threat(6.0, gaussian=True),))


def test_noise_over_the_air_is_added_where_blocks_have_a_crc(tiny_weights):
    job = job_of({"crc": "CRC16"}, tiny_weights, threats=(air_threat(-20.0, gaussian=True, samples=8),))
    job.prepare()
    counts = job.evaluate(Point("masked-vqvae", 60.0, job.settings.threats[0].label), 0).counts
    assert counts["block_errors"] == counts["blocks"]
