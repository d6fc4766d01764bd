"""One row per layer feeds every generic test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sc_sionna.core.backend import BACKEND
from sc_sionna.core.startup import bfloat16_problem
from sc_sionna.settings import CodecSettings

# Where oneDNN has no bfloat16 kernels TensorFlow ends the process: nothing is left to be tested there
needs_bfloat16 = pytest.mark.skipif(bfloat16_problem(BACKEND) is not None, reason=str(bfloat16_problem(BACKEND)))

TINY = CodecSettings(
    image_size=16, patch_size=4, code_dim=4, codebook={"size": 10}, encoder={"dim": 16, "depth": 1, "num_heads": 2},
    decoder={"dim": 16, "depth": 1, "num_heads": 2, "head_dim": 16},
)  # fmt: skip


def _rand(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).random(shape).astype(np.float32)


def _keep(batch: int, settings: CodecSettings = TINY) -> np.ndarray:
    return np.tile(np.arange(settings.num_kept, dtype=np.int32) * 2, (batch, 1))


@dataclass(frozen=True)
class Row:
    """``make()`` builds the layer, ``inputs`` is a call's arguments, ``shape`` its output's shape for a batch of 3."""

    name: str
    make: Callable[[], Any]
    inputs: tuple[np.ndarray, ...]
    shape: tuple[int, ...]


def rows() -> list[Row]:
    import keras

    from sc_sionna.semantic import decoder, encoder, importance, transformer
    from sc_sionna.tasks.classification import ClassifyHead
    from sc_sionna.tasks.retrieval import EmbeddingHead

    class Joined(keras.layers.Layer):
        """All outputs of a layer in one row per sample; the same start values every time, as argmax is not smooth."""

        def __init__(self, make, **options):
            keras.utils.set_random_seed(1)
            super().__init__()
            self.inner, self.options = make(), options

        def build(self, *_):
            pass

        def call(self, x, keep, snr_db):
            outputs = keras.tree.flatten(self.inner(x, keep, snr_db, **self.options))
            flat = [keras.ops.reshape(keras.ops.cast(y, "float32"), (x.shape[0], -1)) for y in outputs]
            return keras.ops.concatenate(flat, axis=-1)

    s = TINY
    snr = np.zeros(3, np.float32)
    tokens = _rand(3, s.num_patches, 16)
    told = s.with_(decoder={"knows_snr": True})
    features = _rand(3, 8, 16), _keep(3), snr + 3
    twice = s.with_(encoder={"depth": 2}, importance={"layers": (0, 1)})
    return [
        Row("position", lambda: transformer.PositionEmbedding(16, 16), (tokens,), (3, 16, 16)),
        Row("vit_block", lambda: transformer.ViTBlock(16, 2, 2.0), (tokens,), (3, 16, 16)),
        Row("encoder", lambda: encoder.Encoder(s), (_rand(3, 16, 16, 3), _keep(3)), (3, 8, 16)),
        Row("decoder", lambda: decoder.Decoder(s), (_rand(3, 8, 4), _keep(3), snr), (3, 16, 16)),
        Row("decoder_snr", lambda: decoder.Decoder(told), (_rand(3, 8, 4), _keep(3), snr + 3), (3, 16, 16)),
        Row("importance", lambda: Joined(lambda: importance.FeatureImportance(16, 10)), features, (3, 146)),
        Row(
            "importance_class",
            lambda: Joined(lambda: importance.FeatureImportance(16, 10, "class")),
            features,
            (3, 146),
        ),
        Row(
            "encoder_importance",
            lambda: Joined(lambda: encoder.Encoder(twice), details=True),
            (_rand(3, 16, 16, 3), _keep(3), snr + 3),
            (3, 148),
        ),
        Row("classify", lambda: ClassifyHead(s), (tokens,), (3, 10)),
        Row("embed", lambda: EmbeddingHead(s), (tokens,), (3, 16)),
        Row("reconstruct", lambda: decoder.ReconstructHead(s), (tokens,), (3, 16, 16, 3)),
    ]
