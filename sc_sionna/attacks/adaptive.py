"""Stronger attacks than the paper's, for the claim of robustness itself: APGD, relaxations, transfer, Square."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pydantic import Field

from sc_sionna.attacks.objective import Loss, Objective, cross_entropy, margin
from sc_sionna.attacks.source import as_inputs, ascent_direction, project, random_start
from sc_sionna.attacks.victim import Victim
from sc_sionna.config import Settings
from sc_sionna.errors import UserError

Attack = Callable[[Any, Any, float, np.random.Generator], np.ndarray]
# Square: share of the pixels at query q of 10 000 is 0.8 / 2^(number of these that q has passed), Andriushchenko et al.
SQUARE_SHARE = 0.8
SQUARE_STAGES = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


class AdaptiveSettings(Settings):
    """Effort of the adaptive suite; the budget is ℓ∞ and given per call."""

    steps: int = Field(30, ge=2, description="the gradient steps of a run of APGD")
    restarts: int = Field(2, ge=1, description="the runs of APGD, each from a random point of the ball")
    draws: int = Field(
        20, ge=1, description="the draws of mask and channel that each loss and gradient is averaged over"
    )
    queries: int = Field(200, ge=1, description="the candidates that Square tries per image, `draws` passes each")
    batch_size: int = Field(16, ge=1, description="images per pass, each repeated `draws` times")


def cross_entropy_with_importance(outputs: dict[str, Any], labels: Any, reference: Any) -> Any:
    """Cross entropy of the task and of every feature importance module: ``[B]``."""
    modules = outputs.get("importance_logits", ())
    losses = [cross_entropy({"logits": logits}, labels, reference) for logits in (outputs["logits"], *modules)]
    return sum(losses[1:], start=losses[0])


LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy_with_importance, "margin": margin}


class Apgd:
    """Auto-PGD in the ℓ∞ ball (Croce & Hein 2020, arXiv:2003.01690, Alg. 1): momentum 0.75, a step from 2ε that is halved
    for an image whose loss stalls at a checkpoint, going on from its best point. Of all restarts the best point counts.

    Every gradient has fresh draws, so "best" is by the mean loss over ``draws`` of them. A run of K steps costs K + 1
    forward and backward passes.
    """

    momentum, stalled = 0.75, 0.75

    def __init__(self, victim: Victim, loss: Loss, settings: AdaptiveSettings) -> None:
        self.settings = settings
        self.objective = Objective(victim, loss, settings.draws, settings.batch_size)

    def checkpoints(self) -> set[int]:
        """Steps at which the step size is judged: at 22 % of them, then ever closer, down to 6 % apart."""
        percent = [0, 22]
        while percent[-1] < 100:
            percent.append(percent[-1] + max(percent[-1] - percent[-2] - 3, 6))
        return {-(-place * self.settings.steps // 100) for place in percent[1:]}

    def __call__(self, images: Any, labels: Any, epsilon: float, generator: np.random.Generator) -> np.ndarray:
        clean, labels = as_inputs(images, labels)
        runs = [self._run(clean, labels, epsilon, generator) for _ in range(self.settings.restarts)]
        winner = np.argmax([loss for _, loss in runs], axis=0)
        return np.stack([x for x, _ in runs])[winner, np.arange(len(clean))]

    def _run(
        self, clean: np.ndarray, labels: np.ndarray, epsilon: float, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Best images of one run and their losses ``[I]``."""
        target = self.objective.target(clean, labels, generator)

        def evaluate(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.objective.gradient(x, target, self.objective.draw(len(x), generator))

        x = previous = random_start(clean, epsilon, "linf", generator)
        loss, gradient = evaluate(x)
        best, best_loss, best_gradient = x.copy(), loss.copy(), gradient.copy()
        step = np.full((len(x), 1, 1, 1), 2.0 * epsilon, np.float32)
        checkpoints, last_check = self.checkpoints(), 0
        rises, checked_loss, halved = np.zeros(len(x), int), best_loss.copy(), np.ones(len(x), bool)
        for k in range(1, self.settings.steps + 1):
            share = self.momentum if k > 1 else 1.0
            ahead = project(x + step * ascent_direction(gradient, "linf"), clean, epsilon, "linf")
            moved = project(x + share * (ahead - x) + (1.0 - share) * (x - previous), clean, epsilon, "linf")
            previous, x, old_loss = x, moved, loss
            loss, gradient = evaluate(x)
            rises += loss > old_loss
            better = loss > best_loss
            best[better], best_loss[better], best_gradient[better] = x[better], loss[better], gradient[better]
            if k in checkpoints:
                halved = (rises < self.stalled * (k - last_check)) | (~halved & (best_loss <= checked_loss))
                step[halved] /= 2.0
                x[halved], loss[halved], gradient[halved] = best[halved], best_loss[halved], best_gradient[halved]
                previous = np.where(halved[:, None, None, None], x, previous)
                rises, checked_loss, last_check = np.zeros(len(x), int), best_loss.copy(), k
        return best, best_loss


class Square:
    """Square attack in the ℓ∞ ball (Andriushchenko et al. 2020, arXiv:1912.00049): random search, black box.

    It sees logits only. A candidate recolours one square of the noise with ±ε per channel and is kept if the margin,
    averaged over ``draws``, rises. Squares shrink on the paper's schedule; draws are held while the size lasts, so that
    candidates compete on equal terms, and then renewed, so that the noise does not fit the draws.
    """

    def __init__(self, victim: Victim, settings: AdaptiveSettings) -> None:
        self.settings = settings
        self.objective = Objective(victim, margin, settings.draws, settings.batch_size)

    def side(self, query: int, height: int, width: int) -> int:
        """Side of the square at a query, in pixels."""
        stage = np.searchsorted(SQUARE_STAGES, 10_000 * query / self.settings.queries)
        side = round(np.sqrt(SQUARE_SHARE / 2.0**stage * height * width))
        return int(np.clip(side, 1, min(height, width)))

    def __call__(self, images: Any, labels: Any, epsilon: float, generator: np.random.Generator) -> np.ndarray:
        clean, labels = as_inputs(images, labels)
        count, height, width, channels = clean.shape

        def noise(*size: int) -> np.ndarray:
            return np.where(generator.random((count, *size, channels)) < 0.5, -epsilon, epsilon).astype(np.float32)

        target = self.objective.target(clean, labels, generator)
        best = project(clean + noise(1, width), clean, epsilon, "linf")  # vertical stripes
        side = 0
        for query in range(self.settings.queries):
            if self.side(query, height, width) != side:
                side = self.side(query, height, width)
                draw = self.objective.draw(count, generator)
                best_loss = self.objective.losses(best, target, draw)
            rows = _window(generator.integers(0, height - side + 1, count), side, height)
            columns = _window(generator.integers(0, width - side + 1, count), side, width)
            inside = (rows[:, :, None] & columns[:, None, :])[..., None]
            candidate = project(np.where(inside, clean + noise(1, 1), best), clean, epsilon, "linf")
            loss = self.objective.losses(candidate, target, draw)
            better = loss > best_loss
            best[better], best_loss[better] = candidate[better], loss[better]
        return best


def _window(starts: np.ndarray, side: int, size: int) -> np.ndarray:
    """Which of ``size`` places lie in ``[start, start + side)``: bool ``[I, size]``."""
    places = np.arange(size) - starts[:, None]
    return (places >= 0) & (places < side)


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
            for name, loss in LOSSES.items()
        }
        self.attacks["square"] = Square(next(iter(victims.values())), settings)

    def __call__(
        self, images: Any, labels: Any, epsilon: float, generator: np.random.Generator
    ) -> dict[str, np.ndarray]:
        if not 0.0 <= epsilon <= 1.0:
            raise UserError(f"epsilon = {epsilon}: ℓ∞ noise on the [0, 1] pixel scale; set it from 0 to 1")
        return {name: attack(images, labels, epsilon, generator) for name, attack in self.attacks.items()}


def adaptive_suite(
    victims: Mapping[str, Victim],
    images: Any,
    labels: Any,
    epsilon: float,
    generator: np.random.Generator,
    settings: AdaptiveSettings | None = None,
) -> dict[str, np.ndarray]:
    """Adversarial images ``[I, H, W, 3]`` by the attack's name: one call of an :class:`AdaptiveSuite`."""
    return AdaptiveSuite(victims, settings)(images, labels, epsilon, generator)


def worst_case(correct: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of each image what survives all attacks: minimum over attacks of ``[I]`` booleans or accuracies over draws."""
    if not correct:
        raise UserError("correct: no attack was scored; an image is robust only against attacks that were run")
    return np.minimum.reduce([np.asarray(value) for value in correct.values()])
