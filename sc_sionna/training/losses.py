"""The loss of every stage as named terms; their sum is what is minimised, Eq. (12) and (16)."""

from __future__ import annotations

from typing import Any

from keras import ops

from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.semantic.patches import patchify
from sc_sionna.semantic.similarity import similarity_loss
from sc_sionna.tasks import make_task
from sc_sionna.tasks.classification import mean_cross_entropy


def masked_reconstruction(image: Any, target: Any, keep: Any, patch_size: int, num_patches: int) -> Any:
    """Mean squared error over the patches that were *not* sent (all patches where none is masked)."""
    error = ops.mean(ops.square(patchify(image, patch_size) - patchify(target, patch_size)), axis=-1)  # [B, P]
    sent = ops.any(ops.equal(keep[:, :, None], ops.arange(num_patches, dtype="int32")[None, None, :]), axis=1)
    weight = 1.0 - ops.cast(sent, "float32")
    if keep.shape[1] == num_patches:
        weight = ops.ones_like(weight)
    return ops.sum(error * weight) / ops.sum(weight)


def task_losses(
    model: SemanticCodec,
    outputs: dict[str, Any],
    images: Any,
    labels: Any,
    keep: Any,
    task: str,
    smoothing: float,
    reconstruction_weight: float = 0.0,
) -> dict[str, Any]:
    """Named terms: those of Eq. (12), and those of Eq. (16), (17) and Sec. IV-B3 that the settings ask for.

    task : the stage, "reconstruct" for masked pre-training or "classify" for the codec's task, whichever it is
    labels : what the task's loss compares its output with, ``[B, ...]``

    ``task``; for the stage "classify" also ``importance`` = γ/L Σ CE(p^l, z) over the L FIMs, and ``reconstruction``, λ
    times the masked reconstruction error as a share of the batch's pixel variance, where λ is not 0; ``codebook`` and
    ``commitment`` where features went through the codebook; ``orthogonality`` of its vectors and ``similarity`` of the
    features, where their weight is not 0.
    """
    s = model.settings
    if task == "classify":
        terms = {"task": make_task(s).loss(outputs, labels, smoothing)}  # Eq. (12) and Eq. (16), the first term
        scores = outputs.get("importance_logits", [])
        if scores:  # Eq. (15) for each FIM, and their mean times γ: the second term of Eq. (16)
            terms["importance"] = s.importance.weight * sum(mean_cross_entropy(p, labels, smoothing) for p in scores)
            terms["importance"] /= len(scores)
        if reconstruction_weight:
            error = masked_reconstruction(outputs["image"], images, keep, s.patch_size, s.num_patches)
            terms["reconstruction"] = reconstruction_weight * error / ops.var(images)
    else:
        terms = {"task": masked_reconstruction(outputs["image"], images, keep, s.patch_size, s.num_patches)}
    if model.codebook is not None and "indices" in outputs:
        terms |= model.codebook.losses_of(outputs["features"], outputs["indices"], s.codebook.beta)
        if s.codebook.orthogonality_weight:
            terms["orthogonality"] = s.codebook.orthogonality_weight * model.codebook.orthogonality()
    if s.similarity.weight:
        terms["similarity"] = s.similarity.weight * similarity_loss(outputs["features"])
    return terms
