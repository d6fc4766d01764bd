"""Which bits a channel use carries, derived from the encoder: noise on a use hits these LLRs and no other."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.core.rng import seed_words
from sc_sionna.phy.layout import coded_uses
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.stream_link import StreamLink
from sc_sionna.settings import LinkSettings

IMAGES = 8


def noise_on(use: int, num_uses: int) -> np.ndarray:
    noise = np.zeros((1, num_uses, 4), np.complex64)
    noise[0, use] = 3.0 + 2.0j
    return noise


@pytest.mark.parametrize("modulation", ["qpsk", "16qam", "64qam"])
def test_noise_on_a_use_of_the_digital_link_hits_its_bits_alone(modulation: str) -> None:
    link = DigitalLink(LinkSettings(modulation=modulation), 300, least_blocks=2)
    blocks, seed = coded_uses(link.transmitter), seed_words(1, "layout")
    assert [block.first_use for block in blocks] == [0, link.framing.uses_per_block]
    assert sum(block.num_uses for block in blocks) == link.framing.num_channel_uses
    bits = np.random.default_rng(1).integers(0, 2, (IMAGES, 300))
    clean = np.asarray(link(bits, 18.0, seed).llr).reshape(IMAGES, 2, -1)
    for block in range(2):
        for use in (0, 1, blocks[block].num_uses - 1):
            noise = noise_on(blocks[block].first_use + use, link.framing.num_channel_uses)
            hit = np.asarray(link(bits, 18.0, seed, interference=noise).llr).reshape(IMAGES, 2, -1) != clean
            expected = np.zeros(hit.shape[1:], bool)
            width = blocks[block].bits_per_use
            expected[block, use * width : (use + 1) * width] = True
            np.testing.assert_array_equal(hit.any(axis=0), expected)


@pytest.mark.parametrize("num_bits", [160, 1000])
def test_the_layout_of_a_stream_is_what_its_receiver_reads(num_bits: int) -> None:
    """Header and blocks begin where the layout says: its decoder finds the bits there, and noise elsewhere changes none."""
    link = StreamLink(LinkSettings(crc="CRC24A", max_block_bits=600), length_bits=16)
    layout, seed = link.layout(num_bits), seed_words(2, "layout")
    generator = np.random.default_rng(2)
    streams = [generator.integers(0, 2, num_bits).astype(np.uint8) for _ in range(IMAGES)]
    assert layout.num_uses == link.num_uses(num_bits) == layout.blocks[-1].first_use + layout.blocks[-1].num_uses
    assert layout.header_uses == layout.blocks[0].first_use == link.header_uses > 0
    assert len(layout.blocks) == (1 if num_bits == 160 else 2)
    llr = link._transmit(streams, 30.0, seed, None)[0].llr
    sent = link.code(num_bits).framing.to_blocks(np.stack(streams))
    for number, block in enumerate(layout.blocks):
        of_block = llr[:, block.first_use : block.first_use + block.num_uses]
        decoded = block.decoder.decode(block.to_code_word(of_block)).bits
        np.testing.assert_array_equal(decoded[:, : sent.shape[-1]], sent[:, number])
    last = layout.blocks[-1]
    noise = noise_on(last.first_use + 1, llr.shape[1])
    hit = (link._transmit(streams, 30.0, seed, noise)[0].llr != llr).any(axis=(0, 2))
    assert np.flatnonzero(hit).tolist() == [last.first_use + 1]


def test_copies_of_a_code_word_are_one_code_word_with_added_llrs() -> None:
    settings = LinkSettings(num_streams=1, modulation="qpsk", coderate=0.2)
    link = DigitalLink(settings, 24, least_blocks=2)
    (block,) = coded_uses(link.transmitter, copies=2)
    assert (block.first_use, block.num_uses) == (0, link.framing.num_channel_uses)
    bits = np.random.default_rng(3).integers(0, 2, (IMAGES, 12))
    llr = np.asarray(link(np.tile(bits, 2), 18.0, seed_words(3, "layout")).llr)
    added = block.to_code_word(llr.reshape(IMAGES, block.num_uses, -1))
    np.testing.assert_allclose(added, llr.reshape(IMAGES, 2, -1).sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(block.decoder.decode(added).bits, bits)


def test_what_is_not_coded_has_no_code_words() -> None:
    assert coded_uses(DigitalLink(LinkSettings(coded=False), 96).transmitter) == ()
