"""Tables of modes: the shipped ones are their records', others are refused in one line, and the choice is the right one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.phy.bounds import outage_probability, waterfilling_capacity
from sc_sionna.phy.mode_choice import choose_mode
from sc_sionna.phy.mode_table import SHIPPED, ModeTable, load_table, read_table, shipped_uses, table_of, write_table
from sc_sionna.phy.modes import Mode
from sc_sionna.phy.snr import noise_variance
from sc_sionna.settings import LinkSettings, settings_hash
from sc_sionna.sweep import read_record
from sc_sionna.sweep.metrics import two_proportion_z
from tests.phy.helpers import settings

USES = (32, 64, 128)
RECORDS = Path(__file__).resolve().parents[2] / "results" / "records"
ROBUST, MIDDLE, FAST = Mode(1, "qpsk", "1/5"), Mode(2, "qpsk", "1/2"), Mode(4, "16qam", "1/2")
WIDE = Mode(4, "qpsk", "1/3")


def small(rates: dict[Mode, list[float]], bits: dict[Mode, int]) -> ModeTable:
    return ModeTable(
        32, tuple(rates), np.array([bits[m] for m in rates]), np.array([-3.0, 0.0, 3.0]), np.array(list(rates.values()))
    )


@pytest.fixture
def table() -> ModeTable:
    rates = {
        FAST: [1.0, 0.5, 0.05], MIDDLE: [0.6, 0.04, 0.0], ROBUST: [0.02, 0.0, 0.0], WIDE: [0.7, 0.08, 0.0],
    }  # fmt: skip
    return small(rates, {FAST: 256, MIDDLE: 64, ROBUST: 13, WIDE: 85})


@pytest.mark.parametrize(
    ("snr_db", "wanted", "target", "mode"),
    [
        (3.0, 10_000, 0.1, FAST),
        (3.0, 10_000, 0.01, WIDE),  # the most that meets the target
        (0.0, 10_000, 0.1, WIDE),
        (0.0, 10_000, 0.05, MIDDLE),
        (0.0, 60, 0.1, MIDDLE),  # both carry 60 bits, and this one loses fewer
        (3.0, 60, 0.1, MIDDLE),  # neither was seen to lose one: the one that holds at lower SNR
        (0.0, 12, 0.1, ROBUST),
        (0.0, 14, 0.1, MIDDLE),  # a bit more than the robust one carries
        (-3.0, 10_000, 0.1, ROBUST),
        (-3.0, 10_000, 0.01, ROBUST),  # none meets the target: the lowest rate
        (-30.0, 10_000, 0.1, ROBUST),  # below the table nothing is known to meet a target
        (2.999, 10_000, 0.1, WIDE),  # between SNRs the next lower one counts
        (90.0, 10_000, 0.1, FAST),
    ],
)
def test_the_mode_that_is_chosen(table: ModeTable, snr_db: float, wanted: int, target: float, mode: Mode) -> None:
    found = choose_mode(table, snr_db, wanted, target)
    assert found.mode == mode
    assert found.num_bits == table.num_bits[table.modes.index(mode)]


def test_where_none_meets_the_target_and_several_are_alike_the_one_that_carries_most() -> None:
    table = small({ROBUST: [1.0, 1.0, 0.3], WIDE: [1.0, 1.0, 0.4]}, {ROBUST: 13, WIDE: 85})
    assert choose_mode(table, 0.0, 1000, 0.1).mode == WIDE
    assert choose_mode(table, 3.0, 1000, 0.1).mode == ROBUST


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((float("nan"), 10, 0.1), "snr_db = nan"),
        ((0.0, 0, 0.1), "wanted_bits = 0"),
        ((0.0, 10, 0.0), "target_bler = 0.0"),
        ((0.0, 10, 1.0), "target_bler = 1.0"),
    ],
)
def test_a_choice_that_means_nothing(table: ModeTable, arguments: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        choose_mode(table, *arguments)


# ------------------------------------------------------------------------------------------------------ the shipped tables


def test_the_package_ships_these() -> None:
    assert shipped_uses() == USES


@pytest.mark.parametrize("uses", USES)
def test_a_shipped_table_is_that_of_its_committed_record(uses: int, tmp_path: Path) -> None:
    path = RECORDS / f"mcs_table_uses{uses}.json"
    record = read_record(path)
    assert record.commit is not None
    assert record.commit["dirty"] is False
    shipped = read_table(SHIPPED / f"uses{uses}.json")
    assert shipped == table_of(record) == read_table(path)
    assert shipped.record == path.stem
    assert shipped.record_sha256 == json.loads(path.read_text())["sha256"]
    write_table(tmp_path / "again.json", record)
    assert (tmp_path / "again.json").read_bytes() == (SHIPPED / f"uses{uses}.json").read_bytes()
    assert shipped.snr_db == tuple(range(-12, 22))
    assert len(shipped.modes) == 84
    for mode in shipped.modes:
        for blocks, errors in zip(mode.blocks, mode.block_errors, strict=True):
            assert errors >= 100 or blocks >= 2048


@pytest.mark.parametrize("uses", USES)
@pytest.mark.parametrize("target", [0.1, 0.02])
@pytest.mark.parametrize("wanted", [12, 96, 256, 10**6])
def test_more_snr_never_carries_less_and_no_fixed_mode_is_better(uses: int, target: float, wanted: int) -> None:
    table = load_table(LinkSettings(), uses)
    before = 0
    for snr_db in np.arange(-12, 22, 0.5):
        found = choose_mode(table, snr_db, wanted, target)
        carried, rate = min(found.num_bits, wanted), table.rate(found.mode, snr_db)
        rates = table.rates_at(snr_db)
        assert rates is not None
        meets = rates <= target
        if meets.any():
            assert rate <= target
            of_all = np.minimum(table.num_bits, wanted)[meets]
            assert carried == of_all.max()
            assert rate == rates[meets][of_all == carried].min()
            assert carried >= before
            before = carried
        else:
            assert rate == rates.min()
    assert before == min(wanted, table.num_bits[table.rates[:, -1] <= target].max())


@pytest.mark.parametrize("uses", USES)
def test_no_mode_loses_fewer_blocks_than_are_in_outage(uses: int) -> None:
    """The capacity of the link's own channel bounds every mode at the rate that it really carries."""
    content = read_table(SHIPPED / f"uses{uses}.json")
    table = load_table(LinkSettings(), uses)
    draws = np.random.default_rng(7)
    h = (draws.standard_normal((4096, 4, 8)) + 1j * draws.standard_normal((4096, 4, 8))) / np.sqrt(2)
    bits_per_use = table.num_bits / uses
    seen = 0
    for column, snr_db in enumerate(content.snr_db):
        outage = outage_probability(waterfilling_capacity(h, float(noise_variance(snr_db))), bits_per_use)
        blocks = np.array([m.blocks[column] for m in content.modes])
        measured = np.array([m.block_errors[column] for m in content.modes]) / blocks
        for mode, *rates in zip(table.modes, measured, blocks, outage, strict=True):
            assert two_proportion_z(*rates, len(h)) > -4, (mode, snr_db)
        seen += ((outage > 0.01) & (outage < 0.99)).sum()
    assert seen > 100  # the bound says something at many points


