"""Where semantic noise hits: the statistics that noise-related masking is built on (Sec. III-A2)."""

from __future__ import annotations

import numpy as np

from sc_sionna.attacks.objective import Objective, as_inputs
from sc_sionna.attacks.victim import Victim
from sc_sionna.semantic.masking import gradient_energy
from sc_sionna.tasks.classification import CROSS_ENTROPY


def noise_energy(
    victim: Victim,
    images: np.ndarray,
    labels: np.ndarray,
    patch_size: int,
    generator: np.random.Generator,
    draws: int = 4,
    batch_size: int = 64,
) -> np.ndarray:
    """Mean squared gradient of the cross entropy at each patch position, relative to their mean: float64 ``[P]``.

    images ``[I, H, W, 3]`` in [0, 1] and labels ``[I]`` are training images: the test split stays unseen. Averaged over
    ``draws`` of the mask per image; a patch that a draw masks has no gradient in it.
    """
    images, labels = as_inputs(images, labels)
    objective = Objective(victim, CROSS_ENTROPY, draws, batch_size)
    target = objective.target(images, labels, generator)
    _, gradient = objective.gradient(images, target, objective.draw(len(images), generator))
    energy = gradient_energy(gradient, patch_size)
    return energy / (energy.mean() or 1.0)
