"""The two systems with the shipped weights: what arrives, what is counted, and that nothing else plays a part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.experiments.accuracy import AccuracyExperiment
from sc_sionna.schemes import Batch, JpegLdpcScheme, make_scheme
from sc_sionna.schemes.codecs.jpeg import encode_jpeg
from sc_sionna.schemes.jpeg import HEADER_BITS, JpegSettings, from_payload
from sc_sionna.settings import LinkSettings

NAMES = ("masked-vqvae", "jpeg-ldpc")


@pytest.fixture(scope="module")
def job(digits_job: AccuracyExperiment) -> AccuracyExperiment:
    return digits_job


@pytest.fixture(scope="module")
def best_effort(job: AccuracyExperiment) -> JpegLdpcScheme:
    system = make_scheme(
        "jpeg-ldpc", "digits", LinkSettings(), JpegSettings(undecodable="best-effort"), job._mean_image
    )
    assert isinstance(system, JpegLdpcScheme)
    return system


def evaluate(system, batch: Batch, snr_db: float) -> tuple[dict, dict[str, int]]:
    outputs = system.transmit(batch, snr_db)
    return outputs, system.counts(batch, outputs)


@pytest.mark.parametrize("name", NAMES)
def test_at_high_snr_everything_arrives(job: AccuracyExperiment, name: str) -> None:
    system, batch = job.scheme(name), job.batch(0)
    outputs, counts = evaluate(system, batch, 40.0)
    np.testing.assert_array_equal(outputs["received_bits"], outputs["bits"])
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
            sent, received = outputs["bits"][i], outputs["received_bits"][i]
            if name == "masked-vqvae":
                blocks = [(sent, received)]
                indices = [(sent[k : k + 6], received[k : k + 6]) for k in range(0, 192, 6)]
                wrong = sum((a != b).any() for a, b in indices)
                assert wrong == (outputs["indices"][i] != outputs["received_indices"][i]).sum()
                recount["indices"] += len(indices)
                recount["index_errors"] += int(wrong)
                recount["index_errors_sq"] += int(wrong) ** 2
            else:
                stream = from_payload(sent)
                assert stream == encode_jpeg((batch.images[i] * 255).round().astype(np.uint8), JpegSettings())
                count = -(-(HEADER_BITS + 8 * len(stream)) // 1000)  # 1,024 bits a block with 24 of CRC
                assert count == outputs["sent_blocks"][i].sum()
                blocks = [(sent[k : k + 1000], received[k : k + 1000]) for k in range(0, 1000 * count, 1000)]
                recount["undecodable"] += any((a != b).any() for a, b in blocks)
            bits, failed = sum(int((a != b).sum()) for a, b in blocks), sum((a != b).any() for a, b in blocks)
            recount["bits"] += sum(len(a) for a, _ in blocks)
            recount["bit_errors"] += bits
            recount["bit_errors_sq"] += bits**2
            recount["blocks"] += len(blocks)
            recount["block_errors"] += int(failed)
            recount["block_errors_sq"] += int(failed) ** 2
        assert counts == recount
    assert failures[0] == 1 > failures[1] > failures[2] == 0  # every case was recounted


def test_at_low_snr_jpeg_shows_the_mean_image(job: AccuracyExperiment) -> None:
    system, batch = job.scheme("jpeg-ldpc"), job.batch(0)
    outputs, counts = evaluate(system, batch, -9.0)
    assert counts["undecodable"] == 16
    assert outputs["shown_as_mean"].all()
    mean = load("digits", "train").pixels.astype(float).mean(axis=0)
    image, prediction = system._mean_image()
    assert np.abs(image - mean).max() <= 0.5
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
    h = {snr: [np.asarray(job.scheme(n).transmit(batch, snr)["link"].h) for n in NAMES] for snr in (3.0, 6.0)}
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
    fresh = make_scheme(name, "digits", LinkSettings(), JpegSettings(), job._mean_image)
    for batch, snr_db in reversed(points):
        fresh._sent.clear()  # nothing kept from one SNR to the next
        getattr(fresh, "_error_free", {}).clear()
        outputs, counts = evaluate(fresh, job.batch(batch), snr_db)
        old_outputs, old_counts = before[batch, snr_db]
        assert counts == old_counts
        for key in ("predictions", "received_bits"):
            np.testing.assert_array_equal(outputs[key][:, None], old_outputs[key][:, None])


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_never_taken_for_another_batch(job: AccuracyExperiment, name: str) -> None:
    system, batch = job.scheme(name), job.batch(0)
    plain, counts = evaluate(system, batch, 40.0)
    negative = replace(batch, images=1.0 - batch.images)  # under the same index: attacked images come like this
    outputs, _ = evaluate(system, negative, 40.0)
    assert outputs["bits"].shape != plain["bits"].shape or (outputs["bits"] != plain["bits"]).any(axis=1).all()
    reseeded, _ = evaluate(system, replace(batch, run_seed=batch.run_seed + 1), 3.0)
    again, _ = evaluate(system, batch, 3.0)
    assert not (np.asarray(reseeded["link"].h) == np.asarray(again["link"].h)).any()
    if name == "masked-vqvae":
        assert (reseeded["indices"] != again["indices"]).any()  # other patches are kept
    assert evaluate(system, batch, 40.0)[1] == counts


def test_best_effort_shows_what_the_decoder_makes_of_the_bits(
    job: AccuracyExperiment, best_effort: JpegLdpcScheme
) -> None:
    batch = job.batch(0)
    mean, mean_counts = evaluate(job.scheme("jpeg-ldpc"), batch, 6.0)
    effort, counts = evaluate(best_effort, batch, 6.0)
    assert counts["undecodable"] == mean_counts["undecodable"] > 0  # still lost, and counted
    np.testing.assert_array_equal(effort["received_bits"], mean["received_bits"])
    arrived = ~effort["undecodable"]
    np.testing.assert_array_equal(
        effort["predictions"][arrived], best_effort.error_free_predictions(batch, 6.0)[arrived]
    )
    assert not effort["shown_as_mean"][arrived].any()

    payloads, blocks, error_free = best_effort._source(batch)
    bits = np.zeros((17, int(blocks.max()) * 1000), np.int32)  # the last row stays zero, which is no JPEG
    for row, payload in zip(bits, payloads, strict=False):
        row[: len(payload) - 400] = payload[:-400]  # the end is lost, most of the image is there
    predictions, lost = best_effort._classify_damaged(bits, np.append(blocks, 1))
    assert lost.tolist() == [False] * 16 + [True]
    assert (predictions[:16] == error_free).sum() >= 10
    assert predictions[16] == best_effort._mean_image()[1]


def test_budget_of_the_indices(job: AccuracyExperiment) -> None:
    found = job.scheme("masked-vqvae").budget(job.images.pixels)
    assert (found.payload_bits, found.side_bits, found.crc_bits, found.padding_bits) == (192, 0, 0, 0)
    assert (found.coded_bits, found.symbols, found.channel_uses) == (384, 96, 24)
    outputs = job.scheme("masked-vqvae").transmit(job.batch(0), 40.0)
    assert outputs["bits"].shape == (16, 192)
    assert outputs["link"].x_hat.shape == (16, 24, 4)  # what really goes over the air


def test_budget_of_jpeg_is_the_mean_over_the_images(job: AccuracyExperiment) -> None:
    pixels = job.images.pixels
    lengths = np.array([len(encode_jpeg(image, JpegSettings())) for image in pixels])
    blocks = np.ceil((16 + 8 * lengths) / 1000)
    found = job.scheme("jpeg-ldpc").budget(pixels)
    assert found.payload_bits == pytest.approx(8 * lengths.mean())
    assert found.side_bits == 16
    assert found.crc_bits == pytest.approx(24 * blocks.mean())
    assert found.padding_bits == pytest.approx(1000 * blocks.mean() - 8 * lengths.mean() - 16)
    assert found.symbols == pytest.approx(512 * blocks.mean())  # 2,048 coded bits a block
    assert found.channel_uses == pytest.approx(128 * blocks.mean())
    outputs = job.scheme("jpeg-ldpc").transmit(job.batch(0), 40.0)
    assert tuple(outputs["link"].x_hat.shape) == (int(blocks[:16].sum()), 128, 4)


def test_an_unknown_system_is_one_line(job: AccuracyExperiment) -> None:
    with pytest.raises(UserError, match="system = 'mvq': unknown; choose masked-vqvae, ") as caught:
        make_scheme("mvq", "digits", LinkSettings(), JpegSettings(), job._mean_image)
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
        assert set(outputs["predictions"].tolist()) == {system._mean_image()[1]}


def test_without_a_signal_the_learned_system_classifies_zeros(job: AccuracyExperiment) -> None:
    system, batch = job.scheme("masked-vqvae"), job.batch(0)
    outputs, counts = evaluate(system, batch, -60.0)
    assert outputs["erased_blocks"].all()
    assert counts["block_errors"] == counts["blocks"]
    sent = system._source(batch, -60.0)
    of_zeros = system._classify(sent, np.arange(16), np.zeros_like(sent.indices), -60.0)
    np.testing.assert_array_equal(outputs["predictions"], of_zeros)


class AcceptsEverything:
    """A link whose CRCs pass, with bits of the test's choice: the rare case, made frequent."""

    def __init__(self, link, bits: np.ndarray) -> None:
        self.link, self.bits, self.framing = link, bits, link.framing

    def __call__(self, bits, *inputs, **named):
        out = self.link(bits, *inputs, **named)
        return out._replace(
            bits=self.bits, crc_ok=np.ones_like(out.crc_ok), erased=np.zeros_like(out.erased), block_bits=None
        )


