"""Every scheme under the paper's attack and under the adaptive suite, with the checks for masked gradients.

Claim: what looks robust under Eq. (7) with 10 steps is robust under stronger attacks too: APGD with momentum on two losses
over 20 mask and channel draws, through a soft and through no quantiser, and Square, which needs no gradient.
Run:   python sims/robustness_audit.py                                   (digits, 64 images, 3 minutes per scheme)
       python sims/robustness_audit.py --systems masked-vqvae --epsilon 0.03
       python sims/robustness_audit.py --quick                            (16 images and little effort: a look)
Expect (digits): masked-vqvae keeps about a third under Eq. (7) with one draw and nothing in the worst case, jscc next to
nothing under both; masked-vqvae+at, three quarters under Eq. (7) with four draws, keeps two thirds in the worst case. A
failed check is printed, is in the record, and marks its scheme in the figure: the robust accuracy is then an upper
bound only. --strict makes it an error, for a claim that rests on the numbers.

An image is robust under an attack where most of 5 fresh draws of mask, fading and noise through the real system are right,
and robust in the worst case where it is so under all attacks. Schemes without weights are skipped by name. A killed run
goes on after its last finished scheme. Writes results/records/NAME.json and results/figures/NAME.png with
NAME = robustness_audit_DATASET.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from sc_sionna.cli.main import Dataset, Quiet, Weights, run_command, run_script
from sc_sionna.cli.parsing import parse_changes
from sc_sionna.core.startup import start_backend
from sc_sionna.sweep import Record, write_record

QUICK: dict[str, Any] = {"steps": 5, "draws": 4, "queries": 30}


def run(
    dataset: str, systems: str | None, epsilon: float, snr_db: float, max_images: int, changes: list[str], quick: bool,
    out: Path, data_dir: Path | None, weights: Path | None, fresh: bool, strict: bool, quiet: bool,
) -> None:  # fmt: skip
    """Settings from words, the audit, its files, and a summary."""
    from sc_sionna.experiments.audit import EFFORT, Audit, AuditSettings
    from sc_sionna.experiments.base import store_path
    from sc_sionna.figures.bars import plot_audit

    values: dict[str, Any] = parse_changes(changes, ("adaptive", "link", "jpeg"))
    effort = {**EFFORT, **(QUICK if quick else {}), **values.pop("adaptive")}
    settings = AuditSettings(
        preset=dataset,
        dataset=dataset,
        epsilon=epsilon,
        snr_db=snr_db,
        max_images=min(max_images, 16) if quick else max_images,
        adaptive=effort,
        **({} if systems is None else {"systems": tuple(systems.split(","))}),
        **values,
    )
    began = time.monotonic()
    name = f"robustness_audit_{dataset}" + ("_quick" if quick else "")
    folder = store_path(name, out).with_suffix("")
    audit = Audit(settings, folder, data_dir, weights, (lambda line: None) if quiet else say)
    results = audit.run(fresh)
    record = audit.record(name, results, time.monotonic() - began)
    record_path, figure_path = out / "records" / f"{name}.json", out / "figures" / f"{name}.png"
    write_record(record_path, record)
    plot_audit(record, figure_path, f"{dataset}: ℓ∞ semantic noise, ε = {epsilon:g}, SNR {snr_db:g} dB")
    print(f"record: {record_path}")
    print(f"figure: {figure_path}")
    print_summary(record)
    if strict:
        audit.raise_on_failed_checks(results)


def say(line: str) -> None:
    print(line, flush=True)


def print_summary(record: Record) -> None:
    """Robust images in percent by attack and system with intervals, and the checks that failed."""
    width = max(len(str(point.threat)) for point in record.points)
    for system in dict.fromkeys(point.system for point in record.points):
        print(f"{system}: robust images in %")
        for point in record.points:
            if point.system == system and point.value is not None and point.ci95 is not None:
                low, high = (100 * end for end in point.ci95)
                print(f"  {point.threat or 'clean':{width}}  {100 * point.value:5.1f}  [{low:.1f}, {high:.1f}]")
        checks = record.notes["checks"][system]
        failed = [f"{check['name']} ({check['detail']})" for check in checks if not check["passed"]]
        print(
            f"  checks: {len(checks) - len(failed)} of {len(checks)} passed" + "".join(f"; FAILED: {f}" for f in failed)
        )
    if record.notes["skipped"]:
        print(f"skipped, no weights: {', '.join(record.notes['skipped'])}")


def main(
    dataset: Annotated[str, typer.Option(help="digits, or a data set that weights were trained on")] = "digits",
    systems: Annotated[str | None, typer.Option(help="names, separated by commas; default all with weights")] = None,
    epsilon: Annotated[float, typer.Option(help="ε of the ℓ∞ ball, pixels in [0, 1]")] = 0.05,
    snr_db: Annotated[float, typer.Option(help="SNR in dB")] = 18.0,
    max_images: Annotated[int, typer.Option(min=2, help="the number of test images")] = 64,
    set_: Annotated[list[str] | None, typer.Option("--set", help="change a setting: adaptive.steps=50")] = None,
    quick: Annotated[bool, typer.Option(help="16 images, little effort")] = False,
    out: Annotated[Path, typer.Option(help="folder of records and figures")] = Path("results"),
    data_dir: Dataset = None,
    weights: Weights = None,
    fresh: Annotated[bool, typer.Option(help="forget what an earlier run left")] = False,
    strict: Annotated[bool, typer.Option(help="end with an error if a check failed; the record is written")] = False,
    quiet: Quiet = False,
) -> None:
    """Robustness under the paper's attack and under the adaptive suite."""
    start_backend()
    run_command(
        lambda: run(
            dataset,
            systems,
            epsilon,
            snr_db,
            max_images,
            set_ or [],
            quick,
            out,
            data_dir,
            weights,
            fresh,
            strict,
            quiet,
        )
    )


if __name__ == "__main__":
    run_script(main)
