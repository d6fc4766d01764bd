"""What the scripts in ``sims/`` that compare systems share: their options, the run, and the summary.

A script is a function of :class:`Options` and of its own options, made a command line by :func:`script`::

    def sweep(options: Options, snr_db: Annotated[str, typer.Option(help="in dB")] = "-9:18:3") -> None:
        settings = options.settings(snr_db=parse_snr_range(snr_db))
        print_summary(options.run("fig0", settings))

    main = script(sweep)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sc_sionna.cli.main import AllowPlugins, Dataset, Quiet, Weights, run_command
from sc_sionna.cli.parsing import parse_changes
from sc_sionna.core import plugins
from sc_sionna.core.errors import UserError
from sc_sionna.core.startup import start_backend

if TYPE_CHECKING:  # these start the backend, which a script does when it runs
    from sc_sionna.attacks.threats import Threat
    from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
    from sc_sionna.schemes import SchemeSpec
    from sc_sionna.sweep import Record

T = TypeVar("T")
QUICK_IMAGES = 128
# Where the plain masked VQ-VAE has lost most of its accuracy; other data sets take that of CIFAR-10
EPSILON = {"digits": 0.05, "cifar10": 8 / 255}
Epsilon = Annotated[
    float | None,
    typer.Option(
        help="ℓ∞ budget of the semantic noise at the source, pixels in [0, 1]; 0 for none; default by data set"
    ),
]
Steps = Annotated[int, typer.Option(min=1, help="steps of the attack")]
Draws = Annotated[
    int, typer.Option(min=1, help="draws of the mask per gradient of the attack; one where a scheme draws none")
]


@dataclass(frozen=True)
class Options:
    """The options that all such scripts have, see :data:`COMMON`."""

    dataset: str
    systems: str | None
    max_images: int | None
    changes: tuple[str, ...]
    quick: bool
    out: Path
    data_dir: Path | None
    weights: Path | None
    fresh: bool
    quiet: bool
    notices: list[str] = field(default_factory=list)  # printed by ``run``

    def pick(self, full: T, quick: T) -> T:
        """A value that ``--quick`` makes smaller."""
        return quick if self.quick else full

    def epsilon(self, given: float | None) -> float:
        return EPSILON.get(self.dataset, EPSILON["cifar10"]) if given is None else given

    def schemes(self, wanted: Sequence[str] | None = None) -> tuple[SchemeSpec, ...]:
        """The schemes of ``--systems``, else those of ``wanted`` (None: all) that have weights.

        :meth:`run` says which are left out. If none has weights the first is named, so that the sweep says how to train it.
        """
        from sc_sionna.schemes import SCHEME_NAMES, parse_schemes, specs, trained_schemes

        if self.systems is not None:
            plugins.allow_named(self.systems.split(","))  # typed by the user, who so names the module
            typed = parse_schemes(self.systems)
            plugins.allow_named([spec.overrides for spec in typed])
            return typed
        schemes = specs(wanted or SCHEME_NAMES)
        found = trained_schemes(self.dataset, self.weights, schemes)
        for spec in schemes if found else ():
            if spec not in found:
                self.notices.append(f"{spec.label}: no weights, left out; {train_command(self.dataset, spec)}")
        return found or schemes[:1]

    def settings(self, **values: Any) -> AccuracySettings:
        """Settings of the sweep; ``schemes`` default to :meth:`schemes`."""
        from sc_sionna.experiments.accuracy import AccuracySettings

        limit = min(self.max_images or QUICK_IMAGES, QUICK_IMAGES) if self.quick else self.max_images
        changed: dict[str, Any] = parse_changes(list(self.changes), ("link", "jpeg", "stop"))
        values = {"preset": self.dataset, "dataset": self.dataset, "max_images": limit, **values}
        return AccuracySettings(**{"schemes": values.get("schemes") or self.schemes(), **values, **changed})

    def run(
        self,
        name: str,
        settings: AccuracySettings,
        figure: Callable[[Record, Path], None] | None = None,
        more_notes: Callable[[AccuracyExperiment], dict[str, Any]] | None = None,
    ) -> Record:
        """Run the sweep; its files carry ``NAME_DATASET``, and ``_quick`` where it was."""
        from sc_sionna.experiments.accuracy import AccuracyExperiment
        from sc_sionna.experiments.base import run_and_save

        job = AccuracyExperiment(settings, self.data_dir, self.weights, figure, more_notes)
        full_name = f"{name}_{self.dataset}" + ("_quick" if self.quick else "")
        record = run_and_save(job, full_name, self.out, self.fresh, self.quiet)
        for notice in self.notices:
            print(notice)
        return record


COMMON: dict[str, tuple[Any, Any]] = {  # option → its type and default
    "dataset": (Annotated[str, typer.Option(help="digits, or a data set that weights were trained on")], "digits"),
    "systems": (
        Annotated[
            str | None, typer.Option(help="names, separated by commas; default those of the figure with weights")
        ],
        None,
    ),
    "max_images": (
        Annotated[int | None, typer.Option(min=1, help="the number of test images; default all")],
        None,
    ),
    "set_": (
        Annotated[list[str] | None, typer.Option("--set", help="change a setting: link.num_streams=2")],
        None,
    ),
    "quick": (Annotated[bool, typer.Option(help=f"a look: at most {QUICK_IMAGES} images and fewer points")], False),
    "out": (Annotated[Path, typer.Option(help="folder of records and figures")], Path("results")),
    "data_dir": (Dataset, None),
    "weights": (Weights, None),
    "fresh": (Annotated[bool, typer.Option(help="forget what an earlier run left")], False),
    "quiet": (Quiet, False),
    "allow_plugins": (AllowPlugins, None),
}


def script(sweep: Callable[..., object]) -> Callable[..., None]:
    """A command line of ``sweep(options, **its own options)``: those of :data:`COMMON` are added to its own."""
    own = list(inspect.signature(sweep, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    common = [
        inspect.Parameter(name, keyword, annotation=kind, default=default) for name, (kind, default) in COMMON.items()
    ]

    def main(**values: Any) -> None:
        shared = {name: values.pop(name) for name in COMMON}
        shared.pop("allow_plugins")  # its callback has allowed them
        options = Options(changes=tuple(shared.pop("set_") or ()), **shared)

        def run() -> None:
            start_backend()
            plugins.allow_named(options.dataset)
            sweep(options, **values)

        run_command(run)

    main.__doc__ = sweep.__doc__
    main.__annotations__ = {}
    main.__signature__ = inspect.Signature([p.replace(kind=keyword) for p in own] + common)  # type: ignore[attr-defined]
    return main


def train_command(preset: str, spec: SchemeSpec) -> str:
    """How weights of a scheme are made; a variant ``J16`` is one of another codebook size."""
    command = f"python -m sc_sionna train {preset} --system {spec.stored_as}"
    if spec.variant is None:
        return f"train them with `{command}`"
    size = spec.variant.removeprefix("J")
    if not size.isdigit():
        return f"sc_sionna/weights/{spec.variant}/digits-{spec.stored_as}.json has the command for the digits"
    run_dir = f"runs/train/{preset}-{spec.stored_as}-{spec.variant}"
    command += f" --set codec.codebook.size={size} --out sc_sionna/weights/{spec.variant} --run-dir {run_dir}"
    return f"train them with `{command}`"


def source_threats(epsilons: Sequence[float], steps: int = 10, draws: int = 4) -> tuple[Threat, ...]:
    """Noise at the transmitter, Eq. (7); ε = 0 is no threat."""
    from sc_sionna.attacks.threats import source_threat

    return tuple(source_threat(epsilon, steps=steps, draws=draws) for epsilon in epsilons if epsilon != 0)


def parse_numbers(text: str, what: str) -> list[float]:
    """``a,b,c``; UserError where that is no list of different numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or len(set(values)) < len(values):
        raise UserError(f"{what} = {text!r}: not different numbers; write values such as 0,0.05,0.1")
    return values


