"""Stronger attacks than the paper's, for the claim of robustness itself: APGD, relaxations, transfer, Square."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sc_sionna.attacks.adaptive_settings import AdaptiveSettings
from sc_sionna.attacks.apgd import Apgd
from sc_sionna.attacks.objective import Loss
from sc_sionna.attacks.square import Square
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.tasks.classification import cross_entropy_per_image, margin

Attack = Callable[[Tensor, Tensor, float, np.random.Generator], np.ndarray]


def cross_entropy_with_importance(outputs: dict[str, Any], labels: Tensor, reference: Tensor) -> Tensor:
    """Cross entropy of the task and of every feature importance module: ``[B]``."""
    modules = outputs.get("importance_logits", ())
    losses = [
        cross_entropy_per_image({"logits": logits}, labels, reference) for logits in (outputs["logits"], *modules)
    ]
    return sum(losses[1:], start=losses[0])


APGD_LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy_with_importance, "margin": margin}


class AdaptiveSuite:
    """All attacks on one system, built once and called for each ε.

    victims : the system by the passes that an attacker can differentiate, for example ``straight-through``, ``soft`` and
        ``unquantised``. APGD runs on each with each loss, ``apgd-LOSS/VICTIM``. The first is the system as it runs;
        ``square`` queries that one, and the caller scores all images on it.
    """

    def __init__(self, victims: Mapping[str, Victim], settings: AdaptiveSettings | None = None) -> None:
        if not victims:
            raise UserError("victims: none given; the adaptive suite needs at least the system as it runs")
        settings = settings or AdaptiveSettings()
        self.attacks: dict[str, Attack] = {
            f"apgd-{name}/{which}": Apgd(victim, loss, settings)
            for which, victim in victims.items()
            for name, loss in APGD_LOSSES.items()
        }
        self.attacks["square"] = Square(next(iter(victims.values())), settings)

    def __call__(
        self, images: Tensor, labels: Tensor, epsilon: float, generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Noisy images ``[I, H, W, 3]`` by the name of the attack; UserError for an ``epsilon`` outside [0, 1]."""
        if not 0.0 <= epsilon <= 1.0:
            raise UserError(f"epsilon = {epsilon}: ℓ∞ noise on the [0, 1] pixel scale; set it from 0 to 1")
        return {name: attack(images, labels, epsilon, generator) for name, attack in self.attacks.items()}
