"""Settings of the semantic codec: one group for each of its parts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sc_sionna.settings.base import PluginName, Settings

MAX_PATCHES = 4096  # of an image
MAX_ENERGY = 1e30  # of a patch position; the mean over them is 1
MAX_WEIGHTS = 10**9  # of a codec: 4 GB in single precision, and training takes four times that


class EncoderSettings(Settings):
    """The ViT encoder."""

    dim: int = Field(64, ge=4, le=4096, description="the width of the encoder")
    depth: int = Field(3, ge=1, le=64, description="the number of ViT blocks of the encoder")
    num_heads: int = Field(4, ge=1, le=256, description="the number of attention heads; it divides the width")
    mlp_ratio: float = Field(2.0, ge=0.25, le=16, description="the hidden width of a block's MLP over its width")

    @model_validator(mode="after")
    def _check(self) -> EncoderSettings:
        _check_heads(self.num_heads, self.dim)
        return self


class DecoderSettings(Settings):
    """The light decoder and the task's head behind it."""

    dim: int = Field(64, ge=4, le=4096, description="the width of the light decoder")
    depth: int = Field(2, ge=0, le=64, description="the number of ViT blocks of the light decoder")
    num_heads: int = Field(4, ge=1, le=256, description="the decoder's attention heads; it divides its width")
    mlp_ratio: float = Field(2.0, ge=0.25, le=16, description="the hidden width of a block's MLP over its width")
    head_dim: int = Field(128, ge=4, le=4096, description="the width of the head's fully-connected layers")
    knows_snr: bool = Field(False, description="true to feed the SNR to the decoder; train over a range then")

    @model_validator(mode="after")
    def _check(self) -> DecoderSettings:
        _check_heads(self.num_heads, self.dim)
        return self


def _check_heads(num_heads: int, dim: int) -> None:
    if dim % num_heads:
        raise ValueError(f"num_heads = {num_heads}: does not divide the width {dim}; choose a divisor of the width")


class MaskingSettings(Settings):
    """Which patches are sent, Sec. III-A2."""

    rule: PluginName = Field("uniform", description="'uniform', 'noise-related', or module:Class")
    ratio: float = Field(
        0.5, ge=0.0, lt=1.0, description="the share of patches that is removed before the encoder, in [0, 1)"
    )
    noise_energy: tuple[float, ...] | None = Field(
        None, description="where semantic noise hits, for noise-related masking: gradient energy of each patch position"
    )
    temperature: float = Field(
        1.0, ge=1e-6, le=1e6, description="how uniformly noise-related masking masks; 1 is in proportion"
    )

    @model_validator(mode="after")
    def _check(self) -> MaskingSettings:
        if self.noise_energy is None:
            if self.rule == "noise-related":
                raise ValueError(
                    "rule = 'noise-related': needs noise_energy, the gradient energy of each patch position; measure "
                    "it with `python -m sc_sionna noise-energy`, or set rule = 'uniform'"
                )
            return self
        bad = [value for value in self.noise_energy if not 0 <= value <= MAX_ENERGY]
        if bad:
            raise ValueError(f"noise_energy: {bad[0]} is not a finite number >= 0; measure it again")
        return self


class CodebookSettings(Settings):
    """The discrete codebook, Sec. III-B and IV-B3."""

    size: int = Field(64, ge=2, le=65536, description="the number of codebook vectors J")
    distance: Literal["cosine", "euclidean"] = Field(
        "cosine", description="the look-up's distance; cosine normalises features and codes, euclidean is Eq. (11)"
    )
    beta: float = Field(0.25, ge=0, le=1e6, description="the weight β of the commitment term of Eq. (12)")
    task_trains: bool = Field(
        True, description="true to let the task loss move the received code vectors too; Eq. (12) alone is false"
    )
    revive: bool = Field(
        True, description="true to move codebook vectors that an epoch did not use onto random features"
    )
    orthogonality_weight: float = Field(
        0.0, ge=0, le=1e6, description="the weight of the codebook's orthogonality term, Sec. IV-B3"
    )


class ImportanceSettings(Settings):
    """Feature importance modules, Sec. IV-A."""

    layers: tuple[Annotated[int, Field(ge=0, lt=64)], ...] = Field(
        (), description="the encoder blocks, counted from 0, that a feature importance module follows; none is ()"
    )
    form: Literal["mean", "class"] = Field(
        "mean", description="a feature's weight: the mean over classes of Eq. (14), or the predicted class's"
    )
    threshold: float = Field(
        0.0, ge=0, le=1e6, description="the weight (their mean is 1) below which a feature is not sent"
    )
    weight: float = Field(1.0, ge=0, le=1e6, description="the weight γ of the FIMs in Eq. (16)")

    @property
    def chooses_by_image(self) -> bool:
        """Whether the threshold leaves out other features of every image; by the mean of Eq. (14) it does not."""
        return self.form == "class" and self.threshold > 0

    @model_validator(mode="after")
    def _check(self) -> ImportanceSettings:
        if self.threshold and not self.layers:
            raise ValueError(
                f"threshold = {self.threshold:g}: without a feature importance module there are no weights; set layers, "
                "or the threshold to 0"
            )
        return self


