"""The semantic codec: encoder, bottleneck, decoder and heads as one Keras model.

images ─ Encoder ─ to_code ─ Codebook.encode ─▶ indices ~~~ link ~~~▶ received indices
  keep ─────┘                                                            │
logits, image ◀─ heads ─ Decoder ◀─ Codebook.straight_through ───────────┘
                            └─ keep, snr_db
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from sc_sionna.config import CodecSettings
from sc_sionna.phy.index_mapper import IndexMapper
from sc_sionna.plugins import resolve
from sc_sionna.semantic.codebook import Codebook
from sc_sionna.semantic.decoder import ClassifyHead, Decoder, ReconstructHead
from sc_sionna.semantic.encoder import Encoder
from sc_sionna.semantic.masking import Masking, UniformMasking

MASKINGS = {"uniform": UniformMasking}


def make_masking(settings: CodecSettings) -> Masking:
    """The masking rule that the settings name."""
    return resolve(settings.masking, MASKINGS, "masking")(settings.num_patches, settings.num_kept)


class SemanticCodec(keras.Model):
    """Masked VQ-VAE (Sec. III), or with ``bottleneck="none"`` the same ViT without masking's and quantiser's link.

    Input
    -----
    images : [B, H, W, 3], float in [0, 1]
    keep : [B, N], int32 — positions of the kept patches, from :func:`make_masking`
    snr_db : [B], float32 — told to the decoder where the settings ask for it
    flips : [B, N·m], int32 or None — the channel as an error pattern: received bits = sent bits XOR flips. ``None`` is
        an error-free channel. Any digital link is expressed this way, a calibrated one as well as the real one.

    Output
    ------
    dict with ``features`` [B, N, D], ``indices`` and ``received_indices`` [B, N] (codebook only), ``tokens``
    [B, P, decoder_dim], ``logits`` [B, C] and ``image`` [B, H, W, 3].
    """

    def __init__(self, settings: CodecSettings, **kwargs: Any) -> None:
        # float32 here, whatever the policy of the layers: indices and losses must not depend on rounded features
        super().__init__(dtype="float32", **kwargs)
        self.settings = settings
        self.encoder = Encoder(settings, name="encoder")
        self.decoder = Decoder(settings, name="decoder")
        self.classify = ClassifyHead(settings, name="classify")
        self.reconstruct = ReconstructHead(settings, name="reconstruct")
        self.codebook: Codebook | None = None
        if settings.bottleneck == "codebook":
            self.to_code = layers.Dense(settings.code_dim, dtype="float32", name="to_code")
            self.codebook = Codebook(
                settings.codebook_size,
                settings.code_dim,
                settings.distance,
                settings.task_trains_codebook,
                name="codebook",
            )
            self.codebook.build()
            self.index_mapper = IndexMapper(settings.codebook_size)

    def initialise(self) -> SemanticCodec:
        """Create all weights by one pass over a zero image."""
        s = self.settings
        images = np.zeros((1, s.image_size, s.image_size, 3), np.float32)
        self(images, np.arange(s.num_kept, dtype=np.int32)[None], np.zeros(1, np.float32))
        return self

    def encode(self, images: Any, keep: Any) -> tuple[Any, Any]:
        """Transmitter: features ``[B, N, D]`` and, with a codebook, their indices ``[B, N]`` (else None)."""
        hidden = self.encoder(images, keep)
        if self.codebook is None:
            return hidden, None
        features = self.codebook.features(self.to_code(hidden))
        return features, self.codebook.encode(features)

    def decode(self, received: Any, keep: Any, snr_db: Any) -> dict[str, Any]:
        """Receiver: received features ``[B, N, D]`` to tokens, logits and image."""
        tokens = self.decoder(received, keep, snr_db)
        return {"tokens": tokens, "logits": self.classify(tokens), "image": self.reconstruct(tokens)}

    def receive(self, features: Any, indices: Any, flips: Any) -> tuple[Any, Any]:
        """Received features and indices after the error pattern ``flips``; straight-through gradient."""
        assert self.codebook is not None
        if flips is None:
            received_indices = indices
        else:
            bits = self.index_mapper.to_bits(indices)
            received_indices = self.index_mapper.to_indices(ops.bitwise_xor(bits, ops.cast(flips, bits.dtype)))
        return self.codebook.straight_through(features, received_indices), received_indices

    def call(self, images: Any, keep: Any, snr_db: Any, flips: Any = None) -> dict[str, Any]:
        features, indices = self.encode(images, keep)
        if self.codebook is None:
            return {"features": features, **self.decode(features, keep, snr_db)}
        received, received_indices = self.receive(features, indices, flips)
        outputs = {"features": features, "indices": indices, "received_indices": received_indices}
        return {**outputs, **self.decode(received, keep, snr_db)}