def print_summary(record: Record) -> None:
    """Accuracy in percent by threat, SNR and system, and what an image costs."""
    for threat in dict.fromkeys(point.threat for point in record.points):
        points = [point for point in record.points if point.threat == threat]
        systems = list(dict.fromkeys(point.system for point in points))
        widths = [max(14, len(name)) for name in systems]
        rows: dict[float, dict[str, str]] = {}
        for point in points:
            shown = "not run" if point.value is None else f"{100 * point.value:.1f}"
            rows.setdefault(point.snr_db, {})[point.system] = shown
        print(f"accuracy in %, {threat or 'without semantic noise'}")
        print("  ".join(["SNR dB", *(f"{name:>{w}}" for name, w in zip(systems, widths, strict=True))]))
        for snr_db, row in rows.items():
            print("  ".join([f"{snr_db:6g}", *(f"{row[n]:>{w}}" for n, w in zip(systems, widths, strict=True))]))
    for point in {point.system: point for point in record.points}.values():
        if point.budget is not None:
            error_free = 100 * record.notes["error_free_accuracy"][point.system]
            print(
                f"{point.system}: {point.budget['symbols']:.0f} symbols and {point.budget['channel_uses']:.0f} channel "
                f"uses per image; {error_free:.1f} % where nothing goes wrong on the air"
            )
