"""A system as a semantic attacker at the source sees it: what it can draw, and a pass that it can differentiate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import keras
import numpy as np
from keras import ops

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.semantic.codec import SemanticCodec

Relaxation = Literal["straight-through", "soft", "unquantised"]
Sampler = Callable[[int, np.random.Generator], np.ndarray]


class Victim(Protocol):
    """Everything that an attacker needs of a scheme, whatever the scheme."""

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """What the attacker does not know (kept patches, bit errors, noise), as arrays with ``count`` rows."""

    def outputs(self, images: Tensor, *draw: Tensor) -> dict[str, Any]:
        """The differentiable pass at inference, from images ``[B, H, W, 3]`` in [0, 1] to named tensors.

        ``logits [B, C]``, and where the scheme has them ``image [B, H, W, 3]``, ``tokens [B, P, D]`` and
        ``importance_logits``, a list of ``[B, C]``, one per feature importance module. No row depends on another.
        """

    def draw_in_graph(self, count: int | Tensor, seed: keras.random.SeedGenerator) -> tuple[Tensor, ...]:
        """The law of :meth:`draw` as tensors, drawn by Keras from its generator ``seed``; ``count`` may be a tensor.

        UserError where something can be drawn on the host only.
        """


def sample_in_graph(what: str, sampler: Sampler, count: int | Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Draw as the sampler does, but by Keras, or a UserError where it has no way to."""
    in_graph = getattr(sampler, "in_graph", None)
    if in_graph is None:
        raise UserError(
            f"{what} of type {type(sampler).__name__}: is drawn on the host only; hand its draws to the attack, as "
            "SourceAttack.sample makes them, or give it a method in_graph(count, seed)"
        )
    return in_graph(count, seed)


@dataclass(frozen=True, eq=False)
class CodecVictim:
    """A :class:`~sc_sionna.semantic.codec.SemanticCodec` behind a digital link.

    images ─ encode(keep) ─▶ features ─ relaxation ─▶ received features ─ decode(keep) ─▶ logits, image
                                           └─ bit_errors

    codec : the model under attack, at inference
    masking : ``(count, generator) -> keep [count, N]``, from :func:`~sc_sionna.semantic.codec.make_masking`
    bit_errors : ``(count, generator) -> int32 [count, N·m]``, the channel as an error pattern; None is error-free
    snr_db : told to the decoder and the feature importance modules where the codec's settings ask for it
    relaxation : how the quantiser is differentiated. ``straight-through`` is the system as it runs, with the identity as
        backward pass. ``soft`` puts the expected codebook vector Σ_j softmax(scores / temperature)_j e_j in place of the
        nearest one, so that the pass itself is smooth; an index that ``bit_errors`` hits keeps its wrong vector, with the
        straight-through gradient. ``unquantised`` hands the features to the decoder: no quantiser, no channel, the twin
        to transfer from.
    temperature : of ``soft``, in the units of ``Codebook.scores`` (squared distance)
    known : a draw that the attacker knows, rows as the images; None lets it draw anew each time
    """

    codec: SemanticCodec
    masking: Sampler
    bit_errors: Sampler | None = None
    snr_db: float | None = None
    relaxation: Relaxation = "straight-through"
    temperature: float = 0.1
    known: tuple[np.ndarray, ...] | None = None

    def __post_init__(self) -> None:
        if self.relaxation not in get_args(Relaxation):
            raise UserError(
                f"relaxation = {self.relaxation!r}: unknown; choose {', '.join(map(repr, get_args(Relaxation)))}"
            )
        if not self.temperature > 0:
            raise UserError(f"temperature = {self.temperature}: must be above 0; 0.1 suits codes of norm 1")
        if self.codec.codebook is None and (self.bit_errors is not None or self.relaxation != "straight-through"):
            raise UserError(
                "bit_errors and relaxation are those of a codebook, and bottleneck = 'none' has none; leave both at their "
                "default"
            )
        told = self.codec.settings.decoder.knows_snr or self.codec.settings.importance.layers
        if told and self.snr_db is None:
            raise UserError(
                "snr_db = None: this codec is told the SNR, at its decoder or importance modules; set it in dB"
            )

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Kept patches ``[count, N]`` and, with a channel, bit errors ``[count, N·m]``; a known draw is repeated by row."""
        if self.known is None:
            return tuple(
                sampler(count, generator) for sampler in (self.masking, self.bit_errors) if sampler is not None
            )
        rows = len(self.known[0])
        if count % rows:
            raise UserError(f"known: {rows} rows for {count} images; give one row per image")
        return tuple(np.repeat(part, count // rows, axis=0) for part in self.known)

    def draw_in_graph(self, count: int | Tensor, seed: keras.random.SeedGenerator) -> tuple[Tensor, ...]:
        """The same as :meth:`draw`, as tensors; a sampler that has no ``in_graph(count, seed)`` is a UserError."""
        if self.known is not None:
            if not isinstance(count, int):
                raise UserError(
                    "known: has one row per image, and the batch size is not known; make the model with one"
                )
            return tuple(ops.convert_to_tensor(part) for part in self.draw(count, np.random.default_rng(0)))
        samplers = {"masking": self.masking, "bit_errors": self.bit_errors}
        return tuple(sample_in_graph(what, s, count, seed) for what, s in samplers.items() if s is not None)

    def outputs(self, images: Tensor, keep: Tensor, bit_errors: Tensor | None = None) -> dict[str, Any]:
        """The codec's outputs for images ``[B, H, W, 3]``, after the channel and the relaxation of the quantiser."""
        codec = self.codec
        snr_db = ops.full((ops.shape(images)[0],), self.snr_db or 0.0, dtype="float32")
        if self.relaxation == "straight-through":
            return codec(images, keep, snr_db, bit_errors, training=False)
        outputs = codec.source(images, keep, snr_db)
        received = outputs["features"] if self.relaxation == "unquantised" else self._soft(outputs, bit_errors)
        return {**outputs, **codec.decode(received, keep, snr_db, outputs.get("sent_mask"))}

    def _soft(self, outputs: dict[str, Any], bit_errors: Tensor | None) -> Tensor:
        """Expected codebook vectors ``[B, N, D]``, the received ones where the channel hit the index."""
        codebook, features, indices = self.codec.codebook, outputs["features"], outputs["indices"]
        assert codebook is not None
        weights = ops.softmax(codebook.scores(features) / self.temperature, axis=-1)  # [B, N, J]
        soft = ops.matmul(weights, codebook.basis)
        representatives = outputs.get("representatives")
        if bit_errors is not None:
            by_index = ops.reshape(bit_errors, (-1, indices.shape[1], self.codec.index_mapper.bits_per_index))
            hit = ops.any(ops.not_equal(by_index, 0), axis=-1, keepdims=True)  # [B, N, 1]
            soft = ops.where(hit, self.codec.receive(features, indices, bit_errors)[0], soft)
        return soft if representatives is None else ops.take_along_axis(soft, representatives[..., None], axis=1)
