"""The two systems with the shipped weights: what arrives, what is counted, and that nothing else plays a part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.experiments.accuracy import AccuracyExperiment
from sc_sionna.schemes import Batch, make_scheme
from sc_sionna.settings import LinkSettings
from sc_sionna.source_codecs.jpeg import JpegSettings, encode_jpeg

NAMES = ("masked-vqvae", "jpeg-ldpc")


@pytest.fixture(scope="module")
def job(digits_job: AccuracyExperiment) -> AccuracyExperiment:
    return digits_job


def evaluate(system, batch: Batch, snr_db: float) -> tuple[dict, dict[str, int]]:
    outputs = system.transmit(batch, snr_db)
    return outputs, system.counts(batch, outputs)


def both_ends(system, batch: Batch, outputs: dict) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The bits of each image as sent and as received."""
    if "bits" in outputs:
        return list(outputs["bits"]), list(outputs["received_bits"])
    return system._source(batch).streams, outputs["link"].bits


def scan_of(image: np.ndarray) -> bytes:
    """What follows the scan's header, a marker and 12 bytes for three components, without the end marker."""
    whole = encode_jpeg((image * 255).round().astype(np.uint8), JpegSettings())
    return whole[whole.index(b"\xff\xda") + 14 : -2]


@pytest.mark.parametrize("name", NAMES)
def test_at_high_snr_everything_arrives(job: AccuracyExperiment, name: str) -> None:
    system, batch = job.scheme(name), job.batch(0)
    outputs, counts = evaluate(system, batch, 40.0)
    for sent, received in zip(*both_ends(system, batch, outputs), strict=True):
        np.testing.assert_array_equal(received, sent)
    np.testing.assert_array_equal(outputs["predictions"], system.error_free_predictions(batch, 40.0))
    for error in ("bit_errors", "bit_errors_sq", "block_errors", "index_errors", "undecodable", "undetected"):
        assert counts.get(error, 0) == 0
    assert counts["correct"] >= 12  # of 16: the shipped weights are right in more than 95 %, see their records
    assert counts["images"] == 16


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_an_independent_recount(job: AccuracyExperiment, name: str) -> None:
    system, batch = job.scheme(name), job.batch(1)
    failures = []
    for snr_db in (-9.0, 4.5, 18.0):
        outputs, counts = evaluate(system, batch, snr_db)
        failures.append(counts["block_errors"] / counts["blocks"])
        recount = dict.fromkeys(counts, 0)
        for i in range(16):
            recount["images"] += 1
            recount["correct"] += int(outputs["predictions"][i]) == int(batch.labels[i])
            sent, received = (bits[i] for bits in both_ends(system, batch, outputs))
            headers = 0
            if name == "masked-vqvae":
                blocks = [(sent, received)]
                indices = [(sent[k : k + 6], received[k : k + 6]) for k in range(0, 192, 6)]
                wrong = sum((a != b).any() for a, b in indices)
                assert wrong == (outputs["indices"][i] != outputs["received_indices"][i]).sum()
                recount["indices"] += len(indices)
                recount["index_errors"] += int(wrong)
                recount["index_errors_sq"] += int(wrong) ** 2
            else:
                assert np.packbits(sent).tobytes() == scan_of(batch.images[i])
                headers, no_length = 1, len(received) != len(sent)
                blocks = [(sent, 1 - sent if no_length else received)]
                recount["undecodable"] += (blocks[0][0] != blocks[0][1]).any()
            bits, failed = sum(int((a != b).sum()) for a, b in blocks), sum((a != b).any() for a, b in blocks)
            if headers and no_length:  # without it nothing is received
                failed += 1
            recount["bits"] += sum(len(a) for a, _ in blocks)
            recount["bit_errors"] += bits
            recount["bit_errors_sq"] += bits**2
            recount["blocks"] += headers + len(blocks)
            recount["block_errors"] += int(failed)
            recount["block_errors_sq"] += int(failed) ** 2
        assert counts == recount
    assert failures[0] == 1 > failures[1] > failures[2] == 0  # every case was recounted


def test_at_low_snr_jpeg_shows_the_mean_image(job: AccuracyExperiment) -> None:
    system, batch = job.scheme("jpeg-ldpc"), job.batch(0)
    outputs, counts = evaluate(system, batch, -9.0)
    assert counts["undecodable"] == 16
    mean = load("digits", "train").pixels.astype(float).mean(axis=0)
    prediction = system._mean()
    assert np.abs(system._make_mean_image() - mean).max() <= 0.5
    assert set(outputs["predictions"].tolist()) == {prediction}
    assert counts["correct"] == int((batch.labels == prediction).sum())


def test_the_learned_system_degrades_where_jpeg_is_lost(job: AccuracyExperiment) -> None:
    correct = {
        name: sum(evaluate(job.scheme(name), job.batch(b), 3.0)[1]["correct"] for b in range(3)) for name in NAMES
    }
    assert correct["masked-vqvae"] > 48 * 0.7
    assert correct["jpeg-ldpc"] < 48 * 0.5


