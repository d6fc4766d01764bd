"""Argument parsing only: ``sc-sionna`` and ``python -m sc_sionna``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from sc_sionna import __version__
from sc_sionna.errors import UserError

app = typer.Typer(
    help="Link-level simulation of robust semantic communications.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Dataset = Annotated[Path | None, typer.Option("--data-dir", help="folder with NAME/SPLIT/CLASS/FILE images")]
Weights = Annotated[Path | None, typer.Option("--weights", help="folder with NAME.weights.h5 and NAME.json")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print results only")]


def run_command(function: Callable[[], Any]) -> None:
    """Run a command; a UserError becomes one line on stderr and exit code 2. Scripts in ``sims/`` use it too."""
    try:
        code = function()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted; finished batches and epochs are kept, the same command goes on from there", file=sys.stderr)
        raise SystemExit(130) from None
    if isinstance(code, int) and not isinstance(code, bool):
        raise SystemExit(code)


def run_script(main: Callable[..., None]) -> None:
    """Make a command line of a function, for the scripts in ``sims/``."""
    script = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    script.command()(main)
    script()


@app.command()
def train(
    preset: Annotated[str, typer.Argument(help="digits, cifar10 or paper")],
    system: Annotated[str, typer.Option(help="the scheme to train")] = "masked-vqvae",
    data_dir: Dataset = None,
    dataset: Annotated[str | None, typer.Option(help="another data set of the preset's image size")] = None,
    out: Annotated[Path, typer.Option(help="folder for the weights")] = Path("runs/weights"),
    run_dir: Annotated[Path | None, typer.Option(help="checkpoint and log; default runs/train/PRESET-SYSTEM")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="change a setting: codec.dim=128, train.epochs=5")
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
) -> None:
    """Train a system; killed at any moment, the same command goes on from the last finished epoch."""
    from sc_sionna.startup import start_backend

    start_backend()
    from sc_sionna.training.command import train_preset

    run_command(
        lambda: train_preset(
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
    )


@app.command()
def calibrate(
    preset: Annotated[str, typer.Argument(help="digits, cifar10 or paper")],
    snr_db: Annotated[str, typer.Option(help="SNRs in dB, START:STOP:STEP or a,b,c")] = "3",
    out: Annotated[Path, typer.Option(help="folder of the calibration")] = Path("runs/calibration"),
    images: Annotated[int, typer.Option(min=64, help="transmissions per SNR")] = 4096,
    set_: Annotated[list[str] | None, typer.Option("--set", help="change a setting: link.num_streams=2")] = None,
) -> None:
    """Measure the link's bit error rate per image, from which the training channel draws."""
    from sc_sionna.startup import start_backend

    start_backend()
    from sc_sionna.training.command import calibrate_preset

    run_command(lambda: calibrate_preset(preset, snr_db, out, images, set_ or []))


@app.command("noise-energy")
def noise_energy(
    preset: Annotated[str, typer.Argument(help="digits, cifar10 or paper")],
    system: Annotated[str, typer.Option(help="the trained scheme whose gradients are taken")] = "masked-vqvae",
    data_dir: Dataset = None,
    weights: Weights = None,
    max_images: Annotated[int, typer.Option(min=1, help="training images, at most")] = 1024,
    draws: Annotated[int, typer.Option(min=1, help="draws of the mask per image")] = 4,
) -> None:
    """Measure where semantic noise hits a trained scheme; prints the setting for --set, from training images."""
    from sc_sionna.startup import start_backend

    start_backend()
    from sc_sionna.training.command import print_noise_energy

    run_command(lambda: print_noise_energy(preset, system, data_dir, weights, max_images, draws))


@app.command()
def validate(
    scale: Annotated[float, typer.Option(min=0.01, max=100, help="sample size relative to the default")] = 1.0,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Compare the link with theory; exit code 0 only if every |z| <= 4."""
    from sc_sionna.startup import start_backend

    start_backend()
    from sc_sionna.phy.validate import print_validation, run_validation

    run_command(lambda: print_validation(run_validation(scale=scale, seed=seed)))


@app.command()
def bench(
    what: Annotated[str, typer.Argument(help="decoder, link, sweep, attack or all")],
    quick: Annotated[bool, typer.Option(help="fewer repetitions")] = False,
    out: Annotated[Path | None, typer.Option(help="a Markdown file for the results")] = None,
) -> None:
    """Measure speed against a plain alternative in the same run."""
    from sc_sionna.startup import start_backend

    start_backend()
    from sc_sionna.benchmarks import run_benchmark

    run_command(lambda: run_benchmark(what, quick, out))


@app.command()
def replay(
    record: Annotated[Path, typer.Argument(help="a record under results/records")],
    max_images: Annotated[int, typer.Option(min=1, help="transmissions per point of the replay")] = 128,
    data_dir: Dataset = None,
    weights: Weights = None,
    quiet: Quiet = False,
) -> None:
    """Run a stored record again at a reduced size and compare every point; exit code 0 only if all agree."""
    from sc_sionna.startup import start_backend

    start_backend()
    from sc_sionna.jobs.replay import replay_record

    run_command(lambda: replay_record(record, max_images, data_dir, weights, quiet))


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    if version:
        print(f"sc_sionna {__version__}")
        raise typer.Exit


def main() -> None:
    app()
