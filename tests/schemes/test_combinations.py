"""Over a grid of settings, every combination is refused when the systems are built, or it works."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from sc_sionna.attacks.threats import air_threat
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.phy.framing import Framing
from sc_sionna.schemes import JpegLdpcScheme, load_scheme_codec
from sc_sionna.schemes.jpeg import JpegSettings
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


def job_of(link: dict, jpeg: dict, weights, **more) -> AccuracyExperiment:
    systems = ("masked-vqvae", "jscc", "jpeg-ldpc")
    return AccuracyExperiment(
        AccuracySettings(
            systems=systems, snr_db=(60,), max_images=2, batch_size=2, link=LinkSettings(**link), jpeg=JpegSettings(**jpeg),
            **more,
        ),
        weights=weights,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("link", "jpeg"),
    [
        ({"num_streams": 3, "modulation": "64qam", "coderate": 0.92, "crc": "CRC6"}, "works"),
        ({"num_streams": 1, "modulation": "qpsk", "coderate": 0.2, "max_block_bits": 48, "crc": "CRC24A"}, "works"),
        ({"num_streams": 3, "modulation": "64qam", "coded": False, "crc": "CRC11"}, "refused"),
        ({"num_streams": 4, "modulation": "64qam", "coderate": 0.2, "coherence": 5}, "refused"),
    ],
)
def test_every_system_works_or_is_refused_when_it_is_built(link, jpeg, tiny_weights):
    job = job_of(link, {}, tiny_weights)
    assert outcome(job, "jpeg-ldpc") == jpeg
    assert outcome(job, "masked-vqvae") == "works"
    assert outcome(job, "jscc") == ("works" if link["num_streams"] != 3 else "refused")  # 32 symbols


def test_jpeg_blocks_work_or_are_refused_with_a_remedy_that_works(tiny_weights):
    classifier, _ = load_scheme_codec("jpeg-ldpc", "digits", tiny_weights)

    def build(link: dict, bits: int) -> JpegLdpcScheme:
        jpeg = JpegSettings(block_bits=bits)
        return JpegLdpcScheme("jpeg-ldpc", classifier, LinkSettings(**link), jpeg, lambda: np.zeros((32, 32, 3)))

    found = {"works": 0, "refused": 0}
    for modulation, streams, coderate in itertools.product(("qpsk", "64qam"), (1, 3, 4), (0.2, 0.3, 0.92)):
        link = {"modulation": modulation, "num_streams": streams, "coderate": coderate}
        for bits in (64, 65, 128, 1024, 3824, 3825, 8448):
            remedy = None
            try:
                build(link, bits)
            except UserError as error:
                remedy = re.search(rf"jpeg.block_bits = {bits}: .* set jpeg.block_bits = (\d+), or", str(error))
                build(link, int(remedy[1]))
            found["works" if remedy is None else "refused"] += 1
            if remedy is None:  # as many blocks as a long stream needs have that very length
                framing = Framing(7 * (bits - 24), LinkSettings(**link, crc="CRC24A", max_block_bits=bits))
                assert (framing.num_blocks, framing.k) == (7, bits)
    assert min(found.values()) > 5


def test_prepare_refuses_before_a_point_runs(tiny_weights):
    with pytest.raises(UserError, match=r"link.coded = False: JPEG\+LDPC sends code blocks"):
        job_of({"coded": False}, {}, tiny_weights).prepare()
    with pytest.raises(UserError, match=r"jpeg.block_bits = 8448: .* set jpeg.block_bits = 3824"):
        job_of({"coderate": 0.3}, {"block_bits": 8448}, tiny_weights).prepare()


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
    job = job_of({"crc": "CRC16"}, {}, tiny_weights, threats=(air_threat(-20.0, gaussian=True, samples=8),))
    job.prepare()
    counts = job.evaluate(Point("masked-vqvae", 60.0, job.settings.threats[0].label), 0).counts
    assert counts["block_errors"] == counts["blocks"]
