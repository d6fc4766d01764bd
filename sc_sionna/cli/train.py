"""``sc-sionna train`` and ``calibrate``: settings from words, live progress, weights written at the end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sc_sionna.attacks.energy import noise_energy
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.cli.parsing import parse_changes, parse_snr_range
from sc_sionna.core import plugins, rng
from sc_sionna.core.atomic import make_folder
from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.semantic.codec import make_masking
from sc_sionna.semantic.weights import save_weights, weights_name
from sc_sionna.settings import Preset
from sc_sionna.settings.presets import make_preset
from sc_sionna.tasks import make_task
from sc_sionna.training.channel import save_calibration
from sc_sionna.training.loop import Trainer


class _Report:
    """One line per epoch: a bar on a terminal, plain lines elsewhere, nothing if quiet."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.live = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[state]}"),
            TimeRemainingColumn(), console=Console(), disable=quiet or not sys.stdout.isatty(),
        )  # fmt: skip
        self.tasks: dict[str, Any] = {}

    def __call__(self, line: dict[str, Any]) -> None:
        used = (
            f", {line['codes_used']} codes in use (perplexity {line['perplexity']:.1f})" if "codes_used" in line else ""
        )
        if "index_entropy_bits" in line:
            used += (
                f", {line['distinct_indices']:.1f} different indices an image of {line['index_entropy_bits']:.2f} bits"
            )
        if line.get("collapsed"):
            used += ", COLLAPSED"
        skipped = f", {line['skipped_steps']} steps skipped" if "skipped_steps" in line else ""
        state = f"loss {line['task']:.4f}, validation {line['val']:.4f} (best {line['best_val']:.4f}){used}{skipped}"
        if not self.live.disable:
            stage = line["stage"]
            if stage not in self.tasks:
                self.tasks[stage] = self.live.add_task(stage, total=line["epochs"], state="")
            self.live.update(self.tasks[stage], completed=line["epoch"], state=state)
        elif not self.quiet:
            print(f"{line['stage']} {line['epoch']}/{line['epochs']}: {state}, {line['seconds']:.0f} s", flush=True)


def train_preset(
    preset_name: str,
    system: str,
    data_dir: Path | None,
    dataset: str | None,
    out: Path,
    run_dir: Path | None,
    changes: list[str],
    max_images: int | None,
    start_from: Path | None,
    fresh: bool,
    quiet: bool,
    workers: int,
    arguments: list[str],
) -> None:
    """Train and write ``out/PRESET-SYSTEM.weights.h5`` with its description."""
    preset = make_preset(preset_name, system, **parse_changes(changes, ("codec", "link", "train")))
    if dataset is not None:
        plugins.allow_named(dataset)  # typed by the user, who so names the module
        preset = preset.with_(dataset=dataset)
    run_dir = run_dir or Path("runs/train") / weights_name(preset_name, system)
    if start_from is not None and not start_from.is_file():
        raise UserError(f"--start-from {start_from}: no such file; name a .weights.h5 file")
    train = load(preset.dataset, "train", data_dir, preset.codec.image_size).head(max_images)
    val = load(preset.dataset, "val", data_dir, preset.codec.image_size)
    if make_task(preset.codec).labels_are_classes and len(train.classes) != preset.codec.num_classes:
        raise UserError(
            f"dataset = {preset.dataset!r}: {len(train.classes)} classes, the preset has "
            f"{preset.codec.num_classes}; add --set codec.num_classes={len(train.classes)}"
        )
    for folder in (out, run_dir):
        make_folder(folder)
    report = _Report(quiet)
    words = " ".join(["python -m sc_sionna", *arguments])

    def keep_pretrained(task: str) -> None:
        """Weights of the pre-training stage, which the fine-tuning of every scheme can start from."""
        metric = _metric(trainer, task)
        path = save_weights(out / "pretrained", preset, trainer.model, metric, words)
        print(one_line(f"weights after masked pre-training: {path}"))

    with report.live:
        trainer = Trainer(preset, train, val, run_dir, report, start_from, keep_pretrained, fresh, workers=workers)
        model = trainer.run()
    if preset.train.epochs == 0:
        return
    metric = _metric(trainer, "classify")
    path = save_weights(out, preset, model, metric, words)
    print(one_line(f"weights: {path}"))
    print(f"{metric['name']}: {metric['value']:.4f} on {len(val)} images, {metric['training_seconds']} s")
    if metric.get("collapsed"):
        print("the code has collapsed: it carries hardly more than the class; no verdict can rest on these weights")


def _metric(trainer: Trainer, task: str) -> dict[str, Any]:
    """What validation says of the weights that a stage ends with, for their description."""
    settings, value = trainer.settings, trainer.state["best_metric"]
    content = {k: round(v, 4) if isinstance(v, float) else v for k, v in trainer.state["best_content"].items()}
    return {
        "name": f"validation {trainer.task.score_name}" if task == "classify" else "masked reconstruction error",
        "value": round(value, 4) if task == "classify" else round(-value, 5),
        "images": len(trainer.val),
        "draws_per_image": settings.val_repeats,
        "snr_db": settings.snr_range_db or settings.snr_db,
        "channel": settings.channel if task == "classify" else "none",
        **content,
        "training_images": len(trainer.train),
        "training_seconds": round(trainer.state["seconds"]),
    }


def calibrate_preset(preset_name: str, snr_text: str, out: Path, images: int, changes: list[str]) -> None:
    """Measure the link of a preset and write the quantiles."""
    preset: Preset = make_preset(preset_name, "masked-vqvae", **parse_changes(changes, ("codec", "link")))
    payload_bits = preset.codec.num_kept * (preset.codec.codebook.size - 1).bit_length()
    table = save_calibration(out, preset.link, payload_bits, parse_snr_range(snr_text), images)
    means = {snr: round(sum(q) / len(q), 4) for snr, q in table.items()}
    what = f"calibration for {payload_bits} bits in {out}; mean bit error rate by SNR in dB: {json.dumps(means)}"
    print(one_line(what))


def print_noise_energy(
    preset_name: str, system: str, data_dir: Path | None, weights: Path | None, max_images: int, draws: int
) -> None:
    """``codec.masking.noise_energy=[...]``, one number per patch position with mean 1, for ``--set`` beside
    ``codec.masking.rule=noise-related``."""
    from sc_sionna.schemes import load_scheme_codec  # which needs Sionna; training does not

    codec, preset = load_scheme_codec(system, preset_name, weights)
    if codec.settings.masking.ratio == 0:
        raise UserError(
            f"system = {system!r}: sends every patch, so there is nothing to mask; name a masked-vqvae scheme"
        )
    train = load(preset.dataset, "train", data_dir, preset.codec.image_size).shuffled(max_images)
    victim = CodecVictim(codec, make_masking(preset.codec), snr_db=preset.train.snr_db)
    generator = rng.generator(preset.train.seed, "noise energy")
    energy = noise_energy(victim, to_float(train.pixels), train.labels, preset.codec.patch_size, generator, draws)
    print(
        f"codec.masking.noise_energy={json.dumps([float(f'{value:.4g}') for value in energy], separators=(',', ':'))}"
    )
