"""Named presets: what each data set's systems are made of and how they are trained."""

from __future__ import annotations

from typing import Any

from sc_sionna.core.errors import UserError
from sc_sionna.settings import CodecSettings, LinkSettings, Preset, TrainSettings, merged
from sc_sionna.settings.presets import cifar10, digits, paper

# The schemes differ in these settings of the codec and of the training alone; widths, depths and heads are shared.
# JSCC sees every patch and sends as many symbols as the coded masked VQ-VAE: see `make_preset`.
_CODECS: dict[str, dict[str, Any]] = {
    "masked-vqvae": {},
    "masked-vqvae+fim": {"importance": {"layers": (0, 1)}},
    "jscc": {"bottleneck": "analog", "masking": {"ratio": 0.0}},
    "jpeg-ldpc": {"bottleneck": "none", "masking": {"ratio": 0.0}, "decoder": {"knows_snr": False}},
}
_TRAIN: dict[str, dict[str, Any]] = {
    "jpeg-ldpc": {"channel": "none", "pretrain_epochs": 0, "snr_range_db": None, "reconstruction_weight": 0.0}
}
SCHEMES: dict[str, tuple[str, bool]] = {  # scheme → its codec, and whether it is trained against semantic noise
    f"{codec}{'+at' if adversarial else ''}": (codec, adversarial) for codec in _CODECS for adversarial in (False, True)
}

# Adversarial training of every preset; its "at" adds the strength of the noise and the length
_AT: dict[str, Any] = {"procedure": "algorithm3", "attack_steps": 4, "weight_perturbation": 0.005}

PRESETS = {"digits": digits.PRESET, "cifar10": cifar10.PRESET, "paper": paper.PRESET}


def check_preset(name: str) -> None:
    """UserError for a name that no preset has."""
    if name not in PRESETS:
        raise UserError(f"preset = {name!r}: unknown; choose {', '.join(PRESETS)}")


def make_preset(
    name: str,
    system: str,
    codec: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
) -> Preset:
    """The preset of a system with some settings changed; UserError for an unknown name or setting."""
    check_preset(name)
    if system not in SCHEMES:
        raise UserError(f"system = {system!r}: unknown; choose {', '.join(SCHEMES)}")
    base, (kind, adversarial) = PRESETS[name], SCHEMES[system]
    made_link = LinkSettings(**(link or {}))
    made = CodecSettings(**merged(base["codec"], _CODECS[kind], codec or {}))
    if kind == "jscc" and "code_dim" not in (codec or {}):
        made = made.with_(code_dim=_same_symbols(CodecSettings(**merged(base["codec"], codec or {})), made, made_link))
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
    payload = learned.num_kept * (learned.codebook.size - 1).bit_length()
    symbols = payload / (link.coderate if link.coded else 1.0) / link.bits_per_symbol
    return max(1, round(2 * symbols / analog.num_kept))
