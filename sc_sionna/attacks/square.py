"""The Square attack: random search that sees logits only."""

from __future__ import annotations

import numpy as np

from sc_sionna.attacks.adaptive_settings import AdaptiveSettings
from sc_sionna.attacks.ball import project_on_host
from sc_sionna.attacks.objective import Objective, as_inputs
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.tensor import Tensor
from sc_sionna.tasks.classification import margin

# Share of the pixels at query q of 10 000 is 0.8 / 2^(number of these that q has passed), Andriushchenko et al.
SQUARE_SHARE = 0.8
SQUARE_STAGES = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


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

    def __call__(self, images: Tensor, labels: Tensor, epsilon: float, generator: np.random.Generator) -> np.ndarray:
        """Noisy images float32 ``[I, H, W, 3]`` in [0, 1] within ``epsilon``, after ``queries`` candidates for each."""
        clean, labels = as_inputs(images, labels)
        count, height, width, channels = clean.shape

        def noise(*size: int) -> np.ndarray:
            return np.where(generator.random((count, *size, channels)) < 0.5, -epsilon, epsilon).astype(np.float32)

        target = self.objective.target(clean, labels, generator)
        best = project_on_host(clean + noise(1, width), clean, epsilon, "linf")  # vertical stripes
        side = 0
        for query in range(self.settings.queries):
            if self.side(query, height, width) != side:
                side = self.side(query, height, width)
                draw = self.objective.draw(count, generator)
                best_loss = self.objective.losses(best, target, draw)
            rows = _window(generator.integers(0, height - side + 1, count), side, height)
            columns = _window(generator.integers(0, width - side + 1, count), side, width)
            inside = (rows[:, :, None] & columns[:, None, :])[..., None]
            candidate = project_on_host(np.where(inside, clean + noise(1, 1), best), clean, epsilon, "linf")
            loss = self.objective.losses(candidate, target, draw)
            better = loss > best_loss
            best[better], best_loss[better] = candidate[better], loss[better]
        return best


def _window(starts: np.ndarray, side: int, size: int) -> np.ndarray:
    """Which of ``size`` places lie in ``[start, start + side)``: bool ``[I, size]``."""
    places = np.arange(size) - starts[:, None]
    return (places >= 0) & (places < side)
