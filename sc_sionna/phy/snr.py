"""The only place where decibels become a noise variance."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.settings import LinkSettings

MAX_DB = 200.0  # beyond it single precision loses the signal or the noise


def noise_variance(snr_db: float | Tensor) -> Tensor:
    """Noise variance per receive antenna, ``no = 10^(-snr_db/10)``, for unit total transmit power: float32.

    Values give a NumPy array and must lie within ±``MAX_DB`` (else UserError); a symbolic tensor inside ``tf.function``
    gives a tensor.
    """
    if tf.is_tensor(snr_db) and not hasattr(snr_db, "numpy"):
        return tf.pow(10.0, -tf.cast(snr_db, tf.float32) / 10.0)
    snr_db = np.asarray(snr_db, dtype=np.float64)
    if not (np.abs(snr_db) <= MAX_DB).all():  # also false for NaN
        raise UserError(f"snr_db = {snr_db}: not finite, or beyond ±{MAX_DB:g} dB; give the SNR in dB, such as 3")
    return (10.0 ** (-snr_db / 10.0)).astype(np.float32)


def es_no_db(settings: LinkSettings, snr_db: float) -> float:
    """Energy per QAM symbol of one stream over N0, in dB: the power is shared by the streams."""
    return snr_db - 10.0 * float(np.log10(settings.num_streams))


def eb_no_db(settings: LinkSettings, snr_db: float) -> float:
    """Energy per information bit over N0, in dB, at the nominal code rate (1 if uncoded)."""
    rate = settings.coderate if settings.coded else 1.0
    return es_no_db(settings, snr_db) - 10.0 * float(np.log10(settings.bits_per_symbol * rate))
