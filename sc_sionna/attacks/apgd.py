"""Auto-PGD: gradient ascent that sets its own step sizes."""

from __future__ import annotations

import numpy as np
from keras import ops

from sc_sionna.attacks.adaptive_settings import AdaptiveSettings
from sc_sionna.attacks.ball import ascent_direction, project_on_host, random_start
from sc_sionna.attacks.objective import Loss, Objective, as_inputs
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.tensor import Tensor


class Apgd:
    """Auto-PGD in the ℓ∞ ball (Croce & Hein 2020, arXiv:2003.01690).

    Momentum is 0.75. The step is 2ε at first and halved for an image whose loss stalls at a checkpoint, which then goes on
    from its best point. Of all restarts the best point counts.

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

    def __call__(self, images: Tensor, labels: Tensor, epsilon: float, generator: np.random.Generator) -> np.ndarray:
        """Noisy images float32 ``[I, H, W, 3]`` in [0, 1] within ``epsilon``, of each the best that a restart found."""
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
            direction = ops.convert_to_numpy(ascent_direction(gradient, "linf"))
            ahead = project_on_host(x + step * direction, clean, epsilon, "linf")
            moved = project_on_host(x + share * (ahead - x) + (1.0 - share) * (x - previous), clean, epsilon, "linf")
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
