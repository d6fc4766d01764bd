"""Images to features of the kept patches (Sec. III-A1)."""

from __future__ import annotations

from typing import Any

from keras import layers, ops

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.semantic.importance import FeatureImportance, sent_features
from sc_sionna.semantic.masking import gather_kept
from sc_sionna.semantic.patches import patchify
from sc_sionna.semantic.transformer import PositionEmbedding, ViTBlock
from sc_sionna.settings import CodecSettings


class Encoder(layers.Layer):
    """Patches → embedding + position → drop the masked ones → ViT blocks, with a FIM after the chosen ones.

    ``call(images [B, H, W, 3] in [0, 1], keep [B, N] int32, snr_db [B]) -> hidden [B, N, dim]``. Masked patches are
    removed before the first block, so they cost neither computation nor symbols. ``snr_db`` and ``labels [B]`` are the
    FIMs' inputs (:class:`FeatureImportance`); without FIMs both may be None.

    ``details=True`` returns a dict instead: ``hidden``, ``importance_logits`` (list of ``[B, C]``, a FIM each, by depth)
    and, where importance depends on the image, ``sent_mask`` bool ``[B, N]``: the features whose weight reached the
    threshold in every FIM. The others are zeroed after the FIM and not sent; one feature of an image is always sent.

    After the last block the FIM reads the block's output, and its weights multiply what the final normalisation makes
    of it: before the normalisation they would be divided out again.
    """

    def __init__(self, settings: CodecSettings, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # pixels are centred before they are rounded
        self.settings = settings
        self.embed = layers.Dense(settings.encoder.dim, name="embed")
        self.position = PositionEmbedding(settings.num_patches, settings.encoder.dim, name="position")
        self.blocks = [
            ViTBlock(settings.encoder.dim, settings.encoder.num_heads, settings.encoder.mlp_ratio, name=f"block{i}")
            for i in range(settings.encoder.depth)
        ]
        self.norm = layers.LayerNormalization(epsilon=1e-6, name="norm")
        self.importance = {
            i: FeatureImportance(
                settings.num_patches, settings.num_classes, settings.importance.form, name=f"importance{i}"
            )
            for i in sorted(settings.importance.layers)
        }

    def call(
        self,
        images: Tensor,
        keep: Tensor,
        snr_db: Tensor | None = None,
        labels: Tensor | None = None,
        details: bool = False,
    ) -> Tensor:
        """Hidden tokens of the kept patches; with ``details`` also the FIMs' class scores and the mask of what is sent."""
        s = self.settings
        if self.importance and snr_db is None:
            raise UserError(
                "snr_db = None: a codec with feature importance modules encodes for an SNR; pass it in dB, [B]"
            )
        tokens = self.position(self.embed(patchify(images - 0.5, s.patch_size)))  # [B, P, dim]
        x = gather_kept(tokens, keep)  # [B, N, dim]
        scores, least, sent = [], None, None
        for i, block in enumerate(self.blocks):
            raw = block(x)
            x = raw if i + 1 < len(self.blocks) else self.norm(raw)
            if i in self.importance:
                weighted, p, weights = self.importance[i](raw, keep, snr_db, labels)
                x = weighted if x is raw else ops.cast(x, "float32") * weights[..., None]
                scores.append(p)
                if s.importance.form == "class":
                    least = weights if least is None else ops.minimum(least, weights)
                    sent = sent_features(least, s.importance.threshold)
                    x = x * ops.cast(sent, x.dtype)[..., None]
        if not details:
            return x
        return {"hidden": x, "importance_logits": scores} | ({} if sent is None else {"sent_mask": sent})
