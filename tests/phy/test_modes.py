"""Modes: what each carries in a number of channel uses, frames that fill these exactly, and bits that arrive."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.phy.framing import Framing, fill
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.modes import CODE_RATES, GRID, Mode, block_bits, link_modes, mode_link
from sc_sionna.settings import BITS_PER_SYMBOL
from tests.phy.helpers import random_bits, seed, settings

USES = (8, 16, 32, 64, 128, 256)


@pytest.mark.parametrize("num_uses", USES)
@pytest.mark.parametrize("changes", [{}, {"crc": "CRC24A"}, {"crc": "CRC11", "max_block_bits": 1024}])
def test_every_mode_fills_the_uses_with_blocks_of_the_standard(num_uses: int, changes: dict) -> None:
    link = settings(**changes)
    modes = link_modes(link, num_uses)
    assert len(modes) == 84 or num_uses <= 32  # shorter blocks than the standard's 12 bits, and than a CRC
    for mode in modes:
        bits = block_bits(link, mode, num_uses)
        framing = Framing(bits, mode_link(link, mode).with_(channel_uses=num_uses))
        assert framing.num_channel_uses == num_uses
        assert framing.payload_bits == bits == framing.num_blocks * framing.block_payload_bits  # nothing is padded
        assert framing.num_blocks * framing.n == num_uses * mode.num_streams * BITS_PER_SYMBOL[mode.modulation]
        assert 1 / 5 <= framing.coderate <= max(mode.rate, 1 / 5 + 1 / framing.n)
        assert framing.coderate > mode.rate - 1 / framing.n
        assert 12 <= framing.k <= link.max_block_bits
        assert framing.k <= 3824 or 3 * framing.k >= framing.n
        # one block wherever the limits allow it
        whole = num_uses * mode.num_streams * BITS_PER_SYMBOL[mode.modulation] * mode.rate
        assert framing.num_blocks == 1 or whole > link.max_block_bits
    left_out = set(GRID) - set(modes)
    for mode in left_out:
        with pytest.raises(UserError, match=f"channel_uses = {num_uses}: .* equal blocks of"):
            block_bits(link, mode, num_uses)


@pytest.mark.parametrize("num_uses", [8, 32, 256])
def test_without_noise_every_bit_of_every_kind_of_mode_arrives(num_uses: int) -> None:
    modes = link_modes(settings(), num_uses)
    chosen = {(m.num_streams, m.modulation): m for m in modes if m.coderate in ("1/5", "1/2")}
    chosen |= {("rate", m.coderate): m for m in modes if (m.num_streams, m.modulation) == (4, "256qam")}
    for mode in chosen.values():
        bits = random_bits(4, block_bits(settings(), mode, num_uses))
        link = DigitalLink(mode_link(settings(channel_uses=num_uses), mode), bits.shape[1])
        out = link(bits, 60.0, seed(1))
        np.testing.assert_array_equal(out.bits, bits)
        assert not out.erased.any()
        assert out.x_hat.shape[0] * out.x_hat.shape[1] == 4 * num_uses


def test_a_shorter_payload_fills_the_same_uses_at_a_lower_rate() -> None:
    s = settings(num_streams=2, modulation="qpsk", coderate=0.5)
    lengths = {}
    for payload in (1, 12, 26, 40, 64):
        framing = Framing(payload, s.with_(channel_uses=32))
        lengths[payload] = (framing.num_blocks, framing.k, framing.n)
        assert framing.num_channel_uses == 32
    assert lengths == {1: (1, 26, 128), 12: (1, 26, 128), 26: (1, 26, 128), 40: (1, 40, 128), 64: (1, 64, 128)}
    # a block of more than 3,824 bits needs base graph 1, which starts at rate 1/3
    wide = settings(modulation="256qam", coderate=0.5, max_block_bits=8448, channel_uses=512)
    framing = Framing(3900, wide)
    assert (framing.num_blocks, framing.k, framing.n) == (1, 5462, 16384)
    bits = random_bits(2, 3900)
    np.testing.assert_array_equal(DigitalLink(wide, 3900)(bits, 60.0, seed(2)).bits, bits)


def test_the_number_of_blocks_follows_from_the_link_and_not_from_the_payload() -> None:
    """Else a payload of a few bits less than two blocks hold would be sent as another code than was measured."""
    s = settings(num_streams=4, modulation="16qam", coderate=0.5, max_block_bits=500, crc="CRC24A")
    assert fill(s, 128) == (4, 256, 512)  # three blocks would do and do not divide the uses
    for payload in (1, 500, 928):
        framing = Framing(payload, s.with_(channel_uses=128))
        assert (framing.num_blocks, framing.n) == (4, 512)
    low = settings(num_streams=4, modulation="256qam", coderate=0.3, max_block_bits=8448)
    assert fill(low, 500) == (2, 2400, 8000)  # 4,800 bits are more than base graph 2 holds
    assert fill(settings(), 30) == (1, 240, 480)
    assert Framing(64, settings(channel_uses=32), least_blocks=4).num_blocks == 4


def test_an_uncoded_link_fills_its_uses_too() -> None:
    s = settings(coded=False, crc="CRC6", channel_uses=8)
    framing = Framing(100, s)
    assert (framing.num_blocks, framing.n, framing.block_payload_bits, framing.num_channel_uses) == (1, 128, 122, 8)
    bits = random_bits(3, 100)
    np.testing.assert_array_equal(DigitalLink(s, 100)(bits, 60.0, seed(1)).bits, bits)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Framing(257, settings(channel_uses=32)), "payload_bits = 257: 32 channel uses hold 256"),
        (lambda: fill(settings(), 0), "channel_uses = 0: at least 1"),
        (
            lambda: Framing(1, settings(channel_uses=1)),
            "16 coded bits at rate 0.5 .* of 12 to 3840",
        ),
        (
            lambda: Framing(1, settings(crc="CRC24A", channel_uses=2)),
            "32 coded bits .* 1 to 3 equal blocks of 25",
        ),
        (lambda: Framing(1, settings(coded=False, crc="CRC24A", channel_uses=1)), "CRC24A fills them"),
        (
            lambda: Framing(1, settings(coderate=0.9, channel_uses=541)),
            "8656 coded bits .* not 3 to 9",
        ),  # a prime
        (lambda: Mode(3, "qpsk", "1/2"), "num_streams = 3 is not in the grid; choose 1, 2, 4"),
        (lambda: Mode(True, "qpsk", "1/2"), "num_streams = True"),
        (lambda: Mode(2, "8psk", "1/2"), "modulation = '8psk' is not in the grid; choose qpsk, 16qam"),
        (lambda: Mode(2, "qpsk", "0.5"), "coderate = '0.5' is not in the grid; choose 1/5, 1/3"),
        (lambda: link_modes(settings(coded=False), 32), "link.coded = False"),
        (lambda: link_modes(settings(num_streams=1), 0), "channel_uses = 0: no mode"),
    ],
)
def test_what_cannot_be_framed_is_one_line(call, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_grid_is_cut_to_the_antennas() -> None:
    assert {m.num_streams for m in link_modes(settings(), 64)} == {1, 2, 4}
    assert {m.num_streams for m in link_modes(settings(num_rx_ant=2, num_streams=1), 64)} == {1, 2}
    assert {m.num_streams for m in link_modes(settings(num_tx_ant=1, num_streams=1), 64)} == {1}
    assert len(set(GRID)) == len({str(mode) for mode in GRID}) == 3 * 4 * len(CODE_RATES)
    changed = mode_link(settings(num_streams=8, beyond_rank=True), Mode(2, "256qam", "0.92"))
    assert (changed.num_streams, changed.beyond_rank, changed.coderate) == (2, False, 0.92)
