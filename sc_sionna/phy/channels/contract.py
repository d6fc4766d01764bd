"""What a channel model must keep to, checked once when a link is built with it, and its energy, measured."""

from __future__ import annotations

import json
from functools import cache, partial
from typing import Any

import numpy as np
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.base import ChannelModel
from sc_sionna.phy.channels.build import build_model

SEED = 2022  # fixed, so that a model has one measured energy
IMAGES = 1024  # realisations of a draw
MOST_ENTRIES = 2**17  # of the matrices of a draw: models with paths need many times their memory
STANDARD_ERROR = 0.004  # of the measured energy, relative: draws stop there


def _refuse(name: str, what: str) -> UserError:
    return UserError(f"channel = {name!r}: {what}")


def check_draw(name: str, h: Any, num_rx_ant: int, num_tx_ant: int) -> None:
    """UserError unless a drawn ``h`` is a complex64 tensor ``[batch, realisations, rx, tx]``, whatever its values."""
    wanted = f"a channel model returns a complex64 tensor [batch, realisations, {num_rx_ant}, {num_tx_ant}]"
    if not tf.is_tensor(h):
        raise _refuse(name, f"drew {type(h).__name__}; {wanted}, drawn with tf.random.stateless_* from its seed")
    if h.dtype != tf.complex64 or not h.shape.is_compatible_with([None, None, num_rx_ant, num_tx_ant]):
        raise _refuse(name, f"drew {h.dtype.name} {h.shape}; {wanted}")


def _draw(model: ChannelModel, name: str, batch: int | Tensor, seed: Tensor, realisations: int = 2) -> tf.Tensor:
    try:
        h = model(batch, realisations, seed)
    except (NotImplementedError, TypeError, ValueError, AttributeError, tf.errors.OpError) as error:
        raise _refuse(
            name,
            f"cannot be drawn ({type(error).__name__}: {(str(error).splitlines() or [''])[0]}); "
            "write call(batch_size, num_realisations, seed) with TensorFlow operations that work inside tf.function",
        ) from None
    check_draw(name, h, model.num_rx_ant, model.num_tx_ant)
    return h


@cache
def measure_energy(cls: Any, name: str, num_rx_ant: int, num_tx_ant: int, args: str = "{}") -> float:
    """Mean of |h|² over entries and realisations of a model class, which keeps the contract of :class:`ChannelModel`.

    args : arguments of the model as JSON

    Drawn with fixed seeds, until the standard error of the mean over realisations is 0.4 % or ``energy_draws`` are made.

    Raises
    ------
    UserError for matrices of another type or shape, that are not finite, or that differ for the same seed.
    """
    model = build_model(cls, name, num_rx_ant, num_tx_ant, json.loads(args))
    images = min(IMAGES, max(16, MOST_ENTRIES // (num_rx_ant * num_tx_ant)))
    seed = tf.constant([SEED, 0], tf.int32)
    first, again = (_draw(model, name, 8, seed).numpy() for _ in range(2))
    draw = tf.function(  # a partial of its own: TensorFlow counts traces per code object and would warn
        partial(_draw, model, name),
        input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32)],
        autograph=False,
    )
    in_graph = draw(tf.constant(8), seed).numpy()
    if first.shape[:2] not in ((8, 1), (8, 2)):
        raise _refuse(name, f"drew {first.shape} for 8 images of 2 realisations; return 2 of them, or 1 for all uses")
    energies: list[np.ndarray] = []
    for number in range(cls.energy_draws):
        h = draw(tf.constant(images), tf.constant([SEED, number], tf.int32)).numpy()[:, 0]
        if not np.isfinite(h).all():
            raise _refuse(name, "drew a matrix that is not finite; check the model for overflow and divisions by 0")
        energies.append((np.abs(h.astype(np.complex128)) ** 2).mean(axis=(1, 2)))
        energy = np.concatenate(energies)
        if energy.std() <= STANDARD_ERROR * energy.mean() * np.sqrt(len(energy)):
            break
    same = np.array_equal(first, again) and np.allclose(first, in_graph, rtol=1e-4, atol=1e-5 * np.abs(first).max())
    if not same:
        raise _refuse(
            name, "drew other matrices for the same seed; draw with tf.random.stateless_* from the seed alone"
        )
    return float(energy.mean())
