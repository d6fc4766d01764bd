"""Argument parsing only: ``sc-sionna`` and ``python -m sc_sionna``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sc_sionna import __version__
from sc_sionna.cli.options import AllowPlugins, Dataset, Quiet, Weights
from sc_sionna.cli.running import run_command, run_line
from sc_sionna.cli.simulation import CONTEXT, run
from sc_sionna.core.startup import start_backend
from sc_sionna.core.terminal import one_line

app = typer.Typer(
    help="Link-level simulation of robust semantic communications.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command("run", context_settings=CONTEXT, add_help_option=False)(run)


def run_script(name: str) -> None:
    """Run a named experiment with this process's arguments, for the scripts in ``sims/``."""
    run_line(app, ["run", name, *sys.argv[1:]])


@app.command("list")
def list_names() -> None:
    """Name the schemes, channels, attacks, data sets and experiments."""
    from sc_sionna.cli.listing import print_names

    run_command(print_names)


@app.command()
def train(
    preset: Annotated[str, typer.Argument(help="digits, cifar10 or paper")],
    system: Annotated[str, typer.Option(help="the scheme to train")] = "masked-vqvae",
    data_dir: Dataset = None,
    dataset: Annotated[str | None, typer.Option(help="another data set of the preset's image size")] = None,
    out: Annotated[Path, typer.Option(help="folder for the weights")] = Path("runs/weights"),
    run_dir: Annotated[Path | None, typer.Option(help="checkpoint and log; default runs/train/PRESET-SYSTEM")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="change a setting: codec.encoder.dim=128, train.epochs=5")
    ] = None,
    max_images: Annotated[int | None, typer.Option(min=1, help="train on a part of the images")] = None,
    start_from: Annotated[Path | None, typer.Option(help="a .weights.h5 instead of the pre-training stage")] = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="parts of a batch computed side by side, under PyTorch with OMP_NUM_THREADS=1"
        ),
    ] = 1,
    fresh: Annotated[bool, typer.Option(help="forget an earlier run of the same name")] = False,
    quiet: Quiet = False,
    allow_plugins: AllowPlugins = None,
) -> None:
    """Train a system; killed at any moment, the same command goes on from the last finished epoch."""

    def run() -> Any:
        start_backend()
        from sc_sionna.cli.train import train_preset

        return train_preset(
            preset,
            system,
            data_dir,
            dataset,
            out,
            run_dir,
            set_ or [],
            max_images,
            start_from,
            fresh,
            quiet,
            workers,
            sys.argv[1:],
        )

    run_command(run)


@app.command()
def calibrate(
    preset: Annotated[str, typer.Argument(help="digits, cifar10 or paper")],
    snr_db: Annotated[str, typer.Option(help="SNRs in dB, START:STOP:STEP or a,b,c")] = "3",
    out: Annotated[Path, typer.Option(help="folder of the calibration")] = Path("runs/calibration"),
    images: Annotated[int, typer.Option(min=64, max=10_000_000, help="transmissions per SNR")] = 4096,
    set_: Annotated[list[str] | None, typer.Option("--set", help="change a setting: link.num_streams=2")] = None,
) -> None:
    """Measure the link's bit error rate per image, from which the training channel draws."""

    def run() -> Any:
        start_backend()
        from sc_sionna.cli.train import calibrate_preset

        return calibrate_preset(preset, snr_db, out, images, set_ or [])

    run_command(run)


@app.command("noise-energy")
def noise_energy(
    preset: Annotated[str, typer.Argument(help="digits, cifar10 or paper")],
    system: Annotated[str, typer.Option(help="the trained scheme whose gradients are taken")] = "masked-vqvae",
    data_dir: Dataset = None,
    weights: Weights = None,
    max_images: Annotated[int, typer.Option(min=1, help="training images, at most")] = 1024,
    draws: Annotated[int, typer.Option(min=1, max=1000, help="draws of the mask per image")] = 4,
    allow_plugins: AllowPlugins = None,
) -> None:
    """Measure where semantic noise hits a trained scheme; prints the setting for --set, from training images."""

    def run() -> Any:
        start_backend()
        from sc_sionna.cli.train import print_noise_energy

        return print_noise_energy(preset, system, data_dir, weights, max_images, draws)

    run_command(run)


