"""Streams of different lengths: what arrives, what it costs, and that it is the digital link's physics."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.core.rng import seed_words
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.stream_link import StreamLink
from sc_sionna.settings import LinkSettings

LENGTHS = (8, 64, 8, 200, 64, 1000)  # bits; two of some


def streams(lengths=LENGTHS, seed: int = 1) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 2, length).astype(np.uint8) for length in lengths]


@pytest.fixture(scope="module")
def link() -> StreamLink:
    return StreamLink(LinkSettings(crc="CRC24A", max_block_bits=600), length_bits=12)


def test_without_noise_every_stream_arrives_with_its_own_length(link: StreamLink) -> None:
    sent = streams()
    received = link(sent, 40.0, seed_words(1, "a"))
    assert received.accepted.all()
    assert received.error_free.all()
    for a, b in zip(received.bits, sent, strict=True):
        np.testing.assert_array_equal(a, b)
    assert received.bit_errors.sum() == received.block_errors.sum() == 0
    assert received.num_blocks.tolist() == [2, 2, 2, 2, 2, 3]  # a header, and 1,000 bits in two blocks of at most 576


def test_a_stream_costs_what_its_length_costs(link: StreamLink) -> None:
    """16 bits a channel use at rate 1/2: (12 + 11) · 2 / 16 → 3 uses of header, then (bits + 24 · blocks) · 2 / 16."""
    received = link(streams(), 40.0, seed_words(1, "a"))
    expected = [3 + int(np.ceil((-(-bits // blocks) + 24) * 2 / 16)) * blocks for bits, blocks in
                zip(LENGTHS, (1, 1, 1, 1, 1, 2), strict=True)]  # fmt: skip
    assert received.num_uses.tolist() == expected
    for bits, uses in zip(LENGTHS, expected, strict=True):
        cost = link.budget(bits)
        assert (cost.payload_bits, cost.side_bits, cost.channel_uses, cost.symbols) == (bits, 12, uses, 4 * uses)
        assert cost.crc_bits == 11 + 24 * (2 if bits == 1000 else 1)


@pytest.mark.parametrize("coherence", ["image", 7])
def test_one_length_is_the_digital_link_draw_for_draw(coherence) -> None:
    settings = LinkSettings(coherence=coherence)
    sent = streams((250,) * 96, seed=2)
    one, other = StreamLink(settings, 0, fixed_bits=250), DigitalLink(settings, 250)
    for snr_db in (4.0, 7.0):
        received = one(sent, snr_db, seed_words(2, "b", snr_db))
        expected = np.asarray(other(np.stack(sent), snr_db, seed_words(2, "b", snr_db)).bits)
        np.testing.assert_array_equal(np.stack(received.bits), expected)
        assert received.bit_errors.sum() == (expected != np.stack(sent)).sum()
        assert received.bit_errors.sum() > 0 or snr_db > 4
        link = other(np.stack(sent), snr_db, seed_words(2, "b", snr_db))
        # without a CRC the receiver knows only where nothing decides a bit
        np.testing.assert_array_equal(received.accepted, ~link.erased[:, 0])
        arrived = (expected == np.stack(sent)).all(axis=1) & received.accepted
        np.testing.assert_array_equal(received.error_free, arrived)
        assert 0 < (~received.accepted).sum() < 96 or coherence != "image"


def test_nothing_that_does_not_arrive_is_accepted(link: StreamLink) -> None:
    sent = streams(LENGTHS * 40, seed=3)
    received = link(sent, -40.0, seed_words(3, "c"))
    assert not received.accepted.any()
    assert not received.error_free.any()
    np.testing.assert_array_equal(received.block_errors, received.num_blocks)
    assert (received.bit_errors <= received.num_bits).all()


def test_at_the_cliff_verdict_and_truth_agree_but_for_what_a_crc_misses(link: StreamLink) -> None:
    sent = streams((304,) * 300, seed=4)
    received = link(sent, 5.0, seed_words(4, "d"))
    assert 0 < received.error_free.sum() < 300
    assert not (received.error_free & ~received.accepted).any()
    assert (received.accepted & ~received.error_free).sum() == 0  # 2^-24 each
    assert ((received.block_errors == 0) == received.error_free).all()


def test_interference_reaches_every_use_and_repeats(link: StreamLink) -> None:
    sent = streams()
    strong = np.full((1, 5, 4), 30.0 + 0j)
    received = link(sent, 40.0, seed_words(1, "a"), strong)
    assert not received.error_free.any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda link: link([], 3.0, seed_words(1, "e")), "an empty batch"),
        (lambda link: link([np.zeros(7, np.uint8)], 3.0, seed_words(1, "e")), "stream of 7 bits: the 12-bit header"),
        (lambda link: link([np.zeros(8 * 4096, np.uint8)], 3.0, seed_words(1, "e")), "says 1 to 4095 units of 8 bits"),
        (lambda link: link([np.full(8, 2, np.uint8)], 3.0, seed_words(1, "e")), "bits are 0 or 1"),
        (lambda link: StreamLink(LinkSettings(), 0), "a header or one length"),
        (lambda link: StreamLink(LinkSettings(), 0, fixed_bits=9)(streams((8,)), 3.0, (1, 2)), "every one has 9 bits"),
    ],
)
def test_bad_input_is_one_line(link: StreamLink, call, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        call(link)
    assert "\n" not in str(caught.value)
