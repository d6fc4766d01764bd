"""The channel uses whose loss most often makes belief propagation fail, found by the attacker with the code alone.

The attacker runs the decoder on code words of its own, with random uses jammed, and learns which uses the failures have in
common: the cross-entropy method (Rubinstein 1999, doi:10.1023/A:1010091220143) over sets of uses. No link and no data goes
into it: the decoder fails as often for every code word, so the one of zeros stands for all.

An erasure is not what jamming does to a bit: the receiver does not know of the jammer, so that a jammed bit is often wrong
and looks certain. The uses whose *erasure* leaves most bits undecided, which a derivative of density evolution on the graph
finds, hold variables of high degree, and these their many checks correct: jamming them did less than jamming random uses.
"""

from __future__ import annotations

import numpy as np

from sc_sionna.core import rng
from sc_sionna.phy.layout import CodedUses

STARTS, ROUNDS = 4, 4
BITS = 400_000  # coded bits that are decoded in a round, and three times as many to compare what the starts have found
MOST_FRAMES, LEAST_FRAMES = 8192, 256
CERTAIN = 8.0  # magnitude of the LLR of a bit on a jammed use
GAIN = 2.0  # how far a round moves the odds of a use
_FOUND: dict[tuple[int, ...], np.ndarray] = {}  # answers, which depend on nothing but what they are kept under
# From mild to harsh: how often a bit on a jammed use is wrong, and the mean LLR of bits on the other uses
CONDITIONS = [
    *((float(wrong), 8.0) for wrong in np.geomspace(0.02, 0.5, 12)),
    *((0.5, float(mean)) for mean in np.geomspace(6.0, 0.25, 12)),
]


def costliest_uses(code: CodedUses, number: int) -> np.ndarray:
    """The ``number`` uses of a code word, counted from its first, whose jamming defeats the decoder most often.

    Jammer and noise are so strong that about half of the words fail, since there one use more makes most difference. The
    draws follow from the code and ``number``, so that the answer is always the same.
    """
    uses, decoder = code.num_uses, code.decoder
    if number >= uses:
        return np.arange(uses)
    key = decoder.graph.k, decoder.graph.n, decoder.num_iter, code.bits_per_use, code.copies, number
    if key not in _FOUND:
        _FOUND[key] = _search(code, number, rng.generator(0, "costliest uses", *key))
    return _FOUND[key]


def _search(code: CodedUses, number: int, generator: np.random.Generator) -> np.ndarray:
    """The cross-entropy method from several starts; of the sets found the one under which most fresh words fail."""
    condition = _critical(code, number, generator)
    found = [_climb(code, number, condition, generator) for _ in range(STARTS)]
    frames = 3 * _frames(code)
    defeated = []
    for chosen in found:
        jammed = np.zeros((frames, code.num_uses), bool)
        jammed[:, chosen] = True
        defeated.append(_fails(code, jammed, condition, generator).sum())
    return found[int(np.argmax(defeated))]


def _frames(code: CodedUses) -> int:
    return int(np.clip(BITS // (code.num_uses * code.bits_per_use), LEAST_FRAMES, MOST_FRAMES))


def _climb(code: CodedUses, number: int, condition: tuple[float, float], generator: np.random.Generator) -> np.ndarray:
    """Uses that occur more often in failures than in draws are drawn more often from then on."""
    odds, frames = np.zeros(code.num_uses), _frames(code)
    for _ in range(ROUNDS):
        jammed = _draw(odds, number, frames, generator)
        failed = _fails(code, jammed, condition, generator)
        if 0 < failed.sum() < frames:
            seen, in_failures = jammed.mean(axis=0) + 1 / frames, jammed[failed].mean(axis=0) + 1 / frames
            odds += GAIN * np.log(in_failures / seen)
    return np.argsort(-odds, kind="stable")[:number]


def _critical(code: CodedUses, number: int, generator: np.random.Generator) -> tuple[float, float]:
    """The mildest condition under which jamming random uses makes half of the words fail, or the harshest that there is."""
    jammed = _draw(np.zeros(code.num_uses), number, LEAST_FRAMES, generator)
    fitting = (c for c in CONDITIONS if _fails(code, jammed, c, generator).mean() >= 0.5)
    return next(fitting, CONDITIONS[-1])


def _draw(odds: np.ndarray, number: int, frames: int, generator: np.random.Generator) -> np.ndarray:
    """Sets of uses bool ``[frames, uses]``, drawn without replacement with weights exp(odds) (Gumbel top-k)."""
    keys = odds + generator.gumbel(size=(frames, len(odds)))
    jammed = np.zeros(keys.shape, bool)
    np.put_along_axis(jammed, np.argsort(-keys, axis=1)[:, :number], True, axis=1)
    return jammed


def _fails(
    code: CodedUses, jammed: np.ndarray, condition: tuple[float, float], generator: np.random.Generator
) -> np.ndarray:
    """Whether the decoder fails on the word of zeros, bool ``[frames]``; LLRs are ln P(1)/P(0), so right ones negative."""
    wrong, clean = condition
    shape = (*jammed.shape, code.bits_per_use)
    noise = generator.standard_normal(shape, np.float32)
    certain = np.where(generator.random(shape, np.float32) < wrong, CERTAIN, -CERTAIN)
    llr = np.where(jammed[..., None], certain, noise * np.sqrt(2 * clean) - clean)
    decoded = code.decoder.decode(code.to_code_word(llr.astype(np.float32)))
    return np.asarray(decoded.bits.any(axis=1))
