"""What an ideal code could carry over the same channel: capacity by water-filling, and its outage form.

The capacity of a realisation known at both ends is the largest Σ log2(1 + p_i λ_i / no) over the powers p_i of its
eigenmodes with Σ p_i = 1; λ_i are the eigenvalues of H H^H (Telatar 1999, doi:10.1002/ett.4460100604). It is attained by
p_i = max(0, μ - no / λ_i) with the water level μ at which the powers sum to 1. Power and noise are those of the links: total
transmit power 1 in every channel use, noise variance ``no`` per receive antenna.

No scheme that separates source and channel coding carries more over a block that one realisation lasts, on average and with
vanishing error; a short block carries less. A block of a fixed rate is lost in outage, where the capacity of its realisation
is below the rate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sc_sionna.core.errors import UserError


def waterfilling_capacity(h: Any, no: Any) -> np.ndarray:
    """Capacity of every realisation in bits per channel use, float64 ``[...]``.

    h : ``[..., num_rx_ant, num_tx_ant]``, complex
    no : noise variance per receive antenna, above 0, broadcastable to ``[...]``

    Raises
    ------
    UserError for matrices that are not finite, and a noise variance that is not above 0.
    """
    h = np.asarray(h).astype(np.complex128)
    no = np.asarray(no, np.float64)
    if h.ndim < 2 or not np.isfinite(h).all():
        raise UserError(f"h of shape {h.shape}: finite matrices [..., receive antennas, transmit antennas] are wanted")
    if not ((no > 0) & np.isfinite(no)).all():
        raise UserError(f"no = {no}: a noise variance is above 0; take sc_sionna.phy.snr.noise_variance(snr_db)")
    gains = np.linalg.svd(h, compute_uv=False) ** 2 / np.asarray(no)[..., None]  # λ_i / no, the largest first
    with np.errstate(divide="ignore"):
        floors = 1.0 / gains  # the bottom of each vessel, rising; infinite for a mode without gain
    counts = np.arange(1, gains.shape[-1] + 1)
    levels = (1.0 + np.cumsum(floors, axis=-1)) / counts  # the water level where the first modes alone are filled
    # the largest set whose weakest mode is under water
    used = np.maximum((levels > floors).sum(axis=-1, keepdims=True), 1)
    level = np.take_along_axis(levels, used - 1, axis=-1)
    with np.errstate(invalid="ignore"):
        bits = np.log2(np.where(counts <= used, level * gains, 1.0))
    return np.where(gains[..., 0] > 0, np.maximum(bits, 0.0).sum(axis=-1), 0.0)


def ideal_bits(h: Any, no: Any, num_uses: int) -> np.ndarray:
    """Information bits that an ideal code carries in ``num_uses`` uses of each realisation, float64 ``[...]``.

    Realisations of one image add up: the mean over them where they last equally long. Inputs as for
    :func:`waterfilling_capacity`.
    """
    if num_uses < 1:
        raise UserError(f"num_uses = {num_uses}: at least 1 channel use is needed")
    return num_uses * waterfilling_capacity(h, no)


def outage_probability(capacity: Any, rate: Any) -> np.ndarray:
    """Share of the realisations whose capacity is below a rate, both in bits per channel use.

    capacity : ``[realisations]``; rate : a number or an array, whose shape the result has
    """
    capacity = np.sort(np.asarray(capacity, np.float64).ravel())
    if capacity.size == 0:
        raise UserError("capacity: no realisation; draw at least one")
    return np.searchsorted(capacity, np.asarray(rate, np.float64), side="left") / capacity.size


def outage_capacity(capacity: Any, probability: float) -> float:
    """The largest rate in bits per channel use at which the outage probability is at most ``probability``."""
    if not 0 <= probability < 1:
        raise UserError(f"probability = {probability}: an outage probability lies in [0, 1); set for example 0.1")
    capacity = np.sort(np.asarray(capacity, np.float64).ravel())
    if capacity.size == 0:
        raise UserError("capacity: no realisation; draw at least one")
    return float(capacity[int(np.floor(probability * capacity.size + 1e-9))])
