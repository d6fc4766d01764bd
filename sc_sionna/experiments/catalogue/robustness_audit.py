"""Every scheme under the paper's attack and under the adaptive suite, with the checks for masked gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from sc_sionna.attacks.checks import Finding, raise_on
from sc_sionna.experiments.audit_settings import EFFORT, AuditSettings
from sc_sionna.experiments.catalogue.entry import Entry, Options, Run
from sc_sionna.settings import Decibel, Settings
from sc_sionna.sweep import Record

IMAGES, QUICK_IMAGES = 64, 16
QUICK: dict[str, Any] = {"steps": 5, "draws": 4, "queries": 30}


class Own(Settings):
    """Where and how strongly schemes are attacked."""

    epsilon: float = Field(0.05, ge=0, le=1, description="ε of the ℓ∞ ball, pixels in [0, 1]")
    snr_db: Decibel = Field(18.0, description="the SNR in dB")


def runs(options: Options, own: Own) -> list[Run]:
    """One record of all schemes with weights; a quick one has 16 images and little effort."""
    changes = dict(options.changes)
    effort = {**EFFORT, **options.pick({}, QUICK), **changes.pop("adaptive", {})}
    settings = AuditSettings(
        preset=options.dataset,
        dataset=options.dataset,
        systems=options.labels(),
        epsilon=own.epsilon,
        snr_db=own.snr_db,
        max_images=options.images(QUICK_IMAGES) or IMAGES,
        adaptive=effort,
        **changes,
    )
    return [Run(options.record_name("robustness_audit"), settings)]


def print_summary(record: Record) -> None:
    """Robust images in percent by attack and scheme with intervals, and the checks that failed.

    UserError at the end where one failed, so that no script goes on with a robust accuracy that is not to be trusted.
    """
    found: list[Finding] = []
    width = max(len(str(point.threat)) for point in record.points)
    for system in dict.fromkeys(point.system for point in record.points):
        print(f"{system}: robust images in %")
        for point in record.points:
            if point.system == system and point.value is not None and point.ci95 is not None:
                low, high = (100 * end for end in point.ci95)
                print(f"  {point.threat or 'clean':{width}}  {100 * point.value:5.1f}  [{low:.1f}, {high:.1f}]")
        checks = [Finding(**check) for check in record.notes["checks"][system]]
        failed = [f"{check.name} ({check.detail})" for check in checks if not check.passed]
        words = "".join(f"; FAILED: {f}" for f in failed)
        print(f"  checks: {len(checks) - len(failed)} of {len(checks)} passed{words}")
        found += [replace(check, name=f"{system}: {check.name}") for check in checks]
    raise_on(found)


ENTRY = Entry(
    "every scheme under adaptive attacks, with checks for masked gradients",
    "robustness-audit",
    runs,
    Own,
    groups=("adaptive", "link"),
    summary=print_summary,
)
