"""A link that adapts to every realisation: fading does not depend on the mode, each image counts once and in its mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.attacks.threats import source_threat
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.replay import replay_record
from sc_sionna.phy.awgn_table import awgn_sha256
from sc_sionna.phy.channels import make_channel
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.mimo import MimoChannel, seed_of_link
from sc_sionna.phy.mode_choice import most_carried, most_worth
from sc_sionna.phy.modes import Mode, block_bits, mode_link
from sc_sionna.phy.realisation import Realisations, capacities
from sc_sionna.phy.snr import noise_variance
from sc_sionna.schemes.realisation import LEAST_SHARE, RealisationScheme
from sc_sionna.settings import LinkSettings
from tests.schemes.test_equal_uses import JPEG, PIXELS, uses_of

SCHEMES = ("masked-vqvae", "jscc", "label-ldpc", PIXELS, JPEG)


def job_of(weights: Path | None, schemes=SCHEMES, snr_db=(9,), images=48, **link) -> AccuracyExperiment:
    link = {"channel_uses": 32, "adaptation": "mcs-realisation", "target_bler": 0.1, **link}
    settings = AccuracySettings(systems=schemes, snr_db=snr_db, max_images=images, batch_size=images, link=link)
    return AccuracyExperiment(settings, weights=weights)


@pytest.fixture(scope="module")
def job(tiny_weights: Path) -> AccuracyExperiment:
    found = job_of(tiny_weights)
    found.prepare()
    return found


def test_the_fading_of_an_image_is_the_same_in_every_mode_and_so_is_the_power() -> None:
    link, uses, words = LinkSettings(channel_uses=32), 32, np.array([5, 6])
    seed = tf.random.experimental.stateless_fold_in(seed_of_link(words), 0)
    drawn = np.asarray(make_channel(link)(16, 1, seed))
    no = tf.fill([16], tf.constant(noise_variance(3.0), tf.float32))
    noise = []
    for mode in (Mode(1, "qpsk", "1/5"), Mode(2, "64qam", "1/2"), Mode(4, "256qam", "0.92")):
        digital = DigitalLink(mode_link(link, mode).with_(channel_uses=uses), block_bits(link, mode, uses))
        bits = np.random.default_rng(1).integers(0, 2, (16, digital.framing.payload_bits))
        np.testing.assert_array_equal(np.asarray(digital(bits, 3.0, words).h), drawn)
        noise.append(np.asarray(digital.mimo.noise(16, no, seed_of_link(words))))
        power = (np.abs(np.asarray(digital.mimo.precoder(tf.constant(drawn)))) ** 2).sum(axis=(-2, -1))
        np.testing.assert_allclose(power, 1.0, atol=1e-5)
        sent = digital.transmitter(digital.framing.to_blocks(bits)[:, 0])
        assert sent.shape == (16, uses, mode.num_streams)
        if mode.modulation == "qpsk":
            np.testing.assert_allclose(np.abs(sent), 1.0, atol=1e-5)
        else:
            assert np.mean(np.abs(sent) ** 2) == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(noise[0], noise[1])
    np.testing.assert_array_equal(noise[0], noise[2])


def test_the_snrs_that_the_transmitter_knows_are_those_of_the_receiver() -> None:
    link, words = LinkSettings(channel_uses=32), np.array([5, 6])
    found = Realisations(link, 32).stream_snrs(8, 3.0, words)
    assert {rank: of.shape for rank, of in found.items()} == {1: (8, 1), 2: (8, 2), 4: (8, 4)}
    mimo = MimoChannel(link.with_(num_streams=2), 7)
    h, *_ = mimo.draw(8, tf.fill([8], np.float32(noise_variance(3.0))), seed_of_link(words))
    values = np.linalg.svd(np.asarray(h)[:, 0].astype(np.complex128), compute_uv=False)
    for rank, of in found.items():
        # along the singular vectors with 1/S of the power each, streams do not disturb each other
        np.testing.assert_allclose(of, values[:, :rank] ** 2 / rank / noise_variance(3.0), rtol=1e-3)


def test_every_image_counts_once_in_the_mode_that_it_chose_and_fills_the_uses(job: AccuracyExperiment) -> None:
    batch = job.batch(0)
    for name in SCHEMES:
        scheme = job.scheme(name)
        assert isinstance(scheme, RealisationScheme)
        chosen = scheme.chosen_modes(batch, 9.0)
        outputs = scheme.transmit(batch, 9.0)
        rows = np.concatenate([part.rows for part in outputs["parts"]])
        np.testing.assert_array_equal(np.sort(rows), np.arange(48))
        assert len(outputs["parts"]) == len(np.unique(chosen)) > 1 or name in ("label-ldpc", "jscc")
        counts, expected = scheme.counts(batch, outputs), {}
        for number in np.unique(chosen):
            inner = scheme.built(scheme.modes[number])
            assert uses_of(inner) <= 32
            alone = inner.transmit(batch, 9.0)
            of_mode = chosen == number
            np.testing.assert_array_equal(outputs["predictions"][of_mode], alone["predictions"][of_mode])
            if "bits" in alone:
                wrong = (alone["bits"] != alone["received_bits"])[of_mode]
                expected["bit_errors"] = expected.get("bit_errors", 0) + int(wrong.sum())
            elif "undecodable" in alone:
                expected["bits"] = expected.get("bits", 0) + int(alone["link"].num_bits[of_mode].sum())
        assert counts["images"] == 48
        assert counts["correct"] == int((outputs["predictions"] == batch.labels).sum())
        if name != "jscc":
            assert counts["blocks"] == 48
        for part, value in expected.items():
            assert counts[part] == value


def test_a_stronger_realisation_carries_more_and_all_modes_are_built_before(job: AccuracyExperiment) -> None:
    scheme, batch = job.scheme(PIXELS), job.batch(0)
    built = set(scheme._built)
    capacity = capacities(scheme._realisations.stream_snrs(48, 9.0, batch.link_seed(9.0))).max(axis=0)
    bits = scheme._table.num_bits[scheme.chosen_modes(batch, 9.0)]
    assert np.corrcoef(capacity, bits)[0, 1] > 0.7
    scheme.transmit(batch, 9.0)
    scheme.error_free_predictions(batch, 9.0)
    assert set(scheme._built) == built
    usual = scheme._best(scheme._realisations.usual(9.0), None)
    shares = np.bincount(usual, minlength=len(scheme.modes)) / len(usual)
    np.testing.assert_array_equal(scheme.offered(9.0), shares >= LEAST_SHARE)


def test_blocks_fail_about_as_often_as_the_target_says(job: AccuracyExperiment) -> None:
    """Each image takes the most that it can at 10 %: far fewer are lost, more than a tenth only by chance."""
    batch = job.batch(0)
    for snr_db in (-6.0, 9.0):
        failed = 0
        for seed in range(6):
            outputs = job.scheme(PIXELS).transmit(batch.__class__(batch.images, batch.labels, 0, seed), snr_db)
            failed += job.scheme(PIXELS).counts(batch, outputs)["block_errors"]
        assert failed / (6 * 48) < 0.1 + 4 * np.sqrt(0.1 * 0.9 / (6 * 48))


def test_analog_symbols_have_the_rank_of_most_capacity(job: AccuracyExperiment) -> None:
    scheme, batch = job.scheme("jscc"), job.batch(0)
    snrs = scheme._realisations.stream_snrs(48, -3.0, batch.link_seed(-3.0))
    ranks = np.array([mode.num_streams for mode in scheme.modes])[scheme.chosen_modes(batch, -3.0)]
    carried = {rank: np.log2(1 + of).sum(axis=1) for rank, of in snrs.items()}
    assert len(set(ranks)) > 1
    for image, rank in enumerate(ranks):
        assert carried[rank][image] == max(of[image] for of in carried.values())


def test_choices_of_many_cases_are_those_of_each_alone() -> None:
    draws = np.random.default_rng(4)
    rates, robust = draws.random((9, 40)) ** 4, draws.random((9, 40))
    carried, lost = draws.integers(1, 5, 9), np.full(9, 0.1)
    worth = 0.5 + carried / 10
    together = most_carried(rates, robust, carried, 0.05), most_worth(rates, robust, worth, lost)
    for case in range(40):
        column = rates[:, case : case + 1], robust[:, case : case + 1]
        assert together[0][case] == most_carried(*column, carried, 0.05)[0]
        assert together[1][case] == most_worth(*column, worth, lost)[0]
        met = np.flatnonzero(rates[:, case] <= 0.05)
        if len(met):
            assert carried[together[0][case]] == carried[met].max()
        else:
            assert together[0][case] == rates[:, case].argmin()
        expected = (1 - rates[:, case]) * worth + rates[:, case] * lost
        expected[rates[:, case] > 0.5] = -1
        assert expected[together[1][case]] >= expected.max() - 1e-3


@pytest.mark.slow
def test_by_realisation_is_no_worse_than_by_snr_and_below_the_ideal_code() -> None:
    """The shipped weights: thumbnails on 359 images; the same fading, so with a margin of two deviations of a difference."""
    found = {}
    for adaptation in ("mcs", "mcs-realisation", "ideal"):
        link = {"channel_uses": 32, "adaptation": adaptation, "target_bler": 0.01}
        settings = AccuracySettings(systems=(PIXELS,), snr_db=(-6, 3), batch_size=359, link=link)
        sweep = AccuracyExperiment(settings)
        sweep.prepare()
        scheme, batch = sweep.scheme(PIXELS), sweep.batch(0)
        for snr_db in (-6.0, 3.0):
            answers = scheme.transmit(batch, snr_db)["predictions"]
            found[adaptation, snr_db] = float((answers == batch.labels).mean())
    for snr_db in (-6.0, 3.0):
        assert found["mcs", snr_db] - 0.03 <= found["mcs-realisation", snr_db] <= found["ideal", snr_db] + 0.03


def test_without_a_target_errors_are_weighed_against_what_bits_are_worth(tiny_weights: Path) -> None:
    sweep = job_of(tiny_weights, (PIXELS,), target_bler=None)
    scheme, batch = sweep.scheme(PIXELS), sweep.batch(0)
    with pytest.raises(UserError, match=r"what bits are worth to .* is not measured yet"):
        scheme.chosen_modes(batch, 9.0)
    worth, lost = np.log(scheme._table.num_bits) / 10, np.full(len(scheme.modes), 0.1)
    scheme._worth = worth, lost
    chosen = scheme.chosen_modes(batch, 9.0)
    rates, _ = scheme._table.predict(scheme._realisations.stream_snrs(48, 9.0, batch.link_seed(9.0)))
    expected = (1 - rates) * worth[:, None] + rates * lost[:, None]
    expected[(rates > 0.5) | ~scheme.offered(9.0)[:, None]] = -1
    assert (expected[chosen, np.arange(48)] >= expected.max(axis=0) - 1e-3).all()
    assert sweep.inputs()["validation_images_sha256"]


def test_a_sweep_says_the_share_of_each_mode_and_replays(tiny_weights: Path, tmp_path: Path) -> None:
    sweep = job_of(tiny_weights, (PIXELS, "jscc"), (0,), images=32)
    record = run_and_save(sweep, "realised", tmp_path, quiet=True)
    assert record.settings["inputs"]["mode_table_sha256"] == awgn_sha256()
    for at in record.notes["modes"].values():
        for shares in at.values():
            assert sum(shares.values()) == pytest.approx(1.0)
            assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert replay_record(tmp_path / "records" / "realised.json", 32, weights=tiny_weights, quiet=True) == 0


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"precoder": "dft"}, "precoder 'dft' is of one that does not; set precoder = 'svd'"),
        ({"coherence": "symbol"}, "coherence = 'symbol' may give it several; set coherence = 'image'"),
        ({"channel_uses": None}, "modes are compared at equal uses; set channel_uses"),
    ],
)
def test_a_link_whose_realisations_no_transmitter_knows(link: dict, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        LinkSettings(**{"channel_uses": 32, "adaptation": "mcs-realisation", **link})
    assert "\n" not in str(caught.value)


def test_attackers_are_refused_in_one_line(job: AccuracyExperiment) -> None:
    with pytest.raises(
        UserError, match=r"every image has a framing of its own with link.adaptation = 'mcs-realisation'"
    ):
        AccuracySettings(threats=(source_threat(0.05),), link={"channel_uses": 32, "adaptation": "mcs-realisation"})
    scheme, batch = job.scheme(PIXELS), job.batch(0)
    for attempt in (
        scheme.victim,
        lambda: scheme.adaptive_victims(3.0, Path()),
        lambda: scheme.air_surface(batch, 3.0),
        lambda: scheme.transmit(batch, 3.0, np.zeros((1, 1, 4), np.complex64)),
    ):
        with pytest.raises(UserError, match=r"attack on .* set adaptation = 'mcs', or leave the threat out") as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_channel_uses_without_code_words(tiny_weights: Path) -> None:
    with pytest.raises(UserError, match=r"has no code word of .* in .* bits of qpsk"):
        job_of(tiny_weights, (PIXELS,), channel_uses=50).prepare()
