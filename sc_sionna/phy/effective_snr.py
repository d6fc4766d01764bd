"""The SNR of an AWGN channel that serves a code word as well as the unequal streams of a realisation do.

A code word whose symbols meet different SNRs is decoded about as often as over AWGN with the same mean mutual information
per symbol: mutual-information effective SNR mapping (MIESM; Brueninghaus et al. 2005, doi:10.1109/PIMRC.2005.1651855; IEEE
802.16m-08/004r5, 4.3). The information is that of bit-interleaved coded modulation, which the demapper's LLRs carry (Caire
et al. 1998, doi:10.1109/18.669123, (15)): of an m-bit symbol m - Σ_b E[log2(Σ_x p(y|x) / Σ_{x: b(x) = sent} p(y|x))].
"""

from __future__ import annotations

from functools import cache

import numpy as np
from sionna.phy.mapping import Constellation

from sc_sionna.settings import BITS_PER_SYMBOL

GRID_DB = np.arange(-40.0, 50.0, 0.25)  # SNRs per symbol between which the information is interpolated
DEVIATIONS, NODES = 8.0, 257  # of the noise, over which the expectation is taken
LEAST_LOSS = 1e-15  # in bits; where less is lost the numbers are those of rounding


@cache
def _levels(modulation: str) -> tuple[np.ndarray, np.ndarray]:
    """The levels of one real dimension of 5G's Gray QAM ``[L]``, and their bits bool ``[m/2, L]`` (TS 38.211, 5.1)."""
    num_bits = BITS_PER_SYMBOL[modulation]
    points = np.asarray(Constellation("qam", num_bits, precision="double").points)
    words = (np.arange(len(points))[:, None] >> np.arange(num_bits - 1, -1, -1)) & 1
    real = (words[:, 1::2] == 0).all(axis=1)  # one point per level of the real part
    return points[real].real, words[real, ::2].T.astype(bool)


@cache
def _log_losses(modulation: str) -> tuple[np.ndarray, np.ndarray]:
    """SNRs in dB, rising, and ln of the bits that a symbol lacks of all m there, falling."""
    levels, bits = _levels(modulation)
    t = np.linspace(-DEVIATIONS, DEVIATIONS, NODES)
    weights = np.exp(-(t**2) / 2)
    weights /= weights.sum()
    losses = []
    for snr_db in GRID_DB:
        no = 10 ** (-snr_db / 10)
        y = levels[:, None] + np.sqrt(no / 2) * t  # [L, nodes], half of the noise on each dimension
        metric = -((y[..., None] - levels) ** 2) / no + t[:, None] ** 2 / 2  # [L, nodes, L], 0 for the sent level
        likelihood = np.exp(metric)
        lacking = 0.0
        for one in bits:
            other = (likelihood * (one != one[:, None])[:, None, :]).sum(axis=-1)  # [L, nodes]
            same = (likelihood * (one == one[:, None])[:, None, :]).sum(axis=-1)
            lacking += np.log1p(other / same) @ weights
        losses.append(2 * np.mean(lacking) / np.log(2.0))  # two dimensions
    found = np.array(losses)
    kept = found > LEAST_LOSS
    return GRID_DB[kept], np.log(found[kept])


def bit_information(modulation: str, snr_db: np.ndarray) -> np.ndarray:
    """Mutual information of bit-interleaved coded modulation in bits per symbol at SNRs per symbol in dB, as ``snr_db``."""
    grid, log_losses = _log_losses(modulation)
    return np.asarray(BITS_PER_SYMBOL[modulation] - np.exp(np.interp(snr_db, grid, log_losses)))


def snr_of_information(modulation: str, information: float) -> float:
    """The SNR per symbol in dB at which a modulation carries so many bits per symbol: the inverse."""
    grid, log_losses = _log_losses(modulation)
    return float(np.interp(-np.log(BITS_PER_SYMBOL[modulation] - information), -log_losses, grid))


def effective_snr_db(modulation: str, snr: np.ndarray) -> np.ndarray:
    """The SNR in dB at which AWGN gives the mean information of streams of equal length, float64 ``[...]``.

    snr : linear, of every stream after the receiver's filter, ``[..., S]``

    What streams lack of m bits is averaged and not what they carry: it keeps its precision where hardly anything is lacking.
    """
    grid, log_losses = _log_losses(modulation)
    with np.errstate(divide="ignore"):
        snr_db = 10.0 * np.log10(np.asarray(snr, np.float64))
    lacking = np.exp(np.interp(snr_db, grid, log_losses)).mean(axis=-1)
    return np.asarray(np.interp(-np.log(lacking), -log_losses, grid))
