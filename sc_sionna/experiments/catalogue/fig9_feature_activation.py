"""Fig. 9: activation frequency of features, clean against noisy, without and with the feature importance module."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.experiments.activation import ActivationSettings
from sc_sionna.experiments.catalogue.entry import Entry, Options, Run
from sc_sionna.figures.maps import frequencies, uniformity
from sc_sionna.settings import Decibel, Settings
from sc_sionna.sweep import Record

SYSTEMS = ("masked-vqvae", "masked-vqvae+fim", "masked-vqvae+fim+at")


class Own(Settings):
    """The attack, and where features are looked at."""

    epsilon: float = Field(0.05, ge=0, le=1, description="ε of the semantic noise, pixels in [0, 1]")
    steps: int = Field(10, ge=1, le=100_000, description="steps K of Eq. (7)")
    layer: int | None = Field(None, ge=0, lt=64, description="encoder block, from 0; default the last with a FIM")
    snr_db: Decibel = Field(18.0, description="the SNR that the FIMs are told, in dB")


def runs(options: Options, own: Own) -> list[Run]:
    """One record."""
    settings = ActivationSettings(
        preset=options.dataset,
        dataset=options.dataset,
        systems=options.labels(SYSTEMS),
        layer=own.layer,
        snr_db=own.snr_db,
        noise={"epsilon": own.epsilon, "steps": own.steps, **options.changes.get("noise", {})},
        max_images=options.images(quick=64),
    )
    return [Run(options.record_name("fig9_feature_activation", plain="digits"), settings)]


def print_summary(record: Record) -> None:
    """Numbers behind the claim, clean → noisy."""
    width = max(map(len, record.notes["schemes"]))
    print(record.notes["activation"])
    header = ("rarer half %", "frequent half %", "Gini", "entropy", "magnitude", "accuracy %")
    print(f"{'clean → noisy':{width}}  " + "  ".join(f"{title:>15}" for title in header))
    for name, scheme in record.notes["schemes"].items():
        clean, noisy = frequencies(scheme)
        half = len(clean) // 2
        spread = [uniformity(scheme[which]) for which in ("clean", "noisy")]
        cells = [
            f"{100 * clean[half:].mean():.1f} → {100 * noisy[half:].mean():.1f}",
            f"{100 * clean[:half].mean():.1f} → {100 * noisy[:half].mean():.1f}",
            "{:.3f} → {:.3f}".format(*(u["gini"] for u in spread)),
            "{:.3f} → {:.3f}".format(*(u["entropy"] for u in spread)),
            "{:.3f} → {:.3f}".format(*scheme["mean_magnitude"].values()),
            "{:.1f} → {:.1f}".format(*(100 * right / scheme["images"] for right in scheme["correct"].values())),
        ]
        print(f"{name:{width}}  " + "  ".join(f"{cell:>15}" for cell in cells))


ENTRY = Entry(
    "Fig. 9: how often features are activated, clean and noisy",
    "feature-activation",
    runs,
    Own,
    groups=("noise",),
    summary=print_summary,
)