@app.command()
def validate(
    scale: Annotated[float, typer.Option(min=0.01, max=100, help="sample size relative to the default")] = 1.0,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Compare the link with theory; exit code 0 only if every |z| <= 4."""

    def run() -> Any:
        start_backend()
        from sc_sionna.phy.validate import print_validation, run_validation

        return print_validation(run_validation(scale=scale, seed=seed))

    run_command(run)


@app.command()
def bench(
    what: Annotated[str, typer.Argument(help="decoder, link, sweep, attack or all")],
    quick: Annotated[bool, typer.Option(help="fewer repetitions")] = False,
    out: Annotated[Path | None, typer.Option(help="a Markdown file for the results")] = None,
) -> None:
    """Measure speed against a plain alternative in the same run."""

    def run() -> Any:
        start_backend()
        from sc_sionna.benchmarks import run_benchmark

        return run_benchmark(what, quick, out)

    run_command(run)


@app.command()
def replay(
    record: Annotated[Path, typer.Argument(help="a record under results/records")],
    max_images: Annotated[int, typer.Option(min=1, help="transmissions per point of the replay")] = 128,
    data_dir: Dataset = None,
    weights: Weights = None,
    quiet: Quiet = False,
    allow_plugins: AllowPlugins = None,
) -> None:
    """Run a stored record again at a reduced size and compare every point; exit code 0 only if all agree."""

    def run() -> Any:
        start_backend()
        from sc_sionna.experiments.replay import replay_record

        return replay_record(record, max_images, data_dir, weights, quiet)

    run_command(run)


@app.command()
def merge(
    stores: Annotated[
        list[Path], typer.Argument(help="the stores of all shards, runs/NAME_shard1of2.sqlite and so on")
    ],
    into: Annotated[Path, typer.Option(help="the store to write: runs/NAME.sqlite, from which NAME goes on")],
) -> None:
    """Put the stores of shards together; the command without --shard then makes the record of them."""
    from sc_sionna.sweep.merge import merge_stores

    run_command(lambda: print(one_line(f"{merge_stores(stores, into)} batches: {into}")))


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="folder that holds records/ and gets README.md")] = Path("results"),
) -> None:
    """Write the results page from the records; every number in it is read from one."""
    from sc_sionna.report.markdown import write_report

    run_command(lambda: write_report(out))


@app.command()
def fuzz(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            help="set, commands, records, stores, weights, checkpoints, calibrations, images, kills, trainings; default all"
        ),
    ] = None,
    set_: Annotated[int | None, typer.Option("--set", min=1, help="hostile values of --set; default 500")] = None,
    commands: Annotated[int | None, typer.Option(min=1, help="hostile command lines; default 200")] = None,
    records: Annotated[int | None, typer.Option(min=1, help="hostile records; default 200")] = None,
    stores: Annotated[int | None, typer.Option(min=1, help="flipped bits of a store; default 1500")] = None,
    weights: Annotated[int | None, typer.Option(min=1, help="damaged weights files; default 200")] = None,
    checkpoints: Annotated[int | None, typer.Option(min=1, help="damaged checkpoints; default 100")] = None,
    calibrations: Annotated[int | None, typer.Option(min=1, help="damaged calibrations; default 100")] = None,
    images: Annotated[int | None, typer.Option(min=1, help="hostile pictures; default 100")] = None,
    kills: Annotated[int | None, typer.Option(min=1, help="SIGKILLs in sweeps; default 100")] = None,
    trainings: Annotated[int | None, typer.Option(min=1, help="SIGKILLs in trainings; default 60")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    out: Annotated[Path | None, typer.Option(help="a Markdown file for the figures")] = None,
) -> None:
    """Feed the project damaged and hostile input; exit code 0 only if nothing is lost, changed or imported in silence."""

    def run() -> Any:
        start_backend()
        from sc_sionna.cli.fuzz import fuzz as run_parts

        sizes = {
            "set": set_, "commands": commands, "records": records, "stores": stores, "weights": weights,
            "checkpoints": checkpoints, "calibrations": calibrations, "images": images,
            "kills": kills, "trainings": trainings,
        }  # fmt: skip
        return run_parts(parts or [], sizes, seed, out.resolve() if out else None, sys.argv[1:])

    run_command(run)


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="print the version")] = False
) -> None:
    if version:
        print(f"sc_sionna {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def main() -> None:
    """Run the command line of ``sc-sionna``."""
    run_line(app)
