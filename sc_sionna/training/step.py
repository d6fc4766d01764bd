"""One training step: Algorithm 2 alone, on the sum of all losses, or the stages of Algorithm 3 in the paper's order.

:func:`make_step` has both algorithms line by line. The stages follow each other on every batch, with the same mask and
the same error of the channel, and share one optimiser: its running moments are those of all three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from sc_sionna.core.backend import compile_function, value_and_grad
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import TrainSettings
from sc_sionna.tasks import make_task
from sc_sionna.training.losses import task_losses
from sc_sionna.training.parallel import in_parts
from sc_sionna.training.perturbation import perturbed


class Stage(NamedTuple):
    """One descent.

    terms : the named losses whose sum is minimised, None for all
    noisy : on the images with semantic noise, else on the clean ones
    perturbed : at weights that the perturbation of Eq. (10) has moved
    """

    terms: tuple[str, ...] | None
    noisy: bool
    perturbed: bool


JOINT = (Stage(None, noisy=True, perturbed=True),)
ALGORITHM_3 = (
    # Algorithm 3, line 2: Algorithm 2 with the task's loss
    Stage(("task",), noisy=True, perturbed=True),
    # Algorithm 3, line 4: Eq. (12) on s, with the term of Sec. IV-B3 and the reconstruction that keeps content in the code
    Stage(("task", "reconstruction", "codebook", "commitment", "orthogonality"), noisy=False, perturbed=False),
    # Algorithm 3, line 5: Eq. (16) on s', and Eq. (17)
    Stage(("task", "importance", "similarity"), noisy=True, perturbed=False),
)


class Descent(NamedTuple):
    """The compiled parts of a :class:`Stage`; inputs are ``(images, labels, keep, snr_db, error, arrived=None)``.

    gradients : inputs to ``(named terms, indices, features), finite, gradients``, a gradient for each trainable variable
    apply : one step of the optimiser along gradients
    whole : both at once, inputs to ``(named terms, indices, features), finite``
    """

    stage: Stage
    gradients: Callable[..., Any]
    apply: Callable[[Any], None]
    whole: Callable[..., Any]


def stages_of(settings: TrainSettings, task: str) -> tuple[Stage, ...]:
    """The descents of a step; masked reconstruction has only the one."""
    return ALGORITHM_3 if settings.procedure == "algorithm3" and task == "classify" else JOINT


def make_step(
    model: SemanticCodec, settings: TrainSettings, task: str, optimizer: Any, quantise: bool = True, workers: int = 1
) -> Callable[..., Any]:
    """``step(clean, craft, draw) -> (named terms, indices, features), finite``: one batch of Algorithm 2 or 3.

    ``clean`` : images ``[B, H, W, 3]`` in [0, 1]
    ``craft()`` : the same images with semantic noise against the present weights, or without any
    ``draw(noisy)`` : labels, kept patches, SNRs, the channel's error, and where not all features are received ``arrived``,
    bool ``[B, N]``. They are drawn once, and every stage takes the same.

    ``finite`` is 1, or 0 where a descent was skipped because its loss or its gradient was not a finite number. Without
    ``quantise`` features are received as they are, past codebook and channel, and ``indices`` is None. ``workers`` parts of
    a batch are computed side by side.
    """
    descents = [_descent(model, settings, task, optimizer, s, quantise, workers) for s in stages_of(settings, task)]
    variables = model.trainable_variables
    gamma = settings.weight_perturbation if task == "classify" else 0.0

    def step(clean: Any, craft: Callable[[], Any], draw: Callable[[Any], Sequence[Any]]) -> Any:
        terms: dict[str, Any] = {}
        all_finite, last = 1.0, [None, None]
        # Algorithm 2, line 2: semantic noise s' by Eq. (7), the inner maximum of Eq. (9), with θ and ν fixed
        noisy = craft()
        inputs = draw(noisy)  # Algorithm 3, line 3: the masks, and what else is drawn
        for stage, gradients, apply, whole in descents:
            images = noisy if stage.noisy else clean
            if stage.perturbed and gamma:
                # Algorithm 2, line 3: ν from one forward and backward pass at θ, Eq. (10)
                _, _, ascent = gradients(images, *inputs)
                # Algorithm 2, line 4: θ along the gradient at θ + ν, on s'
                with perturbed(variables, ascent, gamma):
                    (found, *last), finite, descent = gradients(images, *inputs)
                apply(descent)
            else:
                (found, *last), finite = whole(images, *inputs)
            terms |= found
            all_finite = min(all_finite, float(finite))
        return (terms, *last), all_finite

    return step


def _descent(
    model: SemanticCodec, settings: TrainSettings, task: str, optimizer: Any, stage: Stage, quantise: bool, workers: int
) -> Descent:
    """A stage's loss, its gradients and the optimiser's step, compiled."""
    variables, logged = model.trainable_variables, make_task(model.settings).logged
    weights = settings.label_smoothing, settings.reconstruction_weight

    def of_part(images: Any, labels: Any, keep: Any, snr_db: Any, error: Any, arrived: Any = None) -> Any:
        def loss() -> tuple[Any, Any]:
            outputs = model(images, keep, snr_db, error, labels, arrived, quantise=quantise, training=True)
            terms = task_losses(model, outputs, images, labels, keep, task, *weights)
            if stage.terms is not None:
                terms = {name: value for name, value in terms.items() if name in stage.terms}
            counted = {k: ops.stop_gradient(v) for k, v in {**terms, **logged(outputs, labels)}.items()}
            return sum(terms.values()), (counted, outputs.get("indices"), outputs["features"])

        (total, aux), gradients = value_and_grad(loss, variables)
        # a non-finite step would ruin the run: it is skipped (gradients zeroed) and counted
        size = sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients if g is not None)
        finite = ops.logical_and(ops.isfinite(total), ops.isfinite(size))
        gradients = [None if g is None else ops.where(finite, g, ops.zeros_like(g)) for g in gradients]
        return aux, ops.cast(finite, "float32"), gradients

    gradients_of = in_parts(of_part, workers)

    def apply(gradients: Any) -> None:
        used = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        optimizer.apply([g for g, _ in used], [v for _, v in used])

    def whole(*inputs: Any) -> Any:
        aux, finite, gradients = gradients_of(*inputs)
        apply(gradients)
        return aux, finite

    return Descent(stage, compile_function(gradients_of), compile_function(apply), compile_function(whole))
