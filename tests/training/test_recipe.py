"""The parts of the recipe that keeps content in the code: late quantiser, SNR range, token dropout, reconstruction."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from sc_sionna.cli.train import train_preset
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.data import Images, load
from sc_sionna.phy.link import DigitalLink
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.semantic.weights import read_description, save_weights
from sc_sionna.settings import LinkSettings, Preset, TrainSettings
from sc_sionna.tasks import make_codec
from sc_sionna.training.channel import (
    AnalogChannel,
    CalibratedChannel,
    CalibratedRange,
    TrainingChannel,
    load_range,
    random_arrivals,
)
from sc_sionna.training.loop import Trainer
from sc_sionna.training.losses import masked_reconstruction, task_losses
from tests.training.test_loop import small_preset

Parts = tuple[Images, Images]


@pytest.fixture(scope="module")
def images() -> Parts:
    return load("digits", "train").head(128), load("digits", "val").head(32)


def recipe(**train) -> Preset:
    """Two epochs of features as they are, and everything else that the recipe adds."""
    settings = {"pretrain_epochs": 3, "continuous_epochs": 2, "epochs": 2, "token_dropout": 0.5}
    settings |= {"snr_range_db": (0.0, 12.0), "reconstruction_weight": 0.2}
    return small_preset(**{**settings, **train})


# ---------------------------------------------------------------- the stages


@pytest.mark.slow
def test_stopped_around_the_quantiser_s_coming_and_resumed_equals_uninterrupted(images: Parts, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop_at(epoch: int):
        def report(line: dict) -> None:
            if (line["stage"], line["epoch"]) == ("reconstruct", epoch):
                raise Stop

        return report

    whole = Trainer(recipe(), *images, tmp_path / "whole").run()
    for epoch in (2, 3):  # the last without the quantiser, and the last before the task
        with pytest.raises(Stop):
            Trainer(recipe(), *images, tmp_path / "parts", stop_at(epoch)).run()
    parts = Trainer(recipe(), *images, tmp_path / "parts").run()
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    for one, other in zip(*(map(json.loads, log) for log in logs), strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_the_log_says_what_the_payload_carries_once_there_is_one(images: Parts, tmp_path: Path) -> None:
    lines: list[dict] = []
    Trainer(recipe(), *images, tmp_path, lines.append).run()
    of_codes = {"codes_used", "perplexity", "distinct_indices", "index_entropy_bits", "collapsed", "codebook"}
    assert [of_codes <= set(line) for line in lines] == [False, False, True, True, True]
    assert [bool(of_codes & set(line)) for line in lines] == [False, False, True, True, True]
    assert all(0 <= line["variance_within"] <= 1 for line in lines)
    assert ["reconstruction" in line for line in lines] == [False] * 3 + [True] * 2
    assert ["val_error_free" in line for line in lines] == [False] * 3 + [True] * 2


@pytest.mark.slow
def test_codebook_vectors_are_features_of_the_encoder_as_it_is_when_the_quantiser_comes(
    images: Parts, tmp_path: Path
) -> None:
    trainer = Trainer(recipe(), *images, tmp_path)
    seen = {}

    def keep(*arguments, original=trainer._initialise_codebook) -> None:
        untrained = seen.setdefault("before", np.array(trainer.model.codebook.vectors))
        original()
        seen["after"], seen["encoder"] = np.array(trainer.model.codebook.vectors), trainer.model.encoder.get_weights()
        assert (untrained != seen["after"]).any()

    start = np.array(trainer.model.codebook.vectors), trainer.model.encoder.get_weights()
    trainer._initialise_codebook = keep
    trainer.run()
    np.testing.assert_array_equal(seen["before"], start[0])  # nothing trained it while features went past it
    assert (seen["encoder"][0] != start[1][0]).any()
    # means of unit vectors within a cluster, where random vectors would have norm 2 in 4 dimensions
    norms = np.linalg.norm(seen["after"], axis=1)
    assert (norms <= 1 + 1e-5).all()
    assert norms.mean() > 0.5


@pytest.mark.slow
def test_the_best_epoch_is_one_with_the_quantiser(images: Parts, tmp_path: Path) -> None:
    """Unquantised features reconstruct better; weights of such an epoch would have an untrained codebook."""
    trainer = Trainer(recipe(epochs=0), *images, tmp_path)
    real = trainer.validation.score
    trainer.validation.score = lambda task, quantise=True: real(task, quantise) if quantise else 1.0
    trainer.run()
    assert trainer.state["best_metric"] is None  # of the stage that comes next
    model = make_codec(trainer.preset.codec).initialise()
    model.set_weights(trainer.model.get_weights())
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["best_val"] for line in log[:2]] == [1.0, 1.0]
    assert log[2]["best_val"] == log[2]["val"] < 0
    assert np.linalg.norm(np.array(trainer.model.codebook.vectors), axis=1).max() < 1.5


def test_continuous_epochs_that_leave_none_with_the_quantiser_are_refused(images: Parts, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="continuous_epochs = 5: leaves no epoch with the quantiser"):
        Trainer(recipe(continuous_epochs=5), *images, tmp_path)
    jscc = recipe(continuous_epochs=5).codec.with_(bottleneck="analog")
    Trainer(recipe(continuous_epochs=5).with_(codec=jscc), *images, tmp_path)  # which has no quantiser


# ---------------------------------------------------------------- the artefact of pre-training


@pytest.mark.slow
def test_pretrained_weights_are_kept_and_start_every_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = {"encoder": {"dim": 16, "depth": 2, "num_heads": 2}, "decoder": {"dim": 16, "depth": 1, "num_heads": 2}}
    short = {"channel": "none", "val_repeats": 1, "batch_size": 32}
    changes = [f"codec.{k}={json.dumps(v)}" for k, v in small.items()] + [f"train.{k}={v}" for k, v in short.items()]

    def train(system: str, *more: str, start: Path | None = None) -> None:
        train_preset("digits", system, None, None, tmp_path / "out", tmp_path / f"{system} {start is None}",
                     [*changes, *more], 64, start,
                     False, True, 1, ["train"])  # fmt: skip

    train("masked-vqvae", "train.pretrain_epochs=2", "train.continuous_epochs=1", "train.epochs=0")
    assert not list((tmp_path / "out").glob("*.h5"))  # nothing was trained for the task
    _, description = read_description(tmp_path / "out" / "pretrained", "digits", "masked-vqvae")
    assert description["metric"]["name"] == "masked reconstruction error"
    assert 0 < description["metric"]["value"] < 1
    assert description["metric"]["channel"] == "none"
    assert 1 <= description["metric"]["distinct_indices"] <= 32
    pretrained = tmp_path / "out" / "pretrained" / "digits-masked-vqvae.weights.h5"
    for system in ("masked-vqvae", "masked-vqvae+fim", "jscc", "jpeg-ldpc"):
        train(system, "train.epochs=1", start=pretrained)
        _, description = read_description(tmp_path / "out", "digits", system)
        assert description["metric"]["name"] == "validation accuracy"


def test_every_scheme_takes_the_whole_encoder(images: Parts, tmp_path: Path) -> None:
    source = make_codec(recipe().codec).initialise()
    path = save_weights(tmp_path, recipe(), source, {}, "")
    half = [w.astype(np.float16).astype(np.float32) for w in source.encoder.get_weights()]
    for bottleneck, dim in (("codebook", 4), ("analog", 8), ("none", 4)):
        codec = recipe().codec.with_(bottleneck=bottleneck, code_dim=dim, masking={"ratio": 0.0})
        trainer = Trainer(recipe().with_(codec=codec), *images, tmp_path / bottleneck, start_from=path)
        for a, b in zip(half, trainer.model.encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        assert trainer.codebook_epoch is None  # there is none, or it came with the weights


def test_a_codebook_that_does_not_fit_is_taken_from_the_features(images: Parts, tmp_path: Path) -> None:
    path = save_weights(tmp_path, recipe(), make_codec(recipe().codec).initialise(), {}, "")
    other = recipe(epochs=2, continuous_epochs=0)
    trainer = Trainer(
        other.with_(codec=other.codec.with_(codebook={"size": 8})), *images, tmp_path / "run", start_from=path
    )
    assert trainer.codebook_epoch == 0
    before = np.array(trainer.model.codebook.vectors)
    trainer._initialise_codebook()
    assert (before != np.array(trainer.model.codebook.vectors)).any()


# ---------------------------------------------------------------- the channel


def test_a_range_has_the_link_s_errors_between_its_calibrated_snrs() -> None:
    """At 3.5 and 4.5 dB, where no rates were measured: images without an error and mean bit error rate of the real link."""
    link, payload, count = LinkSettings(), 256, 1024
    channel = load_range(link, payload, (0.0, 18.0), Path("nowhere"))
    for snr_db in (3.5, 4.5):
        bits = rng.generator(5, "range bits", snr_db).integers(0, 2, (count, payload))
        real = np.asarray(DigitalLink(link, payload)(bits, snr_db, rng.seed_words(5, "range", snr_db)).bits) != bits
        drawn = channel.error(np.full(20 * count, snr_db, np.float32), payload, np.random.default_rng(6))
        a, b = real.mean(axis=1), drawn.mean(axis=1)
        sigma = np.sqrt(a.var() / len(a) + b.var() / len(b))
        # interpolated quantiles are a mixture of two links and not the link between: 0.02 is allowed for that, where
        # the rates of the neighbours a dB away differ by 0.05 to 0.06
        assert abs(a.mean() - b.mean()) < 4 * sigma + 0.02


def test_a_range_at_a_calibrated_snr_is_the_calibration_and_images_have_their_own_snr() -> None:
    low, high = CalibratedChannel(np.array([0.2, 0.2])), CalibratedChannel(np.array([0.0, 0.0]))
    channel = CalibratedRange({6.0: high, 0.0: low})
    snr_db = np.repeat(np.array([0.0, 3.0, 6.0], np.float32), 4000)
    rates = channel.error(snr_db, 64, np.random.default_rng(0)).reshape(3, -1).mean(axis=1)
    sigma = np.sqrt(0.16 / (4000 * 64))
    assert abs(rates[0] - 0.2) < 4 * sigma
    assert abs(rates[1] - 0.1) < 4 * sigma
    assert rates[2] == 0


def test_images_of_a_range_are_told_and_get_snrs_from_it(images: Parts, tmp_path: Path) -> None:
    preset = recipe(channel="calibrated")  # 32 indices of 4 bits
    cache = tmp_path / "cache"
    channel = TrainingChannel(preset.with_(link=preset.link.with_(num_streams=1)), model_of(preset), cache)
    snr_db = channel.draw_snr(4000, np.random.default_rng(1))
    assert snr_db.dtype == np.float32
    assert 0 <= snr_db.min() < 0.1
    assert 11.9 < snr_db.max() <= 12
    assert abs(snr_db.mean() - 6) < 4 * 12 / np.sqrt(12 * 4000)
    assert (TrainingChannel(small_preset(), model_of(preset), cache).draw_snr(5, np.random.default_rng(1)) == 3).all()


def test_analog_noise_follows_the_snr_of_each_image() -> None:
    snr_db = np.repeat(np.array([0.0, 10.0], np.float32), 4000)
    noise = AnalogChannel(LinkSettings(num_streams=1), 3.0).error(8000, 32, np.random.default_rng(0), snr_db)
    power = np.square(noise).mean(axis=1).reshape(2, -1)
    ratio = np.exp(np.log(power[0]).mean() - np.log(power[1]).mean())
    assert ratio == pytest.approx(10, rel=0.05)


def model_of(preset: Preset) -> SemanticCodec:
    return make_codec(preset.codec).initialise()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"snr_range_db": (6, 6)}, "snr_range_db = (6, 6): name the lowest and then the highest SNR"),
        ({"snr_range_db": (float("nan"), 6)}, "snr_range_db"),
        ({"snr_range_db": (0, 200)}, "snr_range_db.1 = 200: input should be less than or equal to 100"),
        ({"snr_range_db": (0, 6), "channel": "link"}, "set channel = 'calibrated', or snr_range_db = null"),
        ({"token_dropout": 1.5}, "token_dropout = 1.5"),
        ({"reconstruction_weight": float("inf")}, "reconstruction_weight = inf"),
        ({"continuous_epochs": -1}, "continuous_epochs = -1"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict, words: str) -> None:
    with pytest.raises(UserError) as caught:
        TrainSettings(**values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- fewer features, and the reconstruction term


def test_random_arrivals_halve_as_often_as_they_say() -> None:
    assert random_arrivals(5, 32, 0.0, np.random.default_rng(0)) is None
    arrived = random_arrivals(8000, 32, 0.25, np.random.default_rng(0))
    assert arrived is not None
    count = arrived.sum(axis=1)
    assert 4 <= count.min() <= 5
    assert abs((count == 32).mean() - 0.75 - 0.25 * np.log2(32 / 31) / 3) < 4 * np.sqrt(0.25 * 0.75 / 8000)
    fewer = count[count < 32]
    assert abs((fewer <= 8).mean() - 1 / 3) < 0.05  # the last of three halvings; fewer arrive nowhere
    assert abs(arrived[count == 8].mean(axis=0) - 0.25).max() < 0.25  # no place is preferred


def test_features_that_do_not_arrive_are_not_read(images: Parts) -> None:
    model = model_of(recipe())
    draws = np.random.default_rng(0)
    pictures, snr_db = draws.random((4, 32, 32, 3)).astype(np.float32), np.zeros(4, np.float32)
    keep = np.tile(np.arange(0, 64, 2, dtype=np.int32), (4, 1))
    arrived = np.zeros((4, 32), bool)
    arrived[:, :5] = True
    flips = np.zeros((4, 32, 4), np.int32)
    flips[:, 5:] = 1  # every bit of what does not arrive is wrong
    of = [model(pictures, keep, snr_db, error, None, arrived)["logits"] for error in (None, flips.reshape(4, -1))]
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, of))
    everything = ops.convert_to_numpy(model(pictures, keep, snr_db, None)["logits"])
    assert np.abs(everything - ops.convert_to_numpy(of[0])).max() > 1e-4


def test_without_the_quantiser_features_arrive_as_they_are(images: Parts) -> None:
    model = model_of(recipe())
    pictures = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    keep, snr_db = np.tile(np.arange(32, dtype=np.int32), (2, 1)), np.zeros(2, np.float32)
    found = model(pictures, keep, snr_db, np.ones((2, 128), np.int32), quantise=False)
    assert "indices" not in found
    expected = model.decode(found["features"], keep, snr_db)["logits"]
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (found["logits"], expected)), atol=1e-6)
    terms = task_losses(model, found, pictures, np.zeros(2, np.int32), keep, "classify", 0.0, 0.2)
    assert set(terms) == {"task", "reconstruction"}


def test_the_reconstruction_term_is_a_weighted_share_of_the_pixels_variance() -> None:
    keras.utils.set_random_seed(1)
    model = model_of(recipe())
    pictures = np.random.default_rng(0).random((4, 32, 32, 3)).astype(np.float32)
    keep, labels = np.tile(np.arange(32, dtype=np.int32), (4, 1)), np.zeros(4, np.int32)
    outputs = model(pictures, keep, np.zeros(4, np.float32))
    terms = task_losses(model, outputs, pictures, labels, keep, "classify", 0.0, 0.3)
    error = masked_reconstruction(outputs["image"], pictures, keep, 4, 64)
    assert float(terms["reconstruction"]) == pytest.approx(0.3 * float(error) / pictures.var(), rel=1e-5)
    # an image of the mean colour explains nothing: the term is its weight, whatever the contrast
    flat = {**outputs, "image": np.full_like(pictures, 0.5)}
    for contrast in (1.0, 0.1):
        target = 0.5 + contrast * (pictures - 0.5)
        found = task_losses(model, flat, target, labels, keep, "classify", 0.0, 0.3)["reconstruction"]
        assert float(found) == pytest.approx(0.3, rel=0.02)
    assert "reconstruction" not in task_losses(model, outputs, pictures, labels, keep, "classify", 0.0)


def test_parts_of_a_batch_are_for_pytorch(images: Parts, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="workers = 2: parts of a batch run side by side under KERAS_BACKEND=torch"):
        Trainer(recipe(pretrain_epochs=0, continuous_epochs=0, epochs=1), *images, tmp_path, workers=2).run()
