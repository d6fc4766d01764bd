"""The semantic codec: encoder, bottleneck, decoder and the heads of its task as one Keras model.

images ─ Encoder ─ to_code ─ Codebook.encode ─▶ indices ~~~ link ~~~▶ received indices
  keep ─────┘ └─ importance (FIM)                                        │
outputs, image ◀─ heads ─ Decoder ◀─ Codebook.straight_through ───────────┘
                            └─ keep, snr_db
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sc_sionna.core.plugins import make
from sc_sionna.core.tensor import Tensor
from sc_sionna.semantic.codebook import Codebook
from sc_sionna.semantic.decoder import Decoder, ReconstructHead
from sc_sionna.semantic.encoder import Encoder
from sc_sionna.semantic.importance import candidate_positions
from sc_sionna.semantic.index_mapper import IndexMapper
from sc_sionna.semantic.masking import CheckedMasking, Masking, MaskingAmong, NoiseRelatedMasking, UniformMasking
from sc_sionna.semantic.similarity import first_similar, repeat_bits
from sc_sionna.settings import CodecSettings

MASKINGS = {"uniform": UniformMasking, "noise-related": NoiseRelatedMasking}


def make_masking(settings: CodecSettings, candidates: np.ndarray | None = None) -> Masking:
    """The masking rule that the settings name.

    candidates : positions that may be sent, increasing (:meth:`SemanticCodec.candidate_positions`); None for all. The rule
        is built with their number, and keeps ``min(num_kept, len(candidates))`` patches of an image.
    """
    if candidates is None:
        candidates = np.arange(settings.num_patches, dtype=np.int32)
    extra: tuple[Any, ...] = ()
    if settings.masking.rule == "noise-related":
        extra = (np.asarray(settings.masking.noise_energy)[candidates], settings.masking.temperature)
    sizes = len(candidates), min(settings.num_kept, len(candidates))
    masking = make(settings.masking.rule, MASKINGS, "masking.rule", *sizes, *extra)
    if settings.masking.rule not in MASKINGS:
        masking = CheckedMasking(masking, settings.masking.rule, *sizes)
    return masking if len(candidates) == settings.num_patches else MaskingAmong(masking, candidates)


def unit_power(features: Tensor) -> Tensor:
    """Scale features ``[B, N, D]`` to mean power 1 per complex symbol of an image: mean square 1/2 per real number."""
    return features * ops.rsqrt(2.0 * ops.mean(ops.square(features), axis=(1, 2), keepdims=True) + 1e-12)


class SemanticCodec(keras.Model):
    """Masked VQ-VAE (Sec. III), or the same ViT with another bottleneck.

    ``"analog"`` sends the features themselves as complex symbols (the JSCC scheme of Sec. V), ``"none"`` sends nothing (a
    plain ViT).

    settings : sizes and parts
    heads : makes the layers from tokens to a task's outputs, by the name of the output; a layer's own name is its place in
        the file of weights. :func:`sc_sionna.tasks.make_codec` gives those of the task that the settings name

    Input
    -----
    images : [B, H, W, 3], float in [0, 1]
    keep : [B, N], int32 — positions of the kept patches, from :func:`make_masking`
    snr_db : [B], float32 — told to the FIMs, and to the decoder where the settings ask for it
    error : the channel, or None for one without errors. With a codebook an error pattern [B, N·m], int32: received bits =
        sent bits XOR error; with an analog bottleneck noise [B, N·D], float32: received features = features + error. Any
        link is expressed this way, a calibrated one as well as the real one.
    labels : [B], int32 or None — for FIMs with class-conditional importance, used in training mode only
    arrived : [B, N], bool or None — the features that reach the decoder, in training with fewer than were sent; None for all
    quantise : False to send features past the codebook and the channel, as training does before the codebook exists

    Output
    ------
    dict with ``features`` [B, N, D], ``indices`` and ``received_indices`` [B, N] (codebook only), ``tokens``
    [B, P, decoder_dim], ``image`` [B, H, W, 3] and those of the heads, for classes ``logits`` [B, C]. Where the
    settings ask for it also ``importance_logits``, a list of [B, C], one of each FIM; ``sent_mask`` [B, N], bool, with
    class-conditional importance: the features that are sent, the others are mask tokens at the receiver;
    ``representatives`` [B, N], int32, with a similarity threshold: the position whose index is sent for each feature.
    """

    def __init__(self, settings: CodecSettings, heads: Callable[[], Mapping[str, layers.Layer]], **kwargs: Any) -> None:
        # float32 here, whatever the policy of the layers: indices and losses must not depend on rounded features
        super().__init__(dtype="float32", **kwargs)
        self.settings = settings
        self.encoder = Encoder(settings, name="encoder")
        self.decoder = Decoder(settings, name="decoder")
        # a head is an attribute under its own name, by which Keras stores its weights; made here, as the order of making
        # layers decides their initial weights
        self._head_of: dict[str, str] = {}
        for output, head in heads().items():
            self._head_of[output] = head.name
            setattr(self, head.name, head)
        self.reconstruct = ReconstructHead(settings, name="reconstruct")
        self.codebook: Codebook | None = None
        if settings.bottleneck != "none":
            self.to_code = layers.Dense(settings.code_dim, dtype="float32", name="to_code")
        if settings.bottleneck == "codebook":
            self.codebook = Codebook(
                settings.codebook.size,
                settings.code_dim,
                settings.codebook.distance,
                settings.codebook.task_trains,
                name="codebook",
            )
            self.codebook.build()
            self.index_mapper = IndexMapper(settings.codebook.size)

    def initialise(self) -> SemanticCodec:
        """Create all weights by one pass over a zero image."""
        s = self.settings
        images = np.zeros((1, s.image_size, s.image_size, 3), np.float32)
        self(images, np.arange(s.num_kept, dtype=np.int32)[None], np.zeros(1, np.float32))
        return self

    def candidate_positions(self) -> np.ndarray:
        """Patch positions that may be sent, int32, increasing: all, or those that the importance threshold leaves.

        Known to both ends. UserError where the threshold leaves none.
        """
        s = self.settings
        if not s.importance.threshold:
            return np.arange(s.num_patches, dtype=np.int32)
        tables = [ops.convert_to_numpy(fim.table()) for fim in self.encoder.importance.values()]
        return candidate_positions(tables, s.importance.threshold, s.num_patches)

    @property
    def payload_length(self) -> int:
        """What the link carries of an image: bits of a codebook's indices, real numbers of analog symbols, or 0."""
        if self.codebook is not None:
            return self.num_kept * self.index_mapper.bits_per_index
        return self.num_kept * self.settings.code_dim if self.settings.bottleneck == "analog" else 0

    def to_symbols(self, features: Tensor, num_streams: int) -> np.ndarray:
        """Analog features ``[B, N, D]`` as symbols of mean power 1, complex64 ``[B, N·D / (2 S), S]``, in turn by stream."""
        pairs = ops.convert_to_numpy(features).reshape(len(features), -1, num_streams, 2)
        return pairs[..., 0] + 1j * pairs[..., 1]

    def from_symbols(self, symbols: np.ndarray) -> np.ndarray:
        """Inverse of :meth:`to_symbols`."""
        pairs = np.stack([symbols.real, symbols.imag], axis=-1).astype(np.float32)
        return pairs.reshape(len(symbols), -1, self.settings.code_dim)

    @property
    def num_kept(self) -> int:
        """Number N of patches of an image that pass the masking; fewer than the settings' where candidates are few."""
        return min(self.settings.num_kept, len(self.candidate_positions()))

    def source(
        self, images: Tensor, keep: Tensor, snr_db: Tensor | None = None, labels: Tensor | None = None
    ) -> dict[str, Any]:
        """Transmitter, all outputs of the model that exist before the link; ``snr_db`` may be None without FIMs."""
        s = self.settings
        encoded = self.encoder(images, keep, snr_db, labels, details=True)  # Eq. (1): f1
        hidden, scores = encoded.pop("hidden"), encoded.pop("importance_logits")
        outputs = {**encoded, "features": hidden} | ({"importance_logits": scores} if scores else {})
        if s.bottleneck == "analog":
            outputs["features"] = unit_power(self.to_code(hidden))
        if self.codebook is not None:
            outputs["features"] = self.codebook.features(self.to_code(hidden))
            outputs["indices"] = self.codebook.encode(outputs["features"])
            if s.similarity.threshold is not None:
                first = first_similar(outputs["features"], s.similarity.threshold, outputs.get("sent_mask"))
                outputs["representatives"] = first
                outputs["indices"] = ops.take_along_axis(outputs["indices"], first, axis=1)
        return outputs

    def encode(self, images: Tensor, keep: Tensor, snr_db: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Transmitter: features ``[B, N, D]`` and, with a codebook, their indices ``[B, N]`` (else None)."""
        outputs = self.source(images, keep, snr_db)
        return outputs["features"], outputs.get("indices")

    def sent(self, outputs: dict[str, Any]) -> np.ndarray:
        """Which of the kept features are put on the link, bool ``[B, N]``: not dropped, and not sent already."""
        sent = np.ones(tuple(outputs["features"].shape[:2]), bool)
        if "sent_mask" in outputs:
            sent &= ops.convert_to_numpy(outputs["sent_mask"])
        if "representatives" in outputs:
            sent &= ops.convert_to_numpy(outputs["representatives"]) == np.arange(sent.shape[1])
        return sent

    def side_bits(self, outputs: dict[str, Any]) -> np.ndarray:
        """Side information of each image in bits, int64 ``[B]``: what depends on the image and the receiver must know.

        One bit per kept patch for the choice of class-conditional importance, and :func:`repeat_bits` for the features
        that are sent once. The importance of Eq. (14) depends on no image and costs nothing.
        """
        batch, kept = outputs["features"].shape[:2]
        chosen = "sent_mask" in outputs and self.settings.importance.chooses_by_image
        bits = np.full(batch, kept if chosen else 0, np.int64)
        if "representatives" in outputs:
            mask = ops.convert_to_numpy(outputs["sent_mask"]) if chosen else None
            bits += repeat_bits(ops.convert_to_numpy(outputs["representatives"]), mask)
        return bits

    def decode(self, received: Tensor, keep: Tensor, snr_db: Tensor, sent_mask: Tensor | None = None) -> dict[str, Any]:
        """Receiver: received features ``[B, N, D]`` to tokens, the task's outputs and the image.

        Kept patches out of ``sent_mask`` are mask tokens.
        """
        tokens = self.decoder(received, keep, snr_db, sent_mask)  # Eq. (3): g1
        answers = {output: getattr(self, name)(tokens) for output, name in self._head_of.items()}
        return {"tokens": tokens, **answers, "image": self.reconstruct(tokens)}

    def receive(
        self, features: Tensor, indices: Tensor, bit_errors: Tensor | None, representatives: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Received features and indices after the error pattern ``bit_errors``; straight-through gradient.

        What a feature's representative arrives as is what the feature arrives as.
        """
        assert self.codebook is not None
        if bit_errors is None:
            received_indices = indices
        else:
            bits = self.index_mapper.to_bits(indices)
            received_indices = self.index_mapper.to_indices(ops.bitwise_xor(bits, ops.cast(bit_errors, bits.dtype)))
        if representatives is not None:
            received_indices = ops.take_along_axis(received_indices, representatives, axis=1)
        return self.codebook.straight_through(features, received_indices), received_indices

    def call(
        self,
        images: Tensor,
        keep: Tensor,
        snr_db: Tensor,
        error: Tensor | None = None,
        labels: Tensor | None = None,
        arrived: Tensor | None = None,
        quantise: bool = True,
    ) -> dict[str, Any]:
        """Encode, send with the given error, and decode; inputs and outputs as the class says."""
        outputs = self.source(images, keep, snr_db, labels)
        received = outputs["features"]
        if not quantise:
            outputs.pop("indices", None)
        elif self.codebook is not None:
            received, outputs["received_indices"] = self.receive(
                received, outputs["indices"], error, outputs.get("representatives")
            )
        elif error is not None:
            received = received + ops.reshape(error, ops.shape(received))
        mask = outputs.get("sent_mask")
        if arrived is not None:
            mask = arrived if mask is None else ops.logical_and(mask, arrived)
        return {**outputs, **self.decode(received, keep, snr_db, mask)}
