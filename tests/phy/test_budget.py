"""Every bit and symbol against numbers worked out by hand."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sc_sionna.phy.budget import Budget, digital_budget
from sc_sionna.phy.framing import Framing
from sc_sionna.settings import LinkSettings


def budget(payload_bits: int, **link) -> Budget:
    return digital_budget(Framing(payload_bits, LinkSettings(**link)), payload_bits)


def test_digits_indices() -> None:
    # 32 indices of 6 bits, rate 1/2, 4 bits a symbol, 4 streams
    assert budget(192).model_dump() == {
        "payload_bits": 192,
        "side_bits": 0,
        "crc_bits": 0,
        "padding_bits": 0,
        "coded_bits": 384,
        "symbols": 96,
        "channel_uses": 24,
        "uncoded_symbols": 48,
    }


@pytest.mark.parametrize(
    ("payload", "link", "coded", "symbols", "uses"),
    [
        (192, {"coded": False}, 192, 48, 12),
        (192, {"num_streams": 1}, 384, 96, 96),
        (192, {"modulation": "qpsk"}, 384, 192, 48),
        (192, {"coderate": 1 / 3}, 576, 144, 36),
        (200, {"modulation": "64qam"}, 408, 68, 17),  # 400 bits do not fill uses of 24 bits; 408 do
    ],
)
def test_the_settings_of_the_link_count(payload: int, link: dict, coded: int, symbols: int, uses: int) -> None:
    found = budget(payload, **link)
    assert (found.coded_bits, found.symbols, found.channel_uses) == (coded, symbols, uses)


def test_several_blocks_with_crc_and_padding() -> None:
    # 2,500 bits in blocks of at most 1,024 with 24 of CRC: 3 blocks of ceil(2500 / 3) = 834 payload bits, 2 of them padding;
    # k = 858, n = 1716 rounded up to whole uses of 16 bits = 1728
    found = budget(2500, crc="CRC24A", max_block_bits=1024)
    assert (found.crc_bits, found.padding_bits, found.coded_bits) == (72, 2, 3 * 1728)
    assert (found.symbols, found.channel_uses) == (3 * 432, 3 * 108)


def test_side_information_and_a_mean_number_of_blocks() -> None:
    framing = Framing(1000, LinkSettings(crc="CRC24A", max_block_bits=1024))  # k = 1024, n = 2048
    found = digital_budget(framing, 3990.4, side_bits=16, num_blocks=4.5)
    assert (found.payload_bits, found.side_bits) == (3990.4, 16)
    assert found.crc_bits == 108
    assert found.padding_bits == pytest.approx(4500 - 3990.4 - 16)
    assert (found.coded_bits, found.symbols, found.channel_uses) == (9216, 2304, 576)
    assert found.uncoded_symbols == 998


def test_the_information_bits_are_the_sum_of_the_parts() -> None:
    for payload in (1, 12, 100, 1000, 10_000, 100_000):
        framing = Framing(payload, LinkSettings(crc="CRC16"))
        found = digital_budget(framing, payload)
        parts = found.payload_bits + found.side_bits + found.crc_bits + found.padding_bits
        assert parts == framing.k * framing.num_blocks
        assert found.padding_bits >= 0


def test_a_budget_is_frozen_and_takes_no_unknown_name() -> None:
    found = budget(192)
    with pytest.raises(ValidationError):
        found.symbols = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Budget(**found.model_dump(), energy=1)
