"""The calibrated channel stands for the link: the same index errors in training, measured where it is not shipped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.phy.link import DigitalLink
from sc_sionna.settings import LinkSettings
from sc_sionna.settings.presets import make_preset
from sc_sionna.training import channel
from sc_sionna.training.channel import (
    CALIBRATION_DIR,
    NUM_QUANTILES,
    CalibratedChannel,
    calibration_key,
    ensure_calibration,
    load_calibrated,
    measure_rates,
    save_calibration,
)

PAYLOAD, BITS = 192, 6  # the digits': 32 indices of 6 bits
IMAGES = 1024


def index_errors(wrong: np.ndarray) -> np.ndarray:
    """Share of wrong indices of each image."""
    return wrong.reshape(len(wrong), -1, BITS).any(axis=-1).mean(axis=1)


def z_of_means(a: np.ndarray, b: np.ndarray) -> float:
    """Between two samples of independent images: bits of an image share one fading draw."""
    return float((a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))


@pytest.fixture(scope="module")
def over_the_link() -> np.ndarray:
    """Wrong bits of the real link at the training SNR, with draws that no calibration used."""
    bits = rng.generator(77, "test bits").integers(0, 2, (IMAGES, PAYLOAD))
    link = DigitalLink(make_preset("digits", "masked-vqvae").link, PAYLOAD)
    return np.asarray(link(bits, 3.0, rng.seed_words(77, "test link")).bits) != bits


def test_index_error_rate_agrees_with_the_link_at_the_training_snr(over_the_link: np.ndarray) -> None:
    preset = make_preset("digits", "masked-vqvae")
    assert preset.train.snr_db == 3.0
    calibrated = load_calibrated(preset.link, PAYLOAD, preset.train.snr_db)
    drawn = calibrated.error(20 * IMAGES, PAYLOAD, np.random.default_rng(5)).astype(bool)
    assert abs(z_of_means(index_errors(over_the_link), index_errors(drawn))) <= 4
    assert abs(z_of_means(over_the_link.mean(axis=1), drawn.mean(axis=1))) <= 4
    # images without an error, which a mean rate alone would get wrong
    assert abs(z_of_means(1.0 - over_the_link.any(axis=1), 1.0 - drawn.any(axis=1))) <= 4
    spread = index_errors(drawn).std() / index_errors(over_the_link).std()
    assert 0.85 < spread < 1.15


def test_the_mean_rate_alone_would_not_agree(over_the_link: np.ndarray) -> None:
    """The test above can fail: with independent flips at the link's mean rate it does."""
    mean = CalibratedChannel(np.full(2, over_the_link.mean()))
    drawn = mean.error(20 * IMAGES, PAYLOAD, np.random.default_rng(5)).astype(bool)
    assert abs(z_of_means(index_errors(over_the_link), index_errors(drawn))) > 6


@pytest.mark.parametrize("preset", ["digits", "cifar10"])
def test_the_presets_need_no_measurement(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments, **named):
        raise AssertionError("the shipped calibration was not found")

    monkeypatch.setattr(channel, "save_calibration", never)
    p = make_preset(preset, "masked-vqvae")
    payload = p.codec.num_kept * (p.codec.codebook.size - 1).bit_length()
    quantiles = load_calibrated(p.link, payload, p.train.snr_db).quantiles
    assert len(quantiles) == NUM_QUANTILES
    assert (np.diff(quantiles) >= 0).all()
    assert 0 <= quantiles[0] < quantiles[-1] < 0.5


def test_a_missing_calibration_is_measured_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def measure(link, payload_bits, snr_db, images, seed=0):
        calls.append(snr_db)
        return measure_rates(link, payload_bits, snr_db, 128, seed)

    monkeypatch.setattr(channel, "measure_rates", measure)
    link = LinkSettings(num_streams=2, precoder="dft")
    with pytest.raises(UserError, match=r"calibration \w+ at 2 dB: neither shipped nor in .*; measure it with"):
        load_calibrated(link, 48, 2.0, tmp_path)
    assert list(tmp_path.iterdir()) == []  # what is named load writes nothing, in the package neither
    assert not (CALIBRATION_DIR / f"{calibration_key(link, 48)}.json").exists()
    ensure_calibration(link, 48, [2.0], tmp_path)
    first = load_calibrated(link, 48, 2.0, tmp_path)
    path = tmp_path / f"{calibration_key(link, 48)}.json"
    assert not (CALIBRATION_DIR / path.name).exists()  # the package is left alone
    rates = measure_rates(link, 48, 2.0, 128)
    assert first.quantiles[0] == pytest.approx(rates.min(), abs=1e-6)
    assert first.quantiles[NUM_QUANTILES // 2] == pytest.approx(np.median(rates), abs=1e-6)
    assert first.quantiles[-1] == pytest.approx(rates.max(), abs=1e-6)
    ensure_calibration(link, 48, [2.0], tmp_path)
    assert calls == [2.0]
    ensure_calibration(link, 48, [2.0, 5.0], tmp_path)  # another SNR joins the file
    np.testing.assert_array_equal(load_calibrated(link, 48, 2.0, tmp_path).quantiles, first.quantiles)
    assert calls == [2.0, 5.0]
    assert list(json.loads(path.read_text())["quantiles"]) == ["2.0", "5.0"]
    # the same sizes, SNR and seed are the same draws
    np.testing.assert_array_equal(rates, measure_rates(link, 48, 2.0, 128))
    assert (rates != measure_rates(link, 48, 2.0, 128, seed=1)).any()


def test_errors_follow_from_the_generator_alone() -> None:
    calibrated = CalibratedChannel(np.array([0.0, 0.3, 0.4]))
    a, b, c = (calibrated.error(50, 96, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert set(np.unique(a)) == {0, 1}
    assert not CalibratedChannel(np.zeros(3)).error(50, 96, np.random.default_rng(1)).any()


def test_the_name_of_a_calibration_is_what_its_errors_depend_on() -> None:
    link = LinkSettings()
    key = calibration_key(link, PAYLOAD)
    assert key != calibration_key(link.with_(decoder="sionna"), PAYLOAD)  # they differ in the blocks that fail
    assert key == calibration_key(link.with_(max_block_bits=1024), PAYLOAD)
    others = [link.with_(num_streams=2), link.with_(coderate=1 / 3), link.with_(precoder="dft"), link.with_(num_iter=5)]
    keys = {key, calibration_key(link, PAYLOAD + 1), *(calibration_key(other, PAYLOAD) for other in others)}
    assert len(keys) == 6


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"quantiles": {"3.0": [0.0',
        "[1, 2]",
        '{"link": {}}',
        '{"quantiles": 5}',
        "\xff",
        "[" * 10**5,
        "9" * 5000,
        "NaN",
    ],
)
def test_a_damaged_calibration_is_one_line(tmp_path: Path, text: str) -> None:
    link = LinkSettings(num_streams=3)
    path = tmp_path / f"{calibration_key(link, 48)}.json"
    path.write_bytes(text.encode("latin-1"))
    before = path.read_bytes()
    for use in (
        lambda: load_calibrated(link, 48, 3.0, tmp_path),
        lambda: save_calibration(tmp_path, link, 48, [3.0], 64),
    ):
        with pytest.raises(UserError, match="truncated or not a calibration") as caught:
            use()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "measure_rates", lambda *a, **k: pytest.fail("measured"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written") as caught:
        save_calibration(tmp_path / "file" / "below", LinkSettings(), 48, [3.0])
    assert "\n" not in str(caught.value)
