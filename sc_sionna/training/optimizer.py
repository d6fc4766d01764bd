"""The optimiser of a stage with its schedule, and the precision that networks are built in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from sc_sionna.core.backend import BACKEND
from sc_sionna.core.errors import UserError
from sc_sionna.core.startup import bfloat16_problem
from sc_sionna.settings import TrainSettings


def make_optimizer(model: keras.Model, settings: TrainSettings, epochs: int, steps_per_epoch: int) -> Any:
    """AdamW with linear warm-up and a cosine to 1 % of the peak learning rate over all steps of a stage."""
    warmup = int(min(settings.warmup_epochs, epochs / 2) * steps_per_epoch)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        max(1, epochs * steps_per_epoch - warmup),
        alpha=0.01,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, global_clipnorm=settings.clip_norm)
    # the codebook, positions, norms and biases live on scales of their own
    optimizer.exclude_from_weight_decay(
        var_list=[v for v in model.trainable_variables if len(v.shape) < 2 or not v.path.endswith("kernel")]
    )
    return optimizer


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Build layers under a Keras precision policy and restore the previous one; UserError where it cannot run here."""
    problem = bfloat16_problem(BACKEND) if policy == "mixed_bfloat16" else None
    if problem is not None:
        raise UserError(f"train.precision = {policy}: {problem}")
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)
