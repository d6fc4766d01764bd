"""Features that thresholds leave out: the uses that they save, the side information that they cost, and what it does."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from sc_sionna.attacks.threats import Threat, air_threat, jamming_threat
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.phy.framing import Framing
from sc_sionna.schemes import Batch, MaskedVqvaeScheme, load_scheme_codec
from sc_sionna.schemes.shortened import ShortenedVqvaeScheme
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import to_counts

SIMILAR = "masked-vqvae[masking.ratio=0,similarity.threshold=0.9]"
IMPORTANT = "masked-vqvae+fim[masking.ratio=0,importance.form=class,importance.threshold=1]"
BOTH = "masked-vqvae+fim[masking.ratio=0,importance.form=class,importance.threshold=1,similarity.threshold=0.9]"
CHOOSING = (SIMILAR, IMPORTANT, BOTH)


def job_of(weights: Path | None, *systems: str, threats: tuple[Threat, ...] = (), **values) -> AccuracyExperiment:
    settings = {"snr_db": (3, 60), "max_images": 64, "batch_size": 64, **values}
    return AccuracyExperiment(AccuracySettings(systems=systems, threats=threats, **settings), weights=weights)


@pytest.fixture(scope="module")
def job(tiny_weights: Path) -> AccuracyExperiment:
    job = job_of(tiny_weights, *CHOOSING)
    job.prepare()
    return job


@pytest.fixture(scope="module")
def batch(job: AccuracyExperiment) -> Batch:
    """As a budget draws its masks: of a run with seed 0, the first batch."""
    return replace(job.batch(0), run_seed=0)


def decoded(scheme: ShortenedVqvaeScheme, sent, rows, indices: np.ndarray, present: np.ndarray, snr_db: float):
    """Classes by the codec itself, for indices at their places and the features that arrived."""
    codec = scheme.codec
    snr = np.full(len(indices), snr_db, np.float32)
    outputs = codec.decode(codec.codebook.decode(indices), sent.keep[rows], snr, present)
    return np.asarray(outputs["logits"]).argmax(-1)


@pytest.mark.parametrize("label", CHOOSING)
def test_without_errors_the_codec_itself_answers(job, batch, label: str) -> None:
    """The same model in one pass, with the features that it leaves out and those that it sends once."""
    scheme = job.scheme(label)
    outputs = scheme.transmit(batch, 60.0)
    assert outputs["link"].error_free.all()
    keep = scheme._source(batch, 60.0).keep
    model = scheme.codec(batch.images, keep, np.full(64, 60.0, np.float32))
    np.testing.assert_array_equal(outputs["predictions"], np.asarray(model["logits"]).argmax(-1))
    np.testing.assert_array_equal(outputs["predictions"], scheme.error_free_predictions(batch, 60.0))
    counts = scheme.counts(batch, outputs)
    assert counts["bit_errors"] == counts["block_errors"] == counts["index_errors"] == counts["undecodable"] == 0
    assert counts["indices"] == scheme.codec.sent(model).sum()
    assert 64 <= counts["indices"] < 64 * 16  # something is left out, or these tests show nothing


@pytest.mark.parametrize("label", CHOOSING)
def test_the_budget_is_what_was_sent(job, batch, label: str) -> None:
    scheme = job.scheme(label)
    link, settings = scheme.transmit(batch, 60.0)["link"], LinkSettings()
    sent = scheme._source(batch, 0.0)  # by importance at 0 dB
    streams, side = scheme._streams(sent)
    model = scheme.codec(batch.images, sent.keep, np.zeros(64, np.float32))
    payload = 4 * scheme.codec.sent(model).sum(axis=1)
    np.testing.assert_array_equal(side, scheme.codec.side_bits(model))
    assert [len(stream) for stream in streams] == [8 * ceil(bits / 8) for bits in payload + side]
    budget = scheme.budget(job.images.pixels)
    length_bits = scheme.link.length_bits
    assert budget.payload_bits == pytest.approx(payload.mean())
    assert budget.side_bits == pytest.approx(side.mean() + length_bits)
    assert budget.crc_bits == 11
    # the header's length field and CRC, then the stream, each at rate 1/2 in whole uses of 16 bits
    uses = [ceil((length_bits + 11) / 8) + ceil(max(len(stream), 12) / 8) for stream in streams]
    assert uses == [
        Framing(length_bits, settings.with_(crc="CRC11")).num_channel_uses
        + Framing(len(stream), settings).num_channel_uses
        for stream in streams
    ]
    assert budget.channel_uses == pytest.approx(np.mean(uses)) == budget.symbols / 4
    if label == SIMILAR:  # nothing of it depends on the SNR
        np.testing.assert_array_equal(link.num_uses, uses)
        np.testing.assert_array_equal(link.num_bits, [len(stream) for stream in streams])


@pytest.mark.parametrize("label", CHOOSING)
def test_where_no_header_is_read_no_feature_has_arrived(job, batch, label: str) -> None:
    scheme = job.scheme(label)
    outputs = scheme.transmit(batch, -60.0)
    counts = scheme.counts(batch, outputs)
    assert counts["undecodable"] == 64
    for name in ("bit", "block"):
        assert counts[f"{name}_errors"] == counts[f"{name}s"]
    assert counts["index_errors"] == counts["indices"]
    assert not outputs["arrived"].chosen["sent_mask"].any()
    nothing = np.zeros((64, 16), np.int32), np.zeros((64, 16), bool)
    sent = scheme._source(batch, -60.0)
    np.testing.assert_array_equal(outputs["predictions"], decoded(scheme, sent, slice(None), *nothing, -60.0))


def test_a_flipped_bit_of_side_information_is_what_the_flipped_bits_mean(
    job, batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feature that was sent is said not to be: each later index is taken for that of the feature before it."""
    scheme, link = job.scheme(IMPORTANT), job.scheme(IMPORTANT).link
    sent = scheme._source(batch, 60.0)
    mask = sent.chosen["sent_mask"]
    places = [np.flatnonzero(row) for row in mask]
    rows = [row for row in range(64) if len(places[row]) > 3][:5]

    def flipped(streams, *rest):
        out = link(streams, *rest)
        bits = [b.copy() for b in out.bits]
        for row in rows:
            bits[row][places[row][1]] ^= 1  # the flag of the second feature that was sent
        return out._replace(bits=bits, error_free=~np.isin(np.arange(64), rows))

    monkeypatch.setattr(scheme, "link", flipped)
    outputs = scheme.transmit(batch, 60.0)
    clean = scheme.error_free_predictions(batch, 60.0)
    indices, present = np.zeros((len(rows), 16), np.int32), np.zeros((len(rows), 16), bool)
    for i, row in enumerate(rows):
        left = np.delete(places[row], 1)
        present[i, left] = True
        indices[i, left] = sent.indices[row][places[row][:-1]]  # in the order in which they were sent
    np.testing.assert_array_equal(outputs["arrived"].chosen["sent_mask"][rows], present)
    np.testing.assert_array_equal(outputs["arrived"].indices[rows], indices)
    np.testing.assert_array_equal(outputs["predictions"][rows], decoded(scheme, sent, rows, indices, present, 60.0))
    untouched = np.delete(np.arange(64), rows)
    np.testing.assert_array_equal(outputs["predictions"][untouched], clean[untouched])
    missed = [
        1 + (indices[i, places[row][2:]] != sent.indices[row, places[row][2:]]).sum() for i, row in enumerate(rows)
    ]
    assert scheme.counts(batch, outputs)["index_errors"] == sum(missed)