# --------------------------------------------------------------------------------------------------------- what is refused


@pytest.fixture
def content() -> dict[str, Any]:
    return json.loads((SHIPPED / "uses32.json").read_text())


def stored(content: dict[str, Any], path: Path) -> Path:
    content.pop("sha256", None)
    path.write_text(json.dumps(content | {"sha256": settings_hash(content)}))
    return path


def test_a_table_may_be_written_in_any_layout(content: dict[str, Any], tmp_path: Path) -> None:
    assert read_table(stored(content, tmp_path / "t.json")) == read_table(SHIPPED / "uses32.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t["modes"][3]["blocks"].__setitem__(5, 0), "1 × qpsk, 2/3: not measured at -7 dB"),
        (lambda t: t["modes"][3]["blocks"].pop(), "1 × qpsk, 2/3: not one count for each of 34 SNRs"),
        (lambda t: t["modes"][3]["block_errors"].__setitem__(5, 10**6), "1000000 wrong of 1536 blocks"),
        (lambda t: t["modes"][3]["block_errors"].__setitem__(5, -1), "greater than or equal to 0"),
        (lambda t: t["modes"][3]["block_errors"].__setitem__(5, None), "valid integer"),
        (lambda t: t["modes"][3]["block_errors"].__setitem__(5, True), "valid integer"),
        (lambda t: t["modes"][3]["block_errors"].__setitem__(5, 10**20), "less than or equal to"),
        (lambda t: t["modes"][3].__setitem__("modulation", "8psk"), "modulation = '8psk' is not in the grid"),
        (lambda t: t["modes"].append(t["modes"][0]), "1 × qpsk, 1/5: occurs twice"),
        (lambda t: t["snr_db"].reverse(), "its SNRs do not rise"),
        (lambda t: t.pop("record"), "'record' of TableContent is missing"),
        (lambda t: t.__setitem__("code", "os.system"), "unknown setting 'code'"),
        (lambda t: t.__setitem__("format", 2), "format = 2"),
        (lambda t: t["modes"].clear(), "modes = "),
    ],
)
def test_a_table_with_a_hole_or_a_wrong_count(content: dict[str, Any], change: Any, words: str, tmp_path: Path) -> None:
    change(content)
    path = stored(content, tmp_path / "t.json")
    with pytest.raises(UserError) as caught:
        load_table(LinkSettings(), 32, path)
    text = str(caught.value)
    assert text.startswith(f"{path}: not a whole table of modes (")
    assert words in text
    assert "sc-sionna run mcs_table --channel-uses" in text
    assert "\n" not in text


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"a": 1e999}', b"\xff", b"[" * 100, b"{}"])
def test_a_file_that_is_no_table(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(text)
    with pytest.raises(UserError, match="not a whole table of modes") as caught:
        read_table(tmp_path / "t.json")
    assert "\n" not in str(caught.value)


def test_an_altered_number_a_large_file_and_a_missing_one(content: dict[str, Any], tmp_path: Path) -> None:
    content["modes"][0]["block_errors"][0] += 1
    (tmp_path / "altered.json").write_text(json.dumps(content))
    (tmp_path / "large.json").write_bytes(b" " * (2**24 + 1))
    for name, words in (("altered", "hash of its numbers"), ("large", "bytes, at most"), ("none", "No such file")):
        with pytest.raises(UserError, match=words):
            read_table(tmp_path / f"{name}.json")
    with pytest.raises(UserError, match="not of the experiment mcs_table"):
        read_table(RECORDS / "ber_vs_snr.json")


def test_a_table_that_lacks_a_mode(content: dict[str, Any], tmp_path: Path) -> None:
    del content["modes"][40]
    path = stored(content, tmp_path / "t.json")
    with pytest.raises(UserError, match=r"lacks the mode 2 × 16qam, 5/6; .*--channel-uses 32"):
        load_table(LinkSettings(), 32, path)
    content["channel_uses"] = 64
    with pytest.raises(UserError, match=r"is of 64 channel uses, not 32"):
        load_table(LinkSettings(), 32, stored(content, path))


@pytest.mark.parametrize(
    ("link", "uses", "words"),
    [
        ({}, 48, r"channel_uses = 48: no table of modes, the package has 32, 64, 128; make one with"),
        ({"channel": "awgn"}, 32, r"link.channel = awgn: .* has rayleigh; .* --set link.channel=awgn"),
        ({"num_rx_ant": 8}, 64, r"link.num_rx_ant = 8: .* has 4; .*--channel-uses 64"),
        ({"precoder": "dft"}, 128, "link.precoder = dft"),
        ({"coherence": "symbol"}, 32, "link.coherence = symbol"),
        ({"num_iter": 5}, 32, "link.num_iter = 5"),
        ({"max_block_bits": 500}, 128, r"link.max_block_bits = 500: 2 blocks of .* has 1 of"),
        ({"coded": False}, 32, "link.coded = False"),
    ],
)
def test_another_link_or_another_number_of_uses(link: dict[str, Any], uses: int, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        load_table(settings(**link), uses)
    assert "\n" not in str(caught.value)


def test_what_a_mode_sets_and_a_crc_are_not_another_link() -> None:
    plain = load_table(LinkSettings(), 64)
    with_crc = load_table(settings(num_streams=1, modulation="qpsk", coderate=0.9, crc="CRC16"), 64)
    assert len(with_crc.modes) == 84
    np.testing.assert_array_equal(with_crc.num_bits, plain.num_bits - 16)
    np.testing.assert_array_equal(with_crc.rates, plain.rates)
