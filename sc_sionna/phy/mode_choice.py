"""The mode that an adaptive link chooses, from block error rates that were measured or predicted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.phy.mode_table import ModeTable
from sc_sionna.phy.modes import Mode

MOST_LOST = 0.5  # of the blocks of a mode that is chosen for what it is worth


class Choice(NamedTuple):
    """A mode, and the information bits that it carries."""

    mode: Mode
    num_bits: int


def choose_mode(table: ModeTable, snr_db: float, wanted_bits: int, target_bler: float) -> Choice:
    """The mode that carries most of ``wanted_bits`` at an SNR with a block error rate of at most ``target_bler``.

    Of several that carry equally much of it the one with the lowest block error rate, then the one with the lowest mean rate
    over all SNRs: a robust mode is taken where it carries what is to be sent. Where none meets the target, and below the
    table, the mode with the lowest block error rate, of several the one that carries most. Between SNRs of the table the
    next lower one decides.

    Raises
    ------
    UserError for an SNR that is not finite, less than 1 bit, and a target outside 0 to 1.
    """
    if not np.isfinite(snr_db):
        raise UserError(f"snr_db = {snr_db}: not finite; give the SNR in dB, such as 3")
    if wanted_bits < 1:
        raise UserError(f"wanted_bits = {wanted_bits}: at least 1 is to be sent")
    if not 0 < target_bler < 1:
        raise UserError(f"target_bler = {target_bler}: a block error rate lies between 0 and 1; set for example 0.1")
    rates = table.rates_at(snr_db)
    robust = -table.rates.mean(axis=1, keepdims=True)
    carried = np.minimum(table.num_bits, wanted_bits)
    if rates is None:
        best = most_carried(table.rates[:, :1], robust, carried, -1.0)
    else:
        best = most_carried(rates[:, None], robust, carried, target_bler)
    return Choice(table.modes[best[0]], int(table.num_bits[best[0]]))


def most_carried(rates: np.ndarray, robust: np.ndarray, carried: np.ndarray, target_bler: float) -> np.ndarray:
    """For each of B cases the number of the mode that carries most at a target, int64 ``[B]``; as :func:`choose_mode`.

    rates, robust : block error rates, and what is larger for a more robust mode, ``[M, B]``; carried : bits ``[M]``
    """
    carried = np.broadcast_to(carried[:, None].astype(np.float64), rates.shape)
    met = rates <= target_bler
    # the last key of lexsort decides first
    most = np.lexsort((robust, -rates, np.where(met, carried, -np.inf)), axis=0)[-1]
    safest = np.lexsort((robust, carried, -rates), axis=0)[-1]
    return np.where(met.any(axis=0), most, safest)


def best_mode(table: ModeTable, snr_db: float, worth: np.ndarray, lost: np.ndarray) -> Mode:
    """The mode of most expected worth at an SNR, (1 - p) w + p v with its block error rate p.

    worth, lost : w and v, what is gained where the bits of each mode arrive, and where their block fails, ``[M]``

    Modes that lose more than half of their blocks are left out where others are there: far below the cliff less is left
    than ``lost`` says. Of modes that differ by less than a block error in a thousand is worth, the most robust one. Between
    SNRs of the table the next lower one decides, below it the lowest.
    """
    rates = table.rates_at(snr_db)
    rates = table.rates[:, 0] if rates is None else rates
    return table.modes[most_worth(rates[:, None], -table.rates.mean(axis=1, keepdims=True), worth, lost)[0]]


def most_worth(rates: np.ndarray, robust: np.ndarray, worth: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """For each of B cases the number of the mode of most expected worth, int64 ``[B]``; as :func:`best_mode`.

    rates, robust : block error rates, and what is larger for a more robust mode, ``[M, B]``
    """
    expected = (1 - rates) * worth[:, None] + rates * lost[:, None]
    likely = rates <= MOST_LOST
    expected = np.where(likely | ~likely.any(axis=0), expected, -np.inf)
    near = expected >= expected.max(axis=0) - 1e-3 * max(worth.max() - lost.min(), 0.0)
    return np.where(near, robust, -np.inf).argmax(axis=0)
