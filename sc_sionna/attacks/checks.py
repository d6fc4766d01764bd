"""Signs that robustness is only a masked gradient, each as a :class:`Finding` for the record.

Athalye et al. 2018, arXiv:1802.00420; Carlini et al. 2019, arXiv:1902.06705.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sc_sionna.attacks.objective import NO_GRADIENT, Objective, as_inputs
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.tasks import NOISE_LOSSES

ZERO = 1e-12  # a gradient whose largest entry is below this gives sign noise only
SAME = 0.99999  # cosine of gradients that are one and the same


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether it passed, and the measured numbers behind that."""

    name: str
    passed: bool
    detail: str


def gradient_health(
    victim: Victim, images: Tensor, labels: Tensor, generator: np.random.Generator, draws: int = 1, batch_size: int = 64
) -> list[Finding]:
    """Gradients of both classification losses at the given images: existing, finite, not zero, not constant.

    Constant means one direction, up to its sign, for all images: needs at least two. The cross entropy's gradient
    vanishes where the margin's does not in a system that is merely confident.
    """
    images, labels = as_inputs(images, labels)
    found: list[Finding] = []
    for loss in ("cross_entropy", "margin"):
        objective = Objective(victim, NOISE_LOSSES[loss], draws, batch_size)
        target = objective.target(images, labels, generator)
        try:
            _, gradient = objective.gradient(images, target, objective.draw(len(images), generator))
        except UserError as error:
            if str(error) != NO_GRADIENT:
                raise
            return [*found, Finding(f"{loss}: gradient exists", False, str(error))]
        rows = gradient.reshape(len(images), -1).astype(np.float64)
        finite = np.isfinite(rows).all(axis=1)
        zero = finite & (np.abs(rows).max(axis=1) < ZERO)
        found.append(
            Finding(f"{loss}: gradient is finite", bool(finite.all()), f"{(~finite).sum()} of {len(rows)} are not")
        )
        found.append(Finding(f"{loss}: gradient is not zero", not zero.any(), f"{zero.sum()} of {len(rows)} are zero"))
        sound = rows[finite & ~zero]
        if len(sound) > 1:
            unit = sound / np.linalg.norm(sound, axis=1, keepdims=True)
            cosine = float(np.abs(unit[1:] @ unit[0]).min())
            detail = f"smallest cosine to the first image's gradient {cosine:.5f}, limit {SAME}"
            found.append(Finding(f"{loss}: gradient is not constant", cosine < SAME, detail))
    return found


def findings(
    *,
    losses: Sequence[float] | np.ndarray,
    single_step: float,
    several_steps: float,
    random_noise: float,
    white_box: float,
    black_box: float,
    by_epsilon: Mapping[float, float],
    slack: float = 0.02,
    floor: float = 0.1,
) -> list[Finding]:
    """What measured numbers say; accuracies in [0, 1], all on the same images.

    losses : mean loss before each step of an attack of several steps, ``[K]`` or ``[K, I]`` as ``Crafted.losses``
    single_step, several_steps, random_noise : accuracy under FGSM, under the iterated attack, and under random signs
    white_box, black_box : accuracy under the gradient attacks together, and under Square, both with equal ε and draws
    by_epsilon : accuracy under one attack by ε, up to an ε that no image should survive
    slack : the difference in accuracy that counts as none
    floor : the accuracy that counts as "towards zero" at the largest ε; chance level where the channel itself guesses
    """
    path = np.asarray(losses, np.float64)
    path = path.reshape(len(path), -1).mean(axis=1)
    if len(path) < 2:
        raise UserError(f"losses: {len(path)} step; a rise needs at least 2, attack with steps >= 2")
    late = float(path[-max(1, len(path) // 3) :].mean())
    curve = sorted((float(e), float(a)) for e, a in by_epsilon.items())
    if len(curve) < 2:
        raise UserError(f"by_epsilon: {len(curve)} point; a fall needs at least 2 values of epsilon")
    accuracies = np.array([accuracy for _, accuracy in curve])
    rise = float(np.max(accuracies - np.minimum.accumulate(accuracies)))
    return [
        Finding(
            "loss rises with steps",
            bool(np.isfinite(path).all()) and late > float(path[0]),
            f"{path[0]:.4g} at the first step, {late:.4g} over the last third of {len(path)}",
        ),
        Finding(
            "several steps beat one",
            several_steps <= single_step + slack,
            f"accuracy {several_steps:.3f} after several, {single_step:.3f} after one",
        ),
        Finding(
            "random noise is weaker",
            random_noise > several_steps + slack or several_steps <= floor,
            f"accuracy {random_noise:.3f} under random signs, {several_steps:.3f} under the attack",
        ),
        Finding(
            "white box beats black box",
            white_box <= black_box + slack,
            f"accuracy {white_box:.3f} under gradient attacks, {black_box:.3f} under the black box",
        ),
        Finding(
            "accuracy falls as epsilon grows",
            rise <= slack,
            f"rises by at most {rise:.3f} between ε = {curve[0][0]:g} and {curve[-1][0]:g}",
        ),
        Finding(
            "accuracy goes towards zero",
            bool(accuracies[-1] <= floor),
            f"{accuracies[-1]:.3f} at ε = {curve[-1][0]:g}, limit {floor:g}",
        ),
    ]


def backward_pass(used: str, accuracies: Mapping[str, float], limit: float = 0.05) -> Finding:
    """Whether another way to differentiate the same system lowers the accuracy by more than ``limit``.

    If one does, the attack looks weaker than attackers are: its backward pass masks the gradient.

    used : name of the backward pass of the attack that a claim rests on
    accuracies : accuracy in [0, 1] by the name of the pass, ``used`` among them; the same images, ε and steps
    """
    if used not in accuracies:
        raise UserError(f"used = {used!r}: was not measured; attack through it too, besides {', '.join(accuracies)}")
    others = {name: accuracy for name, accuracy in accuracies.items() if name != used}
    if not others:
        raise UserError(f"accuracies: of {used!r} alone; a comparison needs at least one other backward pass")
    best = min(others, key=lambda name: others[name])
    return Finding(
        "no other backward pass is stronger",
        others[best] >= accuracies[used] - limit,
        f"accuracy {accuracies[used]:.3f} through {used}, {others[best]:.3f} through {best}, limit {limit:g} below",
    )


def raise_on(found: Sequence[Finding]) -> None:
    """UserError of one line that names every check that failed."""
    failed = [f"{finding.name} ({finding.detail})" for finding in found if not finding.passed]
    if failed:
        raise UserError(
            f"{len(failed)} of {len(found)} checks of the attack failed: {'; '.join(failed)}; "
            "the robust accuracy is not to be trusted, use more steps, draws or another relaxation"
        )
