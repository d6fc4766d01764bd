"""Settings of a training run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sc_sionna.settings.base import LARGEST, Decibel, Settings

MAX_EPOCHS = 100_000  # of a stage


class TrainSettings(Settings):
    """Masked pre-training, then fine-tuning for the task with the channel in the loop (Sec. III-A, III-B3, V-C)."""

    pretrain_epochs: int = Field(0, ge=0, le=MAX_EPOCHS, description="epochs of masked reconstruction before the task")
    epochs: int = Field(100, ge=0, le=MAX_EPOCHS, description="epochs of fine-tuning for the task")
    continuous_epochs: int = Field(
        0,
        ge=0,
        le=MAX_EPOCHS,
        description="the first epochs of a run, in which features reach the decoder without the quantiser",
    )
    reconstruction_weight: float = Field(
        0.0, ge=0, le=1e6, description="the weight λ of masked reconstruction beside the task; 0 for none"
    )
    batch_size: int = Field(64, ge=1, le=65536, description="images per step")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="the peak learning rate of AdamW")
    weight_decay: float = Field(0.05, ge=0, le=100, description="the weight decay of AdamW")
    warmup_epochs: float = Field(5.0, ge=0, le=MAX_EPOCHS, description="epochs of linear learning-rate warm-up")
    clip_norm: float = Field(
        1.0, gt=0, le=1e6, description="the global gradient norm above which gradients are scaled down"
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="the label smoothing of the cross entropy")
    shift: int = Field(2, ge=0, le=1024, description="augmentation: the largest random shift in pixels")
    flip: bool = Field(False, description="augmentation: mirror half of the images")
    source_codecs: tuple[str, ...] = Field(
        (),
        description="source codecs (jpeg, webp, avif, pixels, module:Class) whose decoded pictures take the images' place",
    )
    snr_db: float = Field(3.0, ge=-60, le=100, description="the SNR of the training channel in dB (Sec. V-C: 3 dB)")
    snr_range_db: tuple[Decibel, Decibel] | None = Field(
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
    val_repeats: int = Field(2, ge=1, le=1000, description="channel and mask draws per validation image")
    attack_epsilon: float = Field(
        0.0,
        ge=0,
        le=1,
        description="ε of the semantic noise in adversarial training (ℓ∞, pixels in [0, 1]); 0 for none",
    )
    attack_steps: int = Field(5, ge=1, le=10_000, description="the number K of steps of the training attack")
    epsilon_warmup: float = Field(
        0.3, ge=0, le=1, description="the first share of the epochs, over which ε rises to its full value"
    )
    weight_perturbation: float = Field(
        0.0, ge=0, lt=1, description="γ of Eq. (10b), the weight perturbation over the weights' norm; 0 for none"
    )
    procedure: Literal["joint", "algorithm3"] = Field(
        "joint", description="one descent on the sum of all losses, or the stages of Algorithm 3 one after the other"
    )
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed of the training")

    @model_validator(mode="after")
    def _check(self) -> TrainSettings:
        if self.source_codecs and self.attack_epsilon:
            raise ValueError(
                f"source_codecs = {', '.join(self.source_codecs)}: semantic noise comes before a source codec, and the "
                "attack of training after it; set attack_epsilon = 0, or leave source_codecs empty"
            )
        if self.snr_range_db is None:
            return self
        low, high = self.snr_range_db
        if not -60 <= low < high <= 100:
            raise ValueError(
                f"snr_range_db = ({low:g}, {high:g}): name the lowest and then the highest SNR, both within -60 to 100 dB"
            )
        if self.channel == "link":
            raise ValueError(
                "snr_range_db: the full link transmits a batch at one SNR; set channel = 'calibrated', or "
                "snr_range_db = null"
            )
        return self