def test_an_undetected_error_is_classified_from_what_the_bits_decode_to(job: AccuracyExperiment, monkeypatch) -> None:
    system, batch = job.scheme("jpeg-ldpc"), job.batch(0)
    payloads, blocks, error_free = system._source(batch)
    number = int(blocks.max())
    bits = np.zeros((16, number * 1000), np.int32)
    for row, payload in zip(bits, payloads, strict=True):
        row[: len(payload)] = payload
    order = np.argsort(error_free, kind="stable")[
        ::-1
    ].copy()  # another image's stream, of another class where it can be
    bits[:12] = bits[order[:12]]
    bits[12] = 0  # no stream at all
    bits[13, 16:] = 1 - bits[13, 16:]  # no JPEG
    bits[14, :16] = 1  # a length beyond what arrived
    monkeypatch.setitem(system._links, number, AcceptsEverything(system._link(number), bits))
    outputs, counts = evaluate(system, batch, 40.0)
    mean = system._mean_image()[1]
    assert outputs["predictions"].tolist() == [*error_free[order[:12]], mean, mean, mean, error_free[15]]
    moved = int((order[:12] != np.arange(12)).sum())
    assert counts["undetected"] == moved + 3
    assert counts["undecodable"] == 3
    assert outputs["undecodable"].tolist() == [False] * 12 + [True] * 3 + [False]