class SimilaritySettings(Settings):
    """Semantic similarity of the features of one image, Sec. IV-B1 and IV-B2."""

    weight: float = Field(0.0, ge=0, le=1e6, description="the weight of the features' similarity term, Eq. (17)")
    threshold: float | None = Field(
        None, gt=0, le=1, description="the cosine δ above which a feature is not sent again, in (0, 1]; null sends all"
    )


class CodecSettings(Settings):
    """The semantic codec: masked VQ-VAE of Sec. III, or the same ViT with another bottleneck."""

    task: PluginName = Field("classification", description="the task whose head is behind the decoder, or module:Class")
    image_size: int = Field(32, ge=4, le=1024, description="the height and width of the square images, in pixels")
    patch_size: int = Field(4, ge=1, le=64, description="the side of a patch in pixels; it divides image_size")
    num_classes: int = Field(10, ge=2, le=65536, description="the number of classes")
    encoder: EncoderSettings = EncoderSettings()
    decoder: DecoderSettings = DecoderSettings()
    masking: MaskingSettings = MaskingSettings()
    bottleneck: Literal["codebook", "analog", "none"] = Field(
        "codebook", description="what the link carries: codebook indices, analog symbols, or nothing (a plain ViT)"
    )
    code_dim: int = Field(
        8, ge=1, le=4096, description="the dimension D of a codebook vector, or reals per patch if analog"
    )
    codebook: CodebookSettings = CodebookSettings()
    importance: ImportanceSettings = ImportanceSettings()
    similarity: SimilaritySettings = SimilaritySettings()

    @property
    def num_patches(self) -> int:
        """Number P of patches of an image."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def num_weights(self) -> int:
        """About how many numbers the codec's weights are, without biases and norms: what a file must roughly hold."""
        patches, pixels = self.num_patches, 3 * self.patch_size**2
        encoder, decoder = self.encoder, self.decoder
        total = encoder.dim * (pixels + patches + self.code_dim) + decoder.dim * (self.code_dim + patches + pixels)
        for part in (encoder, decoder):
            total += part.depth * round(part.dim**2 * (4 + 2 * part.mlp_ratio))
        total += decoder.head_dim * (decoder.dim + decoder.head_dim + self.num_classes)
        total += len(self.importance.layers) * patches * self.num_classes
        return total + (self.codebook.size * self.code_dim if self.bottleneck == "codebook" else 0)

    @property
    def num_kept(self) -> int:
        """Number N of patches that are sent; at least one."""
        return max(1, round(self.num_patches * (1.0 - self.masking.ratio)))

    @property
    def chooses_by_image(self) -> bool:
        """Whether each image has its own features to send, so that their number and places must be told to the receiver."""
        return self.importance.chooses_by_image or self.similarity.threshold is not None

    @model_validator(mode="after")
    def _check(self) -> CodecSettings:
        if self.image_size % self.patch_size:
            raise ValueError(
                f"patch_size = {self.patch_size}: does not divide image_size = {self.image_size}; "
                "choose a divisor of the image size"
            )
        if self.num_patches > MAX_PATCHES:
            raise ValueError(
                f"patch_size = {self.patch_size}: cuts {self.image_size} x {self.image_size} pixels into {self.num_patches} "
                f"patches, and attention takes the square of that; at most {MAX_PATCHES}, choose larger patches"
            )
        if self.num_weights > MAX_WEIGHTS:
            raise ValueError(
                f"encoder.dim = {self.encoder.dim}: with these sizes the codec has about {self.num_weights:.2g} weights; at "
                f"most {MAX_WEIGHTS:.0g}, choose smaller widths, depths or a smaller codebook"
            )
        energy = self.masking.noise_energy
        if energy is not None and len(energy) != self.num_patches:
            raise ValueError(
                f"masking.noise_energy: {len(energy)} values for {self.num_patches} patch positions; "
                "measure it with this image_size and patch_size"
            )
        chosen = self.importance.layers
        if len(set(chosen)) != len(chosen) or any(not 0 <= layer < self.encoder.depth for layer in chosen):
            raise ValueError(
                f"importance.layers = {chosen}: an encoder of depth {self.encoder.depth} has the blocks 0 to "
                f"{self.encoder.depth - 1}; name each at most once"
            )
        if self.bottleneck != "codebook":
            needs = {
                "codebook.orthogonality_weight": self.codebook.orthogonality_weight or None,
                "similarity.threshold": self.similarity.threshold,
            }
            for name, value in needs.items():
                if value is not None:
                    raise ValueError(
                        f"{name} = {value:g}: bottleneck {self.bottleneck!r} has no codebook; set bottleneck = 'codebook', "
                        "or leave it out"
                    )
        return self