def test_a_flipped_representative_stands_for_other_features(job, batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two bits or more that say a representative; its features take the received index of another one."""
    scheme, link = job.scheme(SIMILAR), job.scheme(SIMILAR).link
    sent = scheme._source(batch, 60.0)
    first = sent.chosen["representatives"]
    found = []
    for row in range(64):
        own = np.flatnonzero(first[row] == np.arange(16))
        said = [n for n in range(1, 16) if first[row, n] != n and (own < n).sum() == 2]  # with one bit each
        if said:
            found.append((row, said[0], own))
    assert found
    rows = [row for row, _, _ in found]

    def flipped(streams, *rest):
        out = link(streams, *rest)
        bits = [b.copy() for b in out.bits]
        for row in rows:
            bits[row][15] ^= 1  # behind the 15 flags: numbers among one feature have no bits
        return out._replace(bits=bits, error_free=~np.isin(np.arange(64), rows))

    monkeypatch.setattr(scheme, "link", flipped)
    outputs = scheme.transmit(batch, 60.0)
    for row, feature, own in found:
        expected = first[row].copy()
        expected[feature] = own[0] if first[row, feature] == own[1] else own[1]
        np.testing.assert_array_equal(outputs["arrived"].chosen["representatives"][row], expected)
        indices = sent.indices[row, expected][None]
        assert outputs["predictions"][row] == decoded(scheme, sent, [row], indices, np.ones((1, 16), bool), 60.0)[0]
    assert scheme.counts(batch, outputs)["index_errors"] == 0  # every index that was sent is in its place


@pytest.mark.parametrize("label", CHOOSING)
def test_at_the_cliff_each_image_is_what_it_arrived_as(job, batch, label: str) -> None:
    scheme = job.scheme(label)
    outputs = scheme.transmit(batch, 3.0)
    link, arrived, sent = outputs["link"], outputs["arrived"], scheme._source(batch, 3.0)
    assert 0 < link.error_free.sum() < 64
    clean = scheme.error_free_predictions(batch, 3.0)
    np.testing.assert_array_equal(outputs["predictions"][link.error_free], clean[link.error_free])
    placed = np.take_along_axis(arrived.indices, arrived.chosen["representatives"], axis=1)
    expected = decoded(scheme, sent, slice(None), placed, arrived.chosen["sent_mask"], 3.0)
    np.testing.assert_array_equal(outputs["predictions"], expected)
    counts = to_counts(scheme.counts(batch, outputs))
    wrong_bits, missed = 0, 0
    for row, stream in enumerate(scheme._streams(sent)[0]):
        received = link.bits[row]
        same_length = len(received) == len(stream)
        wrong_bits += int((received != stream).sum()) if same_length else len(stream)
        for n in range(16):
            if sent.chosen["sent_mask"][row, n] and sent.chosen["representatives"][row, n] == n:
                there = arrived.chosen["sent_mask"][row, n] and arrived.chosen["representatives"][row, n] == n
                missed += not (there and arrived.indices[row, n] == sent.indices[row, n])
    assert (counts["bit_errors"], counts["index_errors"]) == (wrong_bits, missed)
    assert 0 < counts["undecodable"] == sum(len(bits) == 0 for bits in link.bits)


def test_a_threshold_that_no_feature_reaches_still_sends_the_largest_one(tiny_weights: Path) -> None:
    codec, _ = load_scheme_codec("masked-vqvae+fim[importance.form=class]", "digits", tiny_weights)
    (fim,) = codec.encoder.importance.values()
    table = np.asarray(fim.table())
    threshold = round(float(np.sort(table.max(axis=0))[-2]) - 1e-4, 4)  # two positions reach it, each for some class
    label = f"masked-vqvae+fim[importance.form=class,importance.threshold={threshold}]"
    job = job_of(tiny_weights, label)
    scheme, batch = job.scheme(label), job.batch(0)
    model = scheme.codec(batch.images, scheme._source(batch, 60.0).keep, np.full(64, 60.0, np.float32))
    classes = np.asarray(model["importance_logits"][0]).argmax(-1)
    reach = (table[classes][:, scheme.codec.candidate_positions()] >= threshold).sum(axis=1)
    assert scheme.num_kept == 2
    assert 0 in reach  # of these classes neither does
    counts = scheme.counts(batch, scheme.transmit(batch, 60.0))
    assert (counts["indices"], counts["index_errors"]) == (np.maximum(reach, 1).sum(), 0)


def test_the_shipped_digits_send_similar_features_in_a_third_of_the_uses() -> None:
    plain, once = "masked-vqvae+at", "masked-vqvae+at[similarity.threshold=0.9]"
    job = job_of(None, plain, once, snr_db=(18,), max_images=None, batch_size=128)
    job.prepare()
    assert job.scheme(plain).budget(job.images.pixels).symbols == 96
    budget = job.scheme(once).budget(job.images.pixels)
    assert budget.symbols <= 32
    batch, correct = job.batch(0), {}
    for label in (plain, once):
        scheme = job.scheme(label)
        outputs = scheme.transmit(batch, 18.0)
        correct[label] = int((outputs["predictions"] == batch.labels).sum())
        if label == once:
            assert outputs["link"].num_uses.max() < 24
    assert abs(correct[once] - correct[plain]) <= 6  # of 128


def test_uncoded_streams_arrive_and_are_shorter_too(tiny_weights: Path) -> None:
    job = job_of(tiny_weights, SIMILAR, link={"coded": False})
    scheme, batch = job.scheme(SIMILAR), job.batch(0)
    outputs = scheme.transmit(batch, 60.0)
    np.testing.assert_array_equal(outputs["predictions"], scheme.error_free_predictions(batch, 60.0))
    assert outputs["link"].error_free.all()
    header = ceil((scheme.link.length_bits + 11) / 16)
    assert outputs["link"].num_uses.tolist() == [header + ceil(bits / 16) for bits in outputs["link"].num_bits]


def test_jamming_meets_the_header_and_the_blocks_of_every_stream(job, batch) -> None:
    scheme = job.scheme(SIMILAR)
    layouts = scheme.air_layouts(batch)
    assert [layout.num_uses for layout in layouts] == scheme.transmit(batch, 60.0)["link"].num_uses.tolist()
    assert {layout.header_uses for layout in layouts} == {scheme.link.header_uses}
    threat = jamming_threat(-20.0, pattern="header", samples=16)
    outputs = scheme.transmit(batch, 60.0, job.noise.interference(scheme, threat, batch, 60.0))
    assert outputs["undecodable"].all()


def test_a_threshold_of_the_mean_importance_fills_channel_uses(tiny_weights: Path) -> None:
    """Both ends know which positions are left: nothing is told to the receiver, and their number is the same."""
    label = "masked-vqvae+fim[importance.threshold=1]"
    job = job_of(tiny_weights, label, link={"channel_uses": 4})
    scheme, batch = job.scheme(label), job.batch(0)
    assert type(scheme) is MaskedVqvaeScheme
    assert scheme.num_sent == min(32 // 4, len(scheme.codec.candidate_positions())) < 16
    outputs = scheme.transmit(batch, 60.0)
    np.testing.assert_array_equal(outputs["predictions"], scheme.error_free_predictions(batch, 60.0))
    assert scheme.budget(job.images.pixels).channel_uses == 4


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"decoding": "soft"}, "decoding = 'soft': .* set decoding = 'hard', or leave importance.threshold"),
        (
            {"threats": (air_threat(0.0, samples=8, steps=2),)},
            "needs a gradient at the receiver, .* leave its thresholds out",
        ),
        ({"link": {"channel_uses": 32}}, "a threshold sends another number of features for every image"),
    ],
)
def test_what_cannot_work_is_refused_before_a_sweep(values: dict, words: str, tiny_weights: Path) -> None:
    with pytest.raises(UserError, match=words) as caught:
        job_of(tiny_weights, SIMILAR, **values).prepare()
    assert "\n" not in str(caught.value)


def test_no_other_class_sends_what_a_threshold_leaves_out(job) -> None:
    scheme = job.scheme(SIMILAR)
    with pytest.raises(UserError, match="build the scheme with make_scheme"):
        MaskedVqvaeScheme("mine", scheme.codec, LinkSettings())
    surface = scheme.air_surface(job.batch(0), 60.0)
    assert surface.received.shape[1] == scheme.transmit(job.batch(0), 60.0)["link"].num_uses.min()
    with pytest.raises(UserError, match=r"over-the-air attack on .* have no gradient"):
        surface.loss(surface.received)
