"""Codebook indices to bits and back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.semantic.index_mapper import IndexMapper


@pytest.mark.parametrize(("size", "width"), [(2, 1), (3, 2), (64, 6), (100, 7), (256, 8), (257, 9), (65536, 16)])
def test_every_index_survives(size, width):
    mapper = IndexMapper(size)
    assert mapper.bits_per_index == width
    indices = np.arange(size, dtype=np.int32)[None]
    bits = np.asarray(mapper.to_bits(indices))
    assert bits.shape == (1, size * width)
    assert set(np.unique(bits)) <= {0, 1}
    np.testing.assert_array_equal(mapper.to_indices(bits), indices)


def test_most_significant_bit_first():
    np.testing.assert_array_equal(
        IndexMapper(16).to_bits(np.array([[8, 1, 6]])), [[1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0]]
    )


def test_a_pattern_beyond_the_codebook_is_taken_modulo_its_size():
    mapper = IndexMapper(5)
    patterns = np.array([[int(c) for i in range(8) for c in f"{i:03b}"]])
    np.testing.assert_array_equal(mapper.to_indices(patterns), [[0, 1, 2, 3, 4, 0, 1, 2]])


def test_an_index_without_bits():
    with pytest.raises(UserError, match="codebook_size = 1"):
        IndexMapper(1)


def test_the_module_needs_no_sionna():
    """The codec trains under another Keras backend, where Sionna is not installed."""
    code = (
        "import sys; import sc_sionna.semantic.index_mapper; "
        "sys.exit(any(m.split('.')[0] == 'sionna' for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
