"""Streams depend on their path alone, are distinct, and stay what they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sc_sionna.core import rng

ROOT = Path(__file__).resolve().parents[2]
FROZEN_WORDS = [-1130832220, 1515093367]
FROZEN_INT = 1016651428
FROZEN_DRAWS = [654, 595, 801, 597]
PARTS = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=8))
PATHS = st.tuples(st.integers(0, 2**63), st.lists(PARTS, max_size=4).map(tuple))


@settings(deadline=None)
@given(PATHS, PATHS)
def test_equal_paths_give_equal_streams_and_others_do_not(a, b) -> None:
    (seed_a, path_a), (seed_b, path_b) = a, b
    same = repr(a) == repr(b)
    assert np.array_equal(rng.seed_words(seed_a, *path_a), rng.seed_words(seed_a, *path_a))
    assert np.array_equal(rng.seed_words(seed_a, *path_a), rng.seed_words(seed_b, *path_b)) == same
    draws = [rng.generator(seed, *path).integers(0, 2**62) for seed, path in (a, b)]
    assert (draws[0] == draws[1]) == same


def test_parts_do_not_run_together() -> None:
    paths = [("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"), (3,), (3.0,), ("3",), (), ("",), ("", "")]
    assert len({tuple(rng.seed_words(1, *path)) for path in paths}) == len(paths)
    assert not np.array_equal(rng.seed_words(1, 2), rng.seed_words(12))


def test_seeds_have_the_types_and_ranges_that_libraries_take() -> None:
    words = np.stack([rng.seed_words(1, "range", n) for n in range(500)])
    assert words.shape == (500, 2)
    assert words.dtype == np.int32
    assert words.min() < -(2**30) < 2**30 < words.max()  # all 32 bits are used
    ints = [rng.seed_int(1, "range", n) for n in range(500)]
    assert all(type(n) is int and 0 <= n < 2**31 for n in ints)
    assert len(set(ints)) == 500


def test_streams_are_frozen() -> None:
    """Stored sweeps and records can be gone on with only while a path names the same draws."""
    assert rng.seed_words(1, "link", -3.0, 7).tolist() == FROZEN_WORDS
    assert rng.seed_int(1, "link", -3.0, 7) == FROZEN_INT
    assert rng.generator(1, "mask", 7).integers(0, 1000, 4).tolist() == FROZEN_DRAWS


def test_streams_do_not_depend_on_the_process() -> None:
    code = "from sc_sionna.core import rng; print(rng.seed_words(1, 'link', -3.0, 7).tolist())"
    command = [sys.executable, "-c", code]
    environment = {"PYTHONHASHSEED": "123", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(FROZEN_WORDS)


def test_neighbouring_streams_are_uncorrelated_and_uniform() -> None:
    streams, draws = 400, 500
    x = np.stack([rng.generator(1, "link", 3.0, batch).random(draws) for batch in range(streams)])
    n = x.size
    assert abs(x.mean() - 0.5) < 4 / np.sqrt(12 * n)
    assert abs(x.var() - 1 / 12) < 4 / np.sqrt(180 * n)  # the variance of a squared deviation is 1/180
    centred = (x - 0.5) * np.sqrt(12)
    between_batches = (centred[1:] * centred[:-1]).mean()
    assert abs(between_batches) < 4 / np.sqrt(n - draws)


def test_global_seeds_repeat_initial_weights() -> None:
    def weights(*path: rng.Part) -> np.ndarray:
        rng.set_global_seeds(3, *path)
        layer = keras.layers.Dense(4)
        layer.build((None, 5))
        return keras.ops.convert_to_numpy(layer.kernel)

    first = weights("train", "digits")
    assert np.array_equal(first, weights("train", "digits"))
    assert not np.array_equal(first, weights("train", "cifar10"))
