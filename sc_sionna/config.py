"""Validated, frozen settings of every stage.

A setting that cannot work raises :class:`~sc_sionna.errors.UserError` with one line: the name, the value, the limit and
what to set instead. ``settings.model_dump()`` goes into records and beside weights; :func:`settings_hash` names it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sc_sionna.errors import UserError

BITS_PER_SYMBOL = {"qpsk": 2, "16qam": 4, "64qam": 6}


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown names, errors of one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UserError(_one_line(type(self), error)) from None

    def with_(self, **changes: Any) -> Any:
        """A validated copy with some settings changed."""
        return type(self)(**{**self.model_dump(), **changes})


def _one_line(cls: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or cls.__name__
    nested = first.get("ctx", {}).get("error")
    if isinstance(nested, UserError):  # settings within settings have said it all but where they are
        return f"{name}: {nested}"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name!r} of {cls.__name__}; known: {', '.join(cls.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field = cls.model_fields.get(str(first["loc"][0]))
    remedy = f"; {name} is {field.description}" if field is not None and field.description else ""
    return f"{name} = {first['input']!r}: {message[0].lower()}{message[1:]}{remedy}"


def settings_hash(settings: dict[str, Any]) -> str:
    """SHA-256 of settings as canonical JSON, hex."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class LinkSettings(Settings):
    """The physical layer: antennas, modulation, code, precoder, fading, receiver (Sec. V-A of the paper)."""

    num_tx_ant: int = Field(8, ge=1, le=64, description="the number of transmit antennas")
    num_rx_ant: int = Field(4, ge=1, le=64, description="the number of receive antennas")
    num_streams: int = Field(4, ge=1, le=64, description="the number of spatial streams, at most the receive antennas")
    beyond_rank: bool = Field(
        False, description="true to allow more streams than receive antennas, which shows the error floor"
    )
    modulation: Literal["qpsk", "16qam", "64qam"] = Field("16qam", description="the constellation")
    coded: bool = Field(True, description="false for uncoded symbols, as the paper's Table I counts them")
    coderate: float = Field(0.5, ge=0.2, le=0.92, description="the LDPC code rate, 1/5 to 0.92 (TS 38.212, 5.3.2)")
    crc: Literal["none", "CRC24A", "CRC24B", "CRC16", "CRC11", "CRC6"] = Field(
        "none", description="the CRC of each code block (TS 38.212, 5.1)"
    )
    max_block_bits: int = Field(
        3840, ge=24, le=8448, description="the most information bits, CRC included, of one code block; at most 8448"
    )
    precoder: str = Field("svd", description="'svd', 'dft', or module:Class")
    channel: str = Field("rayleigh", description="'rayleigh', 'awgn', or module:Class")
    coherence: Literal["image", "symbol"] | int = Field(
        "image", description="how long one fading realisation lasts: 'image', 'symbol', or a number of channel uses"
    )
    decoder: Literal["auto", "layered", "sionna"] = Field(
        "auto", description="the LDPC decoder; auto is layered on a CPU and sionna on a GPU"
    )
    num_iter: int = Field(20, ge=1, le=200, description="the most LDPC decoder iterations")
    demapping: Literal["app", "maxlog"] = Field("app", description="the demapper's rule")

    @property
    def bits_per_symbol(self) -> int:
        return BITS_PER_SYMBOL[self.modulation]

    @property
    def crc_bits(self) -> int:
        """Length of the CRC of a block, 0 for none."""
        return 0 if self.crc == "none" else int("".join(c for c in self.crc if c.isdigit()))

    @model_validator(mode="after")
    def _check(self) -> LinkSettings:
        if isinstance(self.coherence, int) and self.coherence < 1:
            raise ValueError(f"coherence = {self.coherence}: a number of channel uses is at least 1, or name 'image'")
        if self.num_streams > self.num_tx_ant:
            raise ValueError(
                f"num_streams = {self.num_streams}: {self.num_tx_ant} transmit antennas send at most as many streams; "
                f"set num_streams <= {self.num_tx_ant}"
            )
        if self.num_streams > self.num_rx_ant and not self.beyond_rank:
            raise ValueError(
                f"num_streams = {self.num_streams}: an LMMSE receiver with {self.num_rx_ant} antennas separates at most "
                f"{self.num_rx_ant} streams, more have an SINR ceiling near 0 dB; set num_streams <= {self.num_rx_ant}, "
                "or beyond_rank = true to show the floor"
            )
        return self


