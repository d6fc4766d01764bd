"""One training step: a descent on all losses at once, or the stages of Algorithm 3 in the paper's order.

The stages follow each other on every batch, with the same mask and the same error of the channel, and share one optimiser:
its running moments are those of all three.
"""

from __future__ import annotations

from collections.abc import Callable
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
    # line 2, Algorithm 2: semantic noise, weight perturbation, descent on the task's loss
    Stage(("task",), noisy=True, perturbed=True),
    # line 4, Eq. (12) on s, with the term of Sec. IV-B3 and the reconstruction that keeps content in the code
    Stage(("task", "reconstruction", "codebook", "commitment", "orthogonality"), noisy=False, perturbed=False),
    # line 5, Eq. (16) on s', and Eq. (17)
    Stage(("task", "importance", "similarity"), noisy=True, perturbed=False),
)


def stages_of(settings: TrainSettings, task: str) -> tuple[Stage, ...]:
    """The descents of a step; masked reconstruction has only the one."""
    return ALGORITHM_3 if settings.procedure == "algorithm3" and task == "classify" else JOINT


def make_step(
    model: SemanticCodec, settings: TrainSettings, task: str, optimizer: Any, quantise: bool = True, workers: int = 1
) -> Callable[..., Any]:
    """``step(clean, noisy, labels, keep, snr_db, error, arrived=None) -> (named terms, indices, features), finite``.

    ``finite`` is 1, or 0 where a descent was skipped because its loss or its gradient was not a finite number.
    ``arrived`` bool ``[B, N]`` says which features are received, None that all are. Without ``quantise`` they are received
    as they are, past codebook and channel, and ``indices`` is None. ``workers`` parts of a batch are computed side by side.
    """
    descents = [
        _descent(model, settings, task, optimizer, stage, quantise, workers) for stage in stages_of(settings, task)
    ]

    def step(clean: Any, noisy: Any, *inputs: Any) -> Any:
        found: dict[str, Any] = {}
        all_finite, last = 1.0, [None, None]
        for noisy_images, descend in descents:
            (terms, *last), finite = descend(noisy if noisy_images else clean, *inputs)
            found |= terms
            all_finite = min(all_finite, float(finite))
        return (found, *last), all_finite

    return step


def _descent(
    model: SemanticCodec, settings: TrainSettings, task: str, optimizer: Any, stage: Stage, quantise: bool, workers: int
) -> tuple[bool, Callable[..., Any]]:
    """Whether a stage takes the images with noise, and its descent ``(images, labels, keep, snr_db, error, arrived)``."""
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

    def plain(*inputs: Any) -> Any:
        aux, finite, gradients = gradients_of(*inputs)
        apply(gradients)
        return aux, finite

    gamma = settings.weight_perturbation if task == "classify" and stage.perturbed else 0.0
    if gamma == 0:
        return stage.noisy, compile_function(plain)
    compiled_gradients, compiled_apply = compile_function(gradients_of), compile_function(apply)

    def at_perturbed_weights(*inputs: Any) -> Any:
        _, _, ascent = compiled_gradients(*inputs)
        with perturbed(variables, ascent, gamma):
            aux, finite, gradients = compiled_gradients(*inputs)
        compiled_apply(gradients)
        return aux, finite

    return stage.noisy, at_perturbed_weights
