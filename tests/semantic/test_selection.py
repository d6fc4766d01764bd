"""Streams of chosen features: their bits by hand, and what a receiver reads in any bits."""

from __future__ import annotations

import numpy as np
import pytest

from sc_sionna.semantic.selection import SelectionCode
from sc_sionna.semantic.similarity import repeat_bits


def bits(text: str) -> np.ndarray:
    return np.array([int(c) for c in text.replace(" ", "")], np.uint8)


# five features, two bits each: the second is left out, the third is as the first, the fifth as the fourth
BITS = bits("10 11 00 01 11").reshape(5, 2)
PRESENT, FIRST = np.array([1, 0, 1, 1, 1], bool), np.array([0, 1, 0, 3, 3])
# present? own index? (of 2, 3, 4) | representative of 4 among 0 and 3 | indices of 0 and 3 | to a whole byte
STREAM = bits("10111 010 1 10 01 000")
BOTH = SelectionCode(5, 2, masked=True, repeated=True)


def test_the_stream_by_hand() -> None:
    stream, side = BOTH.write(BITS, PRESENT, FIRST)
    np.testing.assert_array_equal(stream, STREAM)
    assert side == 9
    read = BOTH.read(STREAM)
    np.testing.assert_array_equal(read.present, PRESENT)
    np.testing.assert_array_equal(read.first, FIRST)
    np.testing.assert_array_equal(read.bits, bits("10 00 00 01 00").reshape(5, 2))


def test_each_threshold_alone_says_only_what_it_leaves_open() -> None:
    masked, repeated = SelectionCode(5, 2, True, False), SelectionCode(5, 2, False, True)
    stream, side = masked.write(BITS, PRESENT, np.arange(5))
    np.testing.assert_array_equal(stream, bits("10111 10 00 01 11 000"))
    assert side == 5
    # 1 and 2 as the first, 4 as 1 would be: among 0 and 3 it is number 0
    stream, side = repeated.write(BITS, np.ones(5, bool), np.array([0, 0, 0, 3, 0]))
    np.testing.assert_array_equal(stream, bits("0010 0 10 01 0000000"))
    assert side == 5


def test_a_flipped_bit_of_side_information_by_hand() -> None:
    """The second feature is said to be there: one flag more, and everything behind it moves."""
    stream = STREAM.copy()
    stream[1] = 1
    # 11111 | own: 0 1 0 1 of 1 to 4 | representative of 3 among 0 and 2: 1 | indices of 0, 2 and 4: 00 10 00
    read = BOTH.read(stream)
    assert read.present.all()
    np.testing.assert_array_equal(read.first, [0, 0, 2, 2, 4])
    np.testing.assert_array_equal(read.bits, bits("00 00 10 00 00").reshape(5, 2))


@pytest.mark.parametrize(
    ("length", "present"),
    [
        (0, "00000"),  # nothing arrived
        (3, "00000"),  # 0 and 2 are announced, and no index arrived
        (11, "10100"),  # that of 0 arrived, which 2 has too; that of 3, which 4 has too, did not
        (12, "10100"),  # half an index is none
        (13, "10111"),
    ],
)
def test_what_a_short_stream_does_not_hold_has_not_arrived(length: int, present: str) -> None:
    read = BOTH.read(STREAM[:length])
    np.testing.assert_array_equal(read.present, bits(present).astype(bool))


def test_a_number_that_no_feature_has_is_taken_modulo() -> None:
    """0, 1 and 2 have indices, so two bits say the representative of 3, and 3 is number 0."""
    read = SelectionCode(4, 1, False, True).read(bits("110 11 101"))
    np.testing.assert_array_equal(read.first, [0, 1, 2, 0])
    np.testing.assert_array_equal(read.bits[:, 0], [1, 0, 1, 0])


@pytest.mark.parametrize(("masked", "repeated"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("num_features", "per_index"), [(1, 3), (2, 1), (32, 6), (70, 2)])
def test_what_is_written_is_read(num_features: int, per_index: int, masked: bool, repeated: bool) -> None:
    code, generator = SelectionCode(num_features, per_index, masked, repeated), np.random.default_rng(num_features)
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        present = generator.random(num_features) < share if masked else np.ones(num_features, bool)
        first, own = np.arange(num_features), []
        for n in np.flatnonzero(present):
            if repeated and own and generator.random() < share:
                first[n] = generator.choice(own)
            else:
                own.append(n)
        index_bits = generator.integers(0, 2, (num_features, per_index))
        stream, side = code.write(index_bits, present, first)
        assert side == num_features * masked + repeated * repeat_bits(first[None], present[None])[0]
        assert 0 <= len(stream) - side - per_index * len(own) < 8
        assert len(stream) // 8 < 2**code.length_bits
        assert len(stream) > 0
        read = code.read(stream)
        np.testing.assert_array_equal(read.present, present)
        np.testing.assert_array_equal(read.first, first)
        np.testing.assert_array_equal(read.bits[own], index_bits[own])


@pytest.mark.parametrize(("masked", "repeated"), [(True, False), (False, True), (True, True)])
def test_any_bits_are_read(masked: bool, repeated: bool) -> None:
    code, generator = SelectionCode(9, 3, masked, repeated), np.random.default_rng(4)
    arrived = []
    for length in range(60):
        for _ in range(10):
            read = code.read(generator.integers(0, 2, length).astype(np.uint8))
            assert (read.first <= np.arange(9)).all()
            assert (read.first[read.first] == read.first).all()
            np.testing.assert_array_equal(read.present, read.present & read.present[read.first])
            arrived.append(int(read.present.sum()))
    assert min(arrived) == 0
    assert max(arrived) >= 6
