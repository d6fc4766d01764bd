"""The table of code words: the shipped one is its record's, others are refused in one line, and predictions are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.phy.awgn_table import FILE, Curve, WordCounts, awgn_table_of, load_curves, read_awgn, write_awgn
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.mode_table import load_table
from sc_sionna.phy.modes import Mode, block_bits, mode_link
from sc_sionna.phy.realisation import Realisations
from sc_sionna.settings import LinkSettings, settings_hash
from sc_sionna.sweep import read_record
from tests.phy.helpers import settings

RECORD = Path(__file__).resolve().parents[2] / "results" / "records" / "awgn_table.json"


def test_the_shipped_table_is_that_of_its_committed_record(tmp_path: Path) -> None:
    record = read_record(RECORD)
    assert record.commit is not None
    assert record.commit["dirty"] is False
    shipped = read_awgn(FILE)
    assert shipped == awgn_table_of(record) == read_awgn(RECORD)
    assert shipped.record_sha256 == json.loads(RECORD.read_text())["sha256"]
    write_awgn(tmp_path / "again.json", record)
    assert (tmp_path / "again.json").read_bytes() == FILE.read_bytes()
    assert len(shipped.words) == 5 * 28
    for uses in (32, 64, 128):
        curves = load_curves(LinkSettings(), uses)
        assert curves.modes == load_table(LinkSettings(), uses).modes
        np.testing.assert_array_equal(curves.num_bits, load_table(LinkSettings(), uses).num_bits)


def test_a_curve_falls_and_goes_through_its_counts() -> None:
    counts = WordCounts(
        modulation="qpsk", k=20, n=64, snr_db=(0, 0.5, 1, 1.5), blocks=(99,) * 4, block_errors=(99, 40, 49, 0)
    )
    curve = Curve.of(counts)
    np.testing.assert_allclose(curve.rate(np.array([0.0, 0.5, 1.0, 1.5])), [0.995, 0.495, 0.495, 0.005])
    assert (curve.rate(np.array([-0.1, -60.0])) == 1).all()
    assert curve.rate(np.array(99.0)) == curve.rate(np.array(1.5))
    assert curve.rate(np.array(1.25)) == pytest.approx(
        1 / (1 + np.sqrt(0.505 / 0.495 * 0.995 / 0.005))
    )  # mean log odds
    assert 0.0 < curve.half_db < 0.5


@pytest.mark.parametrize("uses", [32, 64, 128])
def test_over_many_realisations_predictions_agree_with_the_errors_that_were_counted(uses: int) -> None:
    """Mean predictions against the Rayleigh tables of the same modes, in dB at block error rates of 0.1 and 0.5."""
    table, curves = load_table(LinkSettings(), uses), load_curves(LinkSettings(), uses)
    realisations = Realisations(LinkSettings(), uses)
    predicted = np.stack([curves.predict(realisations.usual(snr))[0].mean(axis=1) for snr in table.snr_db], axis=1)
    errors = []
    for row in range(len(table.modes)):
        for rate in (0.5, 0.1):
            found = [
                np.interp(-rate, -np.maximum.accumulate(of[row][::-1])[::-1], table.snr_db)
                for of in (predicted, table.rates)
            ]
            if table.rates[row].min() < rate < table.rates[row].max():
                errors.append(found[0] - found[1])
    assert len(errors) > 150
    assert abs(np.mean(errors)) < 0.2
    assert np.sqrt(np.mean(np.square(errors))) < 0.35
    assert np.abs(errors).max() < 1.0


@pytest.mark.parametrize(
    ("mode", "snr_db"),
    [(Mode(2, "16qam", "1/2"), -1.0), (Mode(4, "qpsk", "1/2"), 0.0), (Mode(4, "64qam", "1/2"), 9.0)],
)
def test_blocks_fail_on_the_realisations_of_which_it_was_predicted(mode: Mode, snr_db: float) -> None:
    """The images in four groups by their predicted rate: as many blocks fail in each as were predicted."""
    link, uses = LinkSettings(), 32
    curves, batch = load_curves(link, uses), 1024
    words = rng.seed_words(5, "prediction", snr_db)
    rates, above = curves.predict(Realisations(link, uses).stream_snrs(batch, snr_db, words))
    rates, above = (of[curves.modes.index(mode)] for of in (rates, above))
    digital = DigitalLink(mode_link(link, mode).with_(channel_uses=uses), block_bits(link, mode, uses))
    bits = np.random.default_rng(2).integers(0, 2, (batch, digital.framing.payload_bits))
    failed = (digital(bits, snr_db, words).bits != bits).any(axis=1)
    assert 0.05 < failed.mean() < 0.95
    groups = np.array_split(np.argsort(rates), 4)
    assert rates[groups[-1]].mean() > rates[groups[0]].mean() + 0.3  # it says which images fail
    for rows in groups:
        expected, counted = rates[rows].mean(), failed[rows].mean()
        # within what 0.5 dB of effective SNR and four standard errors make
        assert abs(counted - expected) < 0.15 + 4 * np.sqrt(max(expected * (1 - expected), 1e-3) / len(rows))
    assert (above[rates < 0.4] > 0).all()
    assert (above[rates > 0.6] < 0).all()


# --------------------------------------------------------------------------------------------------------- what is refused


@pytest.fixture
def content() -> dict[str, Any]:
    return json.loads(FILE.read_text())


def stored(content: dict[str, Any], path: Path) -> Path:
    content.pop("sha256", None)
    path.write_text(json.dumps(content | {"sha256": settings_hash(content)}))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t["words"][3]["blocks"].__setitem__(5, 0), "qpsk, 42 of 64 bits: not measured at"),
        (lambda t: t["words"][3]["blocks"].pop(), "qpsk, 42 of 64 bits: not one count for each of"),
        (lambda t: [row.pop(7) for row in list(t["words"][3].values())[3:] for _ in range(2)], "without a hole"),
        (lambda t: [t["words"][3].__setitem__(p, t["words"][3][p][:4]) for p in COUNTED], "0.9 to 0.01 are needed"),
        (lambda t: t["words"][3]["block_errors"].__setitem__(5, 10**6), "1000000 wrong of"),
        (lambda t: t["words"][3]["block_errors"].__setitem__(5, None), "valid integer"),
        (lambda t: t["words"][3].__setitem__("modulation", "8psk"), "no code word of the grid"),
        (lambda t: t["words"].append(t["words"][0]), "occurs twice"),
        (lambda t: t["words"][3]["snr_db"].reverse(), "without a hole"),
        (lambda t: t.pop("record"), "'record' of AwgnContent is missing"),
        (lambda t: t.__setitem__("code", "os.system"), "unknown setting 'code'"),
        (lambda t: t["words"].clear(), "words = "),
    ],
)
def test_a_table_with_a_hole_or_a_wrong_count(content: dict[str, Any], change: Any, words: str, tmp_path: Path) -> None:
    change(content)
    path = stored(content, tmp_path / "t.json")
    with pytest.raises(UserError) as caught:
        load_curves(LinkSettings(), 32, path)
    text = str(caught.value)
    assert text.startswith(f"{path}: not a whole table of code words (")
    assert words in text
    assert "sc-sionna run awgn_table" in text
    assert "\n" not in text


COUNTED = ("snr_db", "blocks", "block_errors")


def test_an_altered_number_another_record_and_a_missing_file(content: dict[str, Any], tmp_path: Path) -> None:
    content["words"][0]["block_errors"][0] += 1
    (tmp_path / "altered.json").write_text(json.dumps(content))
    for path, words in (
        (tmp_path / "altered.json", "hash of its numbers"),
        (tmp_path / "none.json", "No such file"),
        (RECORD.parent / "ber_vs_snr.json", "not of the experiment awgn_table"),
    ):
        with pytest.raises(UserError, match=words):
            read_awgn(path)


@pytest.mark.parametrize(
    ("link", "uses", "words"),
    [
        ({}, 48, r"link.channel_uses = 48: .* has no code word of 20 in 96 bits of qpsk; .*--channel-uses 48"),
        ({"num_iter": 5}, 32, r"link.num_iter = 5: .* has 20; .*--set link.num_iter=5"),
        ({"demapping": "maxlog"}, 32, "link.demapping = maxlog"),
        ({"coded": False}, 32, "link.coded = False"),
    ],
)
def test_another_decoder_or_another_number_of_uses(link: dict[str, Any], uses: int, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        load_curves(settings(**link), uses)
    assert "\n" not in str(caught.value)


def test_the_channel_of_the_link_does_not_matter() -> None:
    """Code words are lost by the SNRs of their symbols, whatever drew these."""
    other = load_curves(settings(channel="rician", channel_args={"k_db": 6.0}, crc="CRC6"), 32)
    np.testing.assert_array_equal(other.num_bits, load_curves(LinkSettings(), 32).num_bits - 6)