def test_all_systems_see_the_same_fading_and_images_have_their_own(job: AccuracyExperiment) -> None:
    batch = job.batch(0)
    label = make_scheme("label-ldpc", "digits", LinkSettings(), job._mean_image)  # streams: tested on their link
    systems = (job.scheme("masked-vqvae"), label)
    h = {snr: [np.asarray(system.transmit(batch, snr)["link"].h) for system in systems] for snr in (3.0, 6.0)}
    np.testing.assert_array_equal(h[3.0][0], h[3.0][1])
    assert h[3.0][0].shape == (16, 1, 4, 8)
    assert len({row.tobytes() for row in h[3.0][0]}) == 16
    assert not (h[3.0][0] == h[6.0][0]).any()
    other = np.asarray(job.scheme(NAMES[0]).transmit(job.batch(1), 3.0)["link"].h)
    assert not (other == h[3.0][0]).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_does_not_depend_on_what_ran_before(job: AccuracyExperiment, name: str) -> None:
    used = job.scheme(name)
    points = [(batch, snr_db) for snr_db in (6.0, -9.0, 3.0) for batch in (0, 2, 1)]
    before = {point: evaluate(used, job.batch(point[0]), point[1]) for point in points}
    fresh = make_scheme(name, "digits", LinkSettings(), job._mean_image)
    for batch, snr_db in reversed(points):
        fresh._sent.clear()  # nothing kept from one SNR to the next
        getattr(fresh, "_error_free", {}).clear()
        outputs, counts = evaluate(fresh, job.batch(batch), snr_db)
        old_outputs, old_counts = before[batch, snr_db]
        assert counts == old_counts
        np.testing.assert_array_equal(outputs["predictions"], old_outputs["predictions"])
        pairs = (both_ends(used, job.batch(batch), o)[1] for o in (outputs, old_outputs))
        for now, then in zip(*pairs, strict=True):
            np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_never_taken_for_another_batch(job: AccuracyExperiment, name: str) -> None:
    system, batch = job.scheme(name), job.batch(0)
    plain, counts = evaluate(system, batch, 40.0)
    sent, _ = both_ends(system, batch, plain)
    negative = replace(batch, images=1.0 - batch.images)  # under the same index: attacked images come like this
    outputs, _ = evaluate(system, negative, 40.0)
    others, _ = both_ends(system, negative, outputs)
    assert not any(np.array_equal(a, b) for a, b in zip(sent, others, strict=True))
    reseeded, _ = evaluate(system, replace(batch, run_seed=batch.run_seed + 1), 3.0)
    again, _ = evaluate(system, batch, 3.0)
    if name == "masked-vqvae":
        assert not (np.asarray(reseeded["link"].h) == np.asarray(again["link"].h)).any()
        assert (reseeded["indices"] != again["indices"]).any()  # other patches are kept
    assert evaluate(system, batch, 40.0)[1] == counts


def test_budget_of_the_indices(job: AccuracyExperiment) -> None:
    found = job.scheme("masked-vqvae").budget(job.images.pixels)
    assert (found.payload_bits, found.side_bits, found.crc_bits, found.padding_bits) == (192, 0, 0, 0)
    assert (found.coded_bits, found.symbols, found.channel_uses) == (384, 96, 24)
    outputs = job.scheme("masked-vqvae").transmit(job.batch(0), 40.0)
    assert outputs["bits"].shape == (16, 192)
    assert outputs["link"].x_hat.shape == (16, 24, 4)  # what really goes over the air


def test_budget_of_jpeg_is_the_mean_over_the_images(job: AccuracyExperiment) -> None:
    """One block of 8 L + 16 bits at rate 1/2 in whole uses of 16 bits, behind a header of 16 + 11."""
    pixels = job.images.pixels
    bits = np.array([8 * len(scan_of(image / 255.0)) for image in pixels])
    coded = 16 * np.ceil(2 * (bits + 16) / 16) + 64
    found = job.scheme("jpeg-ldpc").budget(pixels)
    assert found.payload_bits == pytest.approx(bits.mean())
    assert (found.side_bits, found.crc_bits) == (16, 11 + 16)
    assert found.coded_bits == pytest.approx(coded.mean())
    assert found.symbols == pytest.approx(coded.mean() / 4)
    assert found.channel_uses == pytest.approx(coded.mean() / 16)
    outputs = job.scheme("jpeg-ldpc").transmit(job.batch(0), 40.0)
    np.testing.assert_array_equal(outputs["link"].num_uses, coded[:16] / 16)


def test_an_unknown_system_is_one_line(job: AccuracyExperiment) -> None:
    with pytest.raises(UserError, match="system = 'mvq': unknown; choose masked-vqvae, ") as caught:
        make_scheme("mvq", "digits", LinkSettings(), job._mean_image)
    assert "\n" not in str(caught.value)


def test_without_a_signal_jpeg_has_the_accuracy_of_the_mean_image(job: AccuracyExperiment) -> None:
    """At -40 dB every LLR is 0 and every CRC passes on zeros: nothing of the error-free outcome may remain."""
    system = job.scheme("jpeg-ldpc")
    for number in range(3):
        batch = job.batch(number)
        outputs, counts = evaluate(system, batch, -40.0)
        assert counts["undecodable"] == counts["images"] == 16
        assert counts["undetected"] == 0
        assert counts["block_errors"] == counts["blocks"]
        assert set(outputs["predictions"].tolist()) == {system._mean()}


def test_without_a_signal_the_learned_system_classifies_zeros(job: AccuracyExperiment) -> None:
    system, batch = job.scheme("masked-vqvae"), job.batch(0)
    outputs, counts = evaluate(system, batch, -60.0)
    assert outputs["erased_blocks"].all()
    assert counts["block_errors"] == counts["blocks"]
    sent = system._source(batch, -60.0)
    of_zeros = system._classify(sent, np.arange(16), np.zeros_like(sent.indices), -60.0)
    np.testing.assert_array_equal(outputs["predictions"], of_zeros)
