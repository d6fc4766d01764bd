"""One flipped bit in a store: refused, or without effect on a result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sc_sionna.core import rng
from sc_sionna.reliability.outcome import Outcome
from sc_sionna.sweep import Outcome as Measured
from sc_sionna.sweep import Point, PointResult, StopRule, run_sweep
from sc_sionna.sweep.metrics import ACCURACY

SETTINGS = {"kind": "reliability", "seed": 5}
POINTS = [Point(name, snr_db, threat) for snr_db in (-3.0, 2.0) for name in ("a", "b") for threat in (None, "noise")]
STOP = StopRule(half_width=0.03, errors=120, max_batches=8, min_batches=2)
IMAGES = 40
IN_VALUES = 0.5  # the share of the flips that hit the text of a row's counts, of its scores, or of its hits


def evaluate(point: Point, batch: int) -> Measured:
    """Images that are right with a probability of the point, and a score of each; the draws have the path (SNR, batch)."""
    random = rng.generator(5, "reliability", point.snr_db, batch)
    score = random.random(IMAGES)
    right = score < 0.6 + point.snr_db / 10
    counts = {"images": IMAGES, "correct": int(right.sum())}
    return Measured(counts, {"score": score.astype(np.float32)}, {"correct": right})


def run(store: Path, work: Callable[[Point, int], Measured] = evaluate) -> list[PointResult]:
    """The sweep that all stores of this module are of."""
    return run_sweep(
        POINTS, work, store_path=store, run_settings=SETTINGS, stop=STOP, metric=ACCURACY,
        crafted=lambda point, batch: None if point.threat is None else f"{point.system} {batch}",
    )  # fmt: skip


def flip_bits(count: int, random: np.random.Generator, folder: Path) -> Outcome:
    """Flip ``count`` single bits of a finished store, half of them in values, and go on with each copy."""
    path, outcome = folder / "s.sqlite", Outcome("stores, flipped bits")
    expected = run(path)
    whole = path.read_bytes()
    values: list[list[int]] = [[], [], []]
    texts = (b'{"correct": ', b'{"score": "', b'{"correct": "')
    for places, text, length in zip(values, texts, (2, 8 * IMAGES, IMAGES // 4), strict=True):
        at = whole.find(text)
        while at >= 0:
            places += list(range(at + len(text), at + len(text) + length))
            at = whole.find(text, at + 1)
    for _ in range(count):
        targets = values[random.integers(len(values))] if random.random() < IN_VALUES else np.arange(len(whole))
        place = int(random.choice(targets))
        bit = int(random.integers(8))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        for file in folder.glob("s.sqlite*"):
            file.unlink()
        path.write_bytes(damaged)
        outcome.add(f"bit {bit} of byte {place}", lambda: run(path) == expected)
    return outcome
