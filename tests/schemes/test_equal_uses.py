"""Equal channel uses: what fills them, what adapts, and what an ideal code would do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.catalogue.equal_uses_vs_snr import FIXED, FIXED_SCHEMES
from sc_sionna.experiments.replay import replay_record
from sc_sionna.phy.channels import make_channel
from sc_sionna.phy.mimo import seed_of_link
from sc_sionna.phy.mode_choice import best_mode
from sc_sionna.phy.mode_table import ModeTable
from sc_sionna.phy.modes import Mode
from sc_sionna.phy.realisation import rank_of_most_capacity
from sc_sionna.schemes import make_scheme
from sc_sionna.schemes.adaptive import AdaptiveScheme
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import read_record

RECORDS = Path(__file__).resolve().parents[2] / "results" / "records"
PIXELS, JPEG = "pixels-ldpc[source.crc=CRC6]", "jpeg-ldpc[source.crc=CRC11]"
SCHEMES = ("masked-vqvae", "jscc", "label-ldpc", PIXELS, JPEG)


def job_of(weights: Path | None, schemes=SCHEMES, snr_db=(-9, 3, 18), **link) -> AccuracyExperiment:
    settings = AccuracySettings(systems=schemes, snr_db=snr_db, max_images=32, batch_size=32, link=link)
    return AccuracyExperiment(settings, weights=weights)


@pytest.fixture(scope="module")
def adaptive(tiny_weights: Path) -> AccuracyExperiment:
    job = job_of(tiny_weights, channel_uses=64, adaptation="mcs", target_bler=0.01)
    job.prepare()
    return job


def uses_of(scheme) -> int:
    """The channel uses that a scheme really takes."""
    if hasattr(scheme.link, "framing"):
        return scheme.link.framing.num_channel_uses
    return (
        scheme.link.num_uses(scheme.codec.num_bits) if hasattr(scheme.link, "num_uses") else scheme.link.mimo.num_uses
    )


@pytest.mark.parametrize("uses", [32, 50])
@pytest.mark.parametrize("name", SCHEMES)
def test_a_fixed_link_is_filled_and_what_it_carries_arrives(name: str, uses: int, tiny_weights: Path) -> None:
    job = job_of(tiny_weights, (name,), channel_uses=uses)
    scheme, batch = job.scheme(name), job.batch(0)
    taken = uses_of(scheme)
    assert taken == uses if name != "jscc" else uses - 8 <= taken <= uses  # symbols of whole features
    assert scheme.budget(job.images.pixels[:4]).channel_uses == taken
    outputs = scheme.transmit(batch, 60.0)
    counts = scheme.counts(batch, outputs)
    assert counts["images"] == 32
    assert counts.get("bit_errors", 0) == counts.get("block_errors", 0) == counts.get("undecodable", 0) == 0
    same = outputs["predictions"] == scheme.error_free_predictions(batch, 60.0)
    assert same.all() if name != "jscc" else same.mean() > 0.9


def test_fewer_indices_are_sent_at_places_drawn_by_image_and_more_patches_where_there_is_room(
    tiny_weights: Path,
) -> None:
    job = job_of(tiny_weights, ("masked-vqvae",), channel_uses=32)
    whole = job.scheme("masked-vqvae")
    kept, per_index = whole.codec.num_kept, whole.mapper.bits_per_index
    few = whole.on(LinkSettings(num_streams=1, modulation="qpsk", coderate=0.2, channel_uses=32))
    assert few.num_sent == 13 // per_index < kept  # 64 coded bits
    batch = job.batch(0)
    sent = few._source(batch, 0.0)
    assert sent.order.shape == (32, few.num_sent)
    assert len({tuple(sorted(row)) for row in sent.order.tolist()}) > 16  # an own draw for every image
    assert all(len(set(row)) == few.num_sent for row in sent.order.tolist())
    outputs = few.transmit(batch, 60.0)
    np.testing.assert_array_equal(outputs["indices"], np.take_along_axis(sent.indices, sent.order, axis=1))
    assert few.counts(batch, outputs)["indices"] == 32 * few.num_sent
    # an index that is not sent has no effect on the answer
    changed = sent.indices.copy()
    absent = np.ones_like(changed, bool)
    np.put_along_axis(absent, sent.order, False, axis=1)
    changed[absent] = (changed[absent] + 1) % few.codec.settings.codebook.size
    answers = [few._classify(sent, np.arange(32), x, 0.0) for x in (sent.indices, changed)]
    np.testing.assert_array_equal(*answers)
    many = whole.on(LinkSettings(modulation="64qam", coderate=0.92, channel_uses=128))
    assert many.num_sent == many.codec.settings.num_patches == many._source(batch, 0.0).keep.shape[1]
    assert not many.random


def test_copies_of_analog_symbols_add_up(tiny_weights: Path) -> None:
    job = job_of(tiny_weights, ("jscc",), channel_uses=16)
    scheme, batch = job.scheme("jscc"), job.batch(0)
    uses = scheme.codec.payload_length // 8  # of four streams
    noise = {}
    for copies in (1, 4):
        repeated = scheme.on(LinkSettings(channel_uses=copies * uses))
        assert (repeated.copies, repeated.num_sent) == (copies, scheme.codec.num_kept)
        _, features = repeated._source(batch)
        outputs = repeated.transmit(batch, 10.0)
        received = repeated._combined(outputs["x_hat"], outputs["no_eff"])
        noise[copies] = np.mean(
            np.abs(received - repeated.codec.to_symbols(features, 4)) ** 2, axis=(0, 1)
        )  # by stream
    np.testing.assert_allclose(noise[4], noise[1] / 4, rtol=0.4)


def test_an_adaptive_scheme_changes_its_mode_and_never_its_uses(adaptive: AccuracyExperiment) -> None:
    for name in SCHEMES:
        scheme = adaptive.scheme(name)
        assert isinstance(scheme, AdaptiveScheme)
        carried = []
        for snr_db in (-9.0, 3.0, 18.0):
            inner = scheme.at(snr_db)
            assert uses_of(inner) <= 64
            assert inner.settings.adaptation == "none" if hasattr(inner, "settings") and name != "label-ldpc" else True
            carried.append(getattr(inner, "num_sent", None) or inner.codec.num_bits if name != "label-ldpc" else 1)
        assert carried == sorted(carried)
        assert carried[0] < carried[-1] or name in ("label-ldpc", "jscc")
    notes = adaptive.notes()["modes"]
    assert notes["label-ldpc"] == {"-9": "1 × qpsk, 1/5", "3": "1 × qpsk, 1/5", "18": "1 × qpsk, 1/5"}
    assert len(set(notes[JPEG].values())) == 3


def test_where_a_target_can_be_met_blocks_fail_no_more_often(adaptive: AccuracyExperiment) -> None:
    """64 blocks at each SNR; a rate of 1 % gives more than 5 errors with probability 0.0006."""
    for snr_db in (3.0, 18.0):
        failed = 0
        for seed in (1, 2):
            batch = adaptive.batch(0)
            scheme = adaptive.scheme(PIXELS)
            outputs = scheme.transmit(batch.__class__(batch.images, batch.labels, 0, seed), snr_db)
            failed += int(outputs["undecodable"].sum())
        assert failed <= 5


def test_the_rank_alone_adapts(tiny_weights: Path) -> None:
    job = job_of(tiny_weights, (PIXELS,), channel_uses=64, adaptation="rank", modulation="qpsk", target_bler=0.01)
    modes = [job.scheme(PIXELS).mode(snr_db) for snr_db in (-9.0, 3.0, 18.0)]
    assert {(m.modulation, m.coderate) for m in modes} == {("qpsk", "1/2")}
    assert modes[0].num_streams < modes[-1].num_streams


def test_the_rank_of_analog_symbols_is_the_one_of_most_capacity() -> None:
    """At low SNR all power belongs into the strongest mode, at high SNR the number of modes counts."""
    ranks = [rank_of_most_capacity(LinkSettings(), snr_db) for snr_db in (-30.0, -9.0, 0.0, 30.0)]
    assert ranks[0] == 1
    assert ranks[-1] == 4
    assert ranks == sorted(ranks)


def water_filled(h: np.ndarray, no: float) -> float:
    """Capacity by bisection on the water level, from the eigenvalues of H H^H."""
    gains = np.linalg.eigvalsh(h @ h.conj().T) / no
    low, high = 0.0, 1.0 + 1.0 / gains.max()
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if np.maximum(0, level - 1 / gains).sum() < 1 else (low, level)
    return float(np.log2(1 + np.maximum(0, level - 1 / gains) * gains).sum())


def test_the_ideal_link_carries_the_capacity_of_the_drawn_realisation(adaptive, tiny_weights: Path) -> None:
    job = job_of(tiny_weights, (PIXELS, "label-ldpc"), channel_uses=64, adaptation="ideal")
    job.prepare()
    batch, scheme = job.batch(0), job.scheme(PIXELS)
    seed = tf.random.experimental.stateless_fold_in(seed_of_link(batch.link_seed(3.0)), 0)
    h = np.asarray(make_channel(job.settings.link)(32, 1, seed))[:, 0].astype(np.complex128)
    expected = [int(64 * water_filled(one, 10**-0.3)) for one in h]
    assert np.abs(scheme.bits(batch, 3.0) - expected).max() <= 1  # float32 where a whole bit is crossed
    np.testing.assert_array_equal(
        job.scheme("label-ldpc").transmit(batch, 3.0)["predictions"],
        adaptive.scheme("label-ldpc").error_free_predictions(batch, 3.0),
    )
    few = scheme.scheme.ideal_predictions(batch, np.full(32, 2))  # not one pixel
    assert (few == scheme.scheme._mean()).all()


@pytest.mark.slow
def test_no_scheme_is_above_the_ideal_code_with_its_source_codec() -> None:
    """The shipped weights, 359 images: a bound on average, so with a margin of two standard deviations of a difference."""
    values = {"systems": (PIXELS,), "snr_db": (-6, 0, 6), "batch_size": 359}
    found = {}
    for adaptation in ("mcs", "ideal"):
        job = AccuracyExperiment(AccuracySettings(**values, link={"channel_uses": 32, "adaptation": adaptation}))
        job.prepare()
        for snr_db in job.settings.snr_db:
            scheme, batch = job.scheme(PIXELS), job.batch(0)
            found[adaptation, snr_db] = float((scheme.transmit(batch, snr_db)["predictions"] == batch.labels).mean())
    for snr_db in values["snr_db"]:
        assert found["mcs", snr_db] <= found["ideal", snr_db] + 0.04
    assert found["mcs", -6] < found["ideal", -6] - 0.1


@pytest.mark.parametrize(
    ("name", "link", "words"),
    [
        ("masked-vqvae", {"channel_uses": 1, "num_streams": 1}, "channel_uses = 1: 4 coded bits"),
        (
            "masked-vqvae[similarity.threshold=0.9]",
            {"channel_uses": 32},
            "a threshold sends another number of features",
        ),
        (JPEG, {"channel_uses": 8, "num_streams": 1}, "which settings and how long"),
        ("label-ldpc", {"channel_uses": 20}, "link.channel_uses = 20: the class alone takes more"),
        ("masked-vqvae", {"channel_uses": 7, "adaptation": "mcs"}, "channel_uses = 7: no table of modes"),
        (
            "masked-vqvae",
            {"channel_uses": 32, "adaptation": "rank", "coderate": 0.4},
            "no mode of the table has this rate",
        ),
        ("masked-vqvae", {"channel_uses": 32, "adaptation": "ideal"}, "does not separate source and channel coding"),
        ("tests.schemes.toy_scheme:NearestMean", {"channel_uses": 32, "adaptation": "mcs"}, "cannot change its link"),
    ],
)
def test_what_cannot_work_is_refused_before_a_sweep(name: str, link: dict, words: str, tiny_weights: Path) -> None:
    with pytest.raises(UserError, match=words) as caught:
        job_of(tiny_weights, (name,), **link).prepare()
    assert "\n" not in str(caught.value)


def test_without_a_target_the_mode_weighs_errors_against_what_bits_are_worth() -> None:
    """A table of two modes by hand: 10 bits that always arrive, 20 of which a share is lost at the lower SNR."""
    modes = (Mode(1, "qpsk", "1/5"), Mode(4, "16qam", "1/2"))
    rates = np.array([[0.0, 0.0], [0.3, 0.0]])
    table = ModeTable(8, modes, np.array([10, 20]), np.array([0.0, 3.0]), rates)
    for worth, at_0, at_3 in (((0.5, 0.9), 1, 1), ((0.7, 0.9), 0, 1), ((0.9, 0.9), 0, 0)):
        # 0.7 of 0.9 and 0.3 of chance, 0.66, against the robust mode's
        measured = np.array(worth), np.full(2, 0.1)
        assert best_mode(table, 1.0, *measured) == modes[at_0]
        assert best_mode(table, 5.0, *measured) == modes[at_3]
        assert best_mode(table, -9.0, *measured) == modes[at_0]  # below the table, its lowest SNR
    # what survives a failed block counts: 0.7 of 0.9 and 0.3 of 0.8
    assert best_mode(table, 1.0, np.array([0.7, 0.9]), np.array([0.1, 0.8])) == modes[1]


def test_what_bits_are_worth_is_measured_on_validation_images_and_named_in_the_record(tiny_weights: Path) -> None:
    job = job_of(tiny_weights, (PIXELS,), channel_uses=32, adaptation="mcs")
    with pytest.raises(UserError, match=r"what bits are worth to .* is not measured yet"):
        job.scheme(PIXELS).mode(3.0)
    job.prepare()
    scheme = job.scheme(PIXELS)
    worth, lost = scheme._worth
    assert (np.diff(worth[np.argsort(scheme._table.num_bits)]) >= 0).all()
    assert lost.max() == lost.min() <= worth.max()  # the mean image, whatever was sent
    assert job.inputs()["validation_images_sha256"] == load("digits", "val").head(500).sha256()
    assert "validation_images_sha256" not in job_of(tiny_weights, (PIXELS,), channel_uses=32).inputs()


@pytest.mark.parametrize("name", FIXED_SCHEMES)
def test_in_the_records_no_fixed_mode_is_better_by_more_than_a_point(name: str) -> None:
    """At every SNR from -9 to 18 dB, of those schemes that were run in fixed modes too."""
    points = {}
    for path in RECORDS.glob("equal_uses_32_*_digits.json"):
        record = read_record(path)
        for point in record.points:
            if point.system == name and record.settings["link"]["adaptation"] in ("mcs", "none"):
                points.setdefault(point.snr_db, {})[record.settings["link"]["adaptation"], record.name] = point
    assert len(points) == 10
    for at in points.values():
        (adaptive,) = (point for (adaptation, _), point in at.items() if adaptation == "mcs")
        fixed = max((point for (adaptation, _), point in at.items() if adaptation == "none"), key=lambda p: p.value)
        assert len(at) == 4
        assert adaptive.value >= fixed.value - 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["masked-vqvae", PIXELS])
def test_no_fixed_mode_is_better_by_more_than_a_point(name: str) -> None:
    """The shipped weights on all test images, where the error rate decides most; see results/README.md for every SNR."""
    settings = {"systems": (name,), "snr_db": (-6, 6), "batch_size": 359}
    found = {}
    for what, link in {"adaptive": {"adaptation": "mcs"}, **FIXED}.items():
        job = AccuracyExperiment(AccuracySettings(**settings, link={"channel_uses": 32, **link}))
        job.prepare()
        for snr_db in settings["snr_db"]:
            predictions = job.scheme(name).transmit(job.batch(0), snr_db)["predictions"]
            found.setdefault(snr_db, {})[what] = float((predictions == job.batch(0).labels).mean())
    for values in found.values():
        assert values["adaptive"] >= max(values.values()) - 0.01


def test_adaptation_needs_a_number_of_uses() -> None:
    with pytest.raises(UserError, match="adaptation = 'mcs': modes are compared at equal uses; set channel_uses"):
        LinkSettings(adaptation="mcs")


@pytest.mark.slow
def test_a_sweep_of_an_adaptive_link_is_kept_drawn_and_replayed(tiny_weights: Path, tmp_path: Path) -> None:
    job = job_of(tiny_weights, (PIXELS, "masked-vqvae"), (-3, 18), channel_uses=32, adaptation="mcs")
    record = run_and_save(job, "adaptive", tmp_path, quiet=True)
    assert set(record.notes["modes"]) == {PIXELS, "masked-vqvae"}
    assert all("empty" in p.counts for p in record.points if p.system == PIXELS)
    assert replay_record(tmp_path / "records" / "adaptive.json", 32, weights=tiny_weights, quiet=True) == 0


def test_a_scheme_over_another_link_leaves_the_first_as_it_was(tiny_weights: Path) -> None:
    scheme = make_scheme(
        "masked-vqvae", "digits", LinkSettings(channel_uses=32), lambda: np.zeros((32, 32, 3)), tiny_weights
    )
    before = scheme.num_sent
    scheme.on(LinkSettings(channel_uses=32, num_streams=1))
    assert scheme.num_sent == before
    assert Mode(4, "16qam", "1/2").num_streams == scheme.settings.num_streams
