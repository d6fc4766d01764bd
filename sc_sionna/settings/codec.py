"""Settings of the semantic codec."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sc_sionna.settings.base import PluginName, Settings


class CodecSettings(Settings):
    """The semantic codec: masked VQ-VAE of Sec. III, or the same ViT with another bottleneck."""

    image_size: int = Field(32, ge=4, le=1024, description="the height and width of the square images, in pixels")
    patch_size: int = Field(4, ge=1, le=64, description="the side of a patch in pixels; it divides image_size")
    num_classes: int = Field(10, ge=2, le=100_000, description="the number of classes")
    masking: PluginName = Field("uniform", description="'uniform', 'noise-related', or module:Class")
    masking_ratio: float = Field(
        0.5, ge=0.0, lt=1.0, description="the share of patches that is removed before the encoder, in [0, 1)"
    )
    dim: int = Field(64, ge=4, le=8192, description="the width of the encoder")
    depth: int = Field(3, ge=1, le=128, description="the number of ViT blocks of the encoder")
    num_heads: int = Field(4, ge=1, le=256, description="the number of attention heads; it divides the width")
    mlp_ratio: float = Field(2.0, ge=0.25, le=64, description="the hidden width of a block's MLP over its width")
    decoder_dim: int = Field(64, ge=4, le=8192, description="the width of the light decoder")
    decoder_depth: int = Field(2, ge=0, le=128, description="the number of ViT blocks of the light decoder")
    decoder_num_heads: int = Field(4, ge=1, description="the decoder's attention heads; it divides its width")
    head_dim: int = Field(128, ge=4, le=65536, description="the width of the classifier's three fully-connected layers")
    decoder_knows_snr: bool = Field(False, description="true to feed the SNR to the decoder; train over a range then")
    bottleneck: Literal["codebook", "analog", "none"] = Field(
        "codebook", description="what the link carries: codebook indices, analog symbols, or nothing (a plain ViT)"
    )
    codebook_size: int = Field(64, ge=2, le=65536, description="the number of codebook vectors J")
    code_dim: int = Field(
        8, ge=1, le=65536, description="the dimension D of a codebook vector, or reals per patch if analog"
    )
    distance: Literal["cosine", "euclidean"] = Field(
        "cosine", description="the look-up's distance; cosine normalises features and codes, euclidean is Eq. (11)"
    )
    beta: float = Field(0.25, ge=0, description="the weight β of the commitment term of Eq. (12)")
    task_trains_codebook: bool = Field(
        True, description="true to let the task loss move the received code vectors too; Eq. (12) alone is false"
    )
    revive_codes: bool = Field(
        True, description="true to move codebook vectors that an epoch did not use onto random features"
    )
    noise_energy: tuple[float, ...] | None = Field(
        None, description="where semantic noise hits, for noise-related masking: gradient energy of each patch position"
    )
    noise_temperature: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="how uniformly noise-related masking masks; 1 is in proportion"
    )
    importance_layers: tuple[int, ...] = Field(
        (), description="the encoder blocks, counted from 0, that a feature importance module follows; none is ()"
    )
    importance: Literal["mean", "class"] = Field(
        "mean", description="a feature's weight: the mean over classes of Eq. (14), or the predicted class's"
    )
    importance_threshold: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="the weight (their mean is 1) below which a feature is not sent"
    )
    importance_weight: float = Field(1.0, ge=0, allow_inf_nan=False, description="the weight γ of the FIMs in Eq. (16)")
    orthogonality_weight: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="the weight of the codebook's orthogonality term, Sec. IV-B3"
    )
    similarity_weight: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="the weight of the features' similarity term, Eq. (17)"
    )
    similarity_threshold: float | None = Field(
        None, gt=0, le=1, description="the cosine δ above which a feature is not sent again, in (0, 1]; null sends all"
    )

    @property
    def num_patches(self) -> int:
        return (self.image_size // self.patch_size) ** 2

    @property
    def num_kept(self) -> int:
        """Number N of patches that are sent; at least one."""
        return max(1, round(self.num_patches * (1.0 - self.masking_ratio)))

    @model_validator(mode="after")
    def _check(self) -> CodecSettings:
        if self.image_size % self.patch_size:
            raise ValueError(
                f"patch_size = {self.patch_size}: does not divide image_size = {self.image_size}; "
                "choose a divisor of the image size"
            )
        for width, heads, name in (
            (self.dim, self.num_heads, "num_heads"),
            (self.decoder_dim, self.decoder_num_heads, "decoder_num_heads"),
        ):
            if width % heads:
                raise ValueError(f"{name} = {heads}: does not divide the width {width}; choose a divisor of the width")
        return self

    @model_validator(mode="after")
    def _check_noise(self) -> CodecSettings:
        energy = self.noise_energy
        if energy is None:
            if self.masking == "noise-related":
                raise ValueError(
                    "masking = 'noise-related': needs noise_energy, the gradient energy of each patch position; measure "
                    "it with `python -m sc_sionna noise-energy`, or set masking = 'uniform'"
                )
            return self
        if len(energy) != self.num_patches:
            raise ValueError(
                f"noise_energy: {len(energy)} values for {self.num_patches} patch positions; "
                "measure it with this image_size and patch_size"
            )
        bad = [value for value in energy if not 0 <= value < float("inf")]
        if bad:
            raise ValueError(f"noise_energy: {bad[0]} is not a finite number >= 0; measure it again")
        return self

    @model_validator(mode="after")
    def _check_importance(self) -> CodecSettings:
        chosen = self.importance_layers
        if len(set(chosen)) != len(chosen) or any(not 0 <= layer < self.depth for layer in chosen):
            raise ValueError(
                f"importance_layers = {chosen}: an encoder of depth {self.depth} has the blocks 0 to {self.depth - 1}; "
                "name each at most once"
            )
        if self.importance_threshold and not chosen:
            raise ValueError(
                f"importance_threshold = {self.importance_threshold:g}: without a feature importance module there are no "
                "weights; set importance_layers, or the threshold to 0"
            )
        if self.bottleneck != "codebook" and (self.orthogonality_weight or self.similarity_threshold is not None):
            name = "orthogonality_weight" if self.orthogonality_weight else "similarity_threshold"
            raise ValueError(
                f"{name} = {getattr(self, name):g}: bottleneck {self.bottleneck!r} has no codebook; "
                "set bottleneck = 'codebook', or leave it out"
            )
        return self