class CodecSettings(Settings):
    """The semantic codec: masked VQ-VAE of Sec. III, or the same ViT with another bottleneck."""

    image_size: int = Field(32, ge=4, le=1024, description="the height and width of the square images, in pixels")
    patch_size: int = Field(4, ge=1, le=64, description="the side of a patch in pixels; it divides image_size")
    num_classes: int = Field(10, ge=2, description="the number of classes")
    masking: str = Field("uniform", description="'uniform', 'noise-related', or module:Class")
    masking_ratio: float = Field(
        0.5, ge=0.0, lt=1.0, description="the share of patches that is removed before the encoder, in [0, 1)"
    )
    dim: int = Field(64, ge=4, description="the width of the encoder")
    depth: int = Field(3, ge=1, description="the number of ViT blocks of the encoder")
    num_heads: int = Field(4, ge=1, description="the number of attention heads; it divides the width")
    mlp_ratio: float = Field(2.0, gt=0, description="the hidden width of a block's MLP over its width")
    decoder_dim: int = Field(64, ge=4, description="the width of the light decoder")
    decoder_depth: int = Field(2, ge=0, description="the number of ViT blocks of the light decoder")
    decoder_num_heads: int = Field(4, ge=1, description="the decoder's attention heads; it divides its width")
    head_dim: int = Field(128, ge=4, description="the width of the classifier's three fully-connected layers")
    decoder_knows_snr: bool = Field(False, description="true to feed the SNR to the decoder; train over a range then")
    bottleneck: Literal["codebook", "analog", "none"] = Field(
        "codebook", description="what the link carries: codebook indices, analog symbols, or nothing (a plain ViT)"
    )
    codebook_size: int = Field(64, ge=2, le=65536, description="the number of codebook vectors J")
    code_dim: int = Field(8, ge=1, description="the dimension D of a codebook vector, or reals per patch if analog")
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


class TrainSettings(Settings):
    """Masked pre-training, then fine-tuning for the task with the channel in the loop (Sec. III-A, III-B3, V-C)."""

    pretrain_epochs: int = Field(0, ge=0, description="epochs of masked reconstruction before the task")
    epochs: int = Field(100, ge=0, description="epochs of fine-tuning for the task")
    continuous_epochs: int = Field(
        0, ge=0, description="the first epochs of a run, in which features reach the decoder without the quantiser"
    )
    reconstruction_weight: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="the weight λ of masked reconstruction beside the task; 0 for none"
    )
    batch_size: int = Field(64, ge=1, description="images per step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="the peak learning rate of AdamW")
    weight_decay: float = Field(0.05, ge=0, description="the weight decay of AdamW")
    warmup_epochs: float = Field(5.0, ge=0, description="epochs of linear learning-rate warm-up")
    clip_norm: float = Field(1.0, gt=0, description="the global gradient norm above which gradients are scaled down")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="the label smoothing of the cross entropy")
    shift: int = Field(2, ge=0, description="augmentation: the largest random shift in pixels")
    flip: bool = Field(False, description="augmentation: mirror half of the images")
    snr_db: float = Field(3.0, ge=-60, le=100, description="the SNR of the training channel in dB (Sec. V-C: 3 dB)")
    snr_range_db: tuple[float, float] | None = Field(
        None, description="the lowest and highest SNR in dB, drawn for each image; null trains at snr_db alone"
    )
    token_dropout: float = Field(
        0.0, ge=0, le=1, description="the share of images of which only a random number of features is received"
    )
    channel: Literal["calibrated", "link", "none"] = Field(
        "calibrated", description="the training channel: calibrated bit flips, the full link, or error-free"
    )
    channel_ramp: float = Field(
        0.3,
        ge=0,
        le=1,
        description="the first share of a stage's epochs, over which the error rate rises to its full value",
    )
    precision: Literal["float32", "mixed_bfloat16"] = Field("float32", description="the precision of the networks")
    val_repeats: int = Field(2, ge=1, description="channel and mask draws per validation image")
    attack_epsilon: float = Field(
        0.0,
        ge=0,
        le=1,
        description="ε of the semantic noise in adversarial training (ℓ∞, pixels in [0, 1]); 0 for none",
    )
    attack_steps: int = Field(5, ge=1, description="the number K of steps of the training attack")
    epsilon_warmup: float = Field(
        0.3, ge=0, le=1, description="the first share of the epochs, over which ε rises to its full value"
    )
    weight_perturbation: float = Field(
        0.0, ge=0, lt=1, description="γ of Eq. (10b), the weight perturbation over the weights' norm; 0 for none"
    )
    procedure: Literal["joint", "algorithm3"] = Field(
        "joint", description="one descent on the sum of all losses, or the stages of Algorithm 3 one after the other"
    )
    seed: int = Field(1, ge=0, description="the run seed of the training")

    @model_validator(mode="after")
    def _check(self) -> TrainSettings:
        if self.snr_range_db is None:
            return self
        low, high = self.snr_range_db
        if not -60 <= low < high <= 100:
            raise ValueError(
                f"snr_range_db = ({low:g}, {high:g}): name the lowest and then the highest SNR, both within -60 to 100 dB"
            )
        if self.channel == "link":
            raise ValueError(
                "snr_range_db: the full link transmits a batch at one SNR; set channel = 'calibrated', "
                "or snr_range_db = null"
            )
        return self


class Preset(Settings):
    """Everything that defines one trainable system on one data set."""

    name: str
    system: str
    dataset: str
    codec: CodecSettings
    link: LinkSettings
    train: TrainSettings
