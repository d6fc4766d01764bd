"""Named presets: what each data set's systems are made of and how they are trained."""

from __future__ import annotations

from typing import Any

from sc_sionna.config import CodecSettings, LinkSettings, Preset, TrainSettings
from sc_sionna.errors import UserError

# The schemes differ in these settings of the codec and of the training alone; widths, depths and heads are shared.
# JSCC sees every patch and sends as many symbols as the coded masked VQ-VAE: see `make_preset`.
_CODECS: dict[str, dict[str, Any]] = {
    "masked-vqvae": {},
    "masked-vqvae+fim": {"importance_layers": (0, 1), "orthogonality_weight": 0.1, "similarity_weight": 0.01},
    "jscc": {"bottleneck": "analog", "masking_ratio": 0.0},
    "jpeg-ldpc": {"bottleneck": "none", "masking_ratio": 0.0, "decoder_knows_snr": False},
}
_TRAIN: dict[str, dict[str, Any]] = {
    "jpeg-ldpc": {"channel": "none", "pretrain_epochs": 0, "snr_range_db": None, "reconstruction_weight": 0.0}
}
SYSTEMS: dict[str, tuple[str, bool]] = {  # scheme → its codec, and whether it is trained against semantic noise
    f"{codec}{'+at' if adversarial else ''}": (codec, adversarial) for codec in _CODECS for adversarial in (False, True)
}

# Adversarial training of every preset; its "at" adds the strength of the noise and the length
_AT: dict[str, Any] = {"procedure": "algorithm3", "attack_steps": 4, "weight_perturbation": 0.005}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {
        "codec": {},
        "train": {
            # from scratch: 10 epochs of masked pre-training before 50 cost 0.2 of accuracy at 3 dB on these 1,295 images
            "epochs": 130,
            "batch_size": 32,
            "label_smoothing": 0.0,
            "shift": 1,
            "val_repeats": 4,
        },
        # fine-tuning of the scheme that was trained without semantic noise (--start-from)
        "at": {
            "epochs": 30,
            "batch_size": 64,
            "warmup_epochs": 1.0,
            "channel_ramp": 0.0,
            "attack_epsilon": 0.06,
        },
    },
    "cifar10": {
        "codec": {
            "dim": 128,
            "depth": 6,
            "decoder_dim": 128,
            "codebook_size": 256,
            "code_dim": 16,
            "head_dim": 256,
            "decoder_knows_snr": True,
        },
        # A code that carries content: the quantiser comes late, indices of most images arrive in training (with four
        # streams the link's cliff is near 5 dB), and reconstruction stays beside the task.
        "train": {
            "pretrain_epochs": 8,
            "continuous_epochs": 5,
            "epochs": 16,
            "reconstruction_weight": 0.2,
            "snr_range_db": (0.0, 18.0),
            "batch_size": 128,
            "warmup_epochs": 1.0,
            "shift": 3,
            "flip": True,
            "precision": "mixed_bfloat16",
            "val_repeats": 1,
        },
        "at": {
            "attack_epsilon": 8 / 255,
        },
    },
    # Sec. V-A: 14 x 14 patches, 14 layers, 12 heads, J = 256, masking ratio 0.5. The width is not stated; 768 is the
    # usual one for 12 heads.
    "paper": {
        "codec": {
            "image_size": 224,
            "patch_size": 16,
            "dim": 768,
            "depth": 14,
            "num_heads": 12,
            "mlp_ratio": 4.0,
            "decoder_dim": 384,
            "decoder_num_heads": 6,
            "codebook_size": 256,
            "code_dim": 32,
            "head_dim": 512,
        },
        "train": {"epochs": 100, "pretrain_epochs": 100, "batch_size": 8, "flip": True, "precision": "mixed_bfloat16"},
        "at": {
            "attack_epsilon": 0.016,
        },
    },
}


def make_preset(
    name: str,
    system: str,
    codec: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
) -> Preset:
    """The preset of a system with some settings changed; UserError for an unknown name or setting."""
    if name not in PRESETS:
        raise UserError(f"preset = {name!r}: unknown; choose {', '.join(PRESETS)}")
    if system not in SYSTEMS:
        raise UserError(f"system = {system!r}: unknown; choose {', '.join(SYSTEMS)}")
    base, (kind, adversarial) = PRESETS[name], SYSTEMS[system]
    made_link = LinkSettings(**(link or {}))
    made = CodecSettings(**{**base["codec"], **_CODECS[kind], **(codec or {})})
    if kind == "jscc" and "code_dim" not in (codec or {}):
        made = made.with_(code_dim=_same_symbols(CodecSettings(**{**base["codec"], **(codec or {})}), made, made_link))
    return Preset(
        name=name,
        system=system,
        dataset=name if name != "paper" else "imagenette",
        codec=made,
        link=made_link,
        train=TrainSettings(
            **{
                **base["train"],
                **_TRAIN.get(kind, {}),
                **({**_AT, **base["at"]} if adversarial else {}),
                **(train or {}),
            }
        ),
    )


def _same_symbols(learned: CodecSettings, analog: CodecSettings, link: LinkSettings) -> int:
    """Reals per patch with which the analog codec uses the channel as often as the coded index payload does."""
    payload = learned.num_kept * (learned.codebook_size - 1).bit_length()
    symbols = payload / (link.coderate if link.coded else 1.0) / link.bits_per_symbol
    return max(1, round(2 * symbols / analog.num_kept))
