"""What a named experiment is: its own options, the settings that follow from them, and what is said of its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import Field

from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.experiments.registry import KINDS
from sc_sionna.schemes import PAPER_SCHEMES, SchemeSpec, specs, trained_schemes
from sc_sionna.settings import Decibel, Settings
from sc_sionna.sweep import Record

T = TypeVar("T")
QUICK_IMAGES = 128
# Where the plain masked VQ-VAE has lost most of its accuracy; other data sets take that of CIFAR-10
EPSILON = {"digits": 0.05, "cifar10": 8 / 255}
# Types of own options that a command line reads in a form of its own; empty for the default of the experiment
Decibels = Annotated[tuple[Decibel, ...], "decibels"]  # START:STOP:STEP or a,b,c
Numbers = Annotated[tuple[Annotated[float, Field(ge=-10_000, le=10_000)], ...], "numbers"]  # a,b,c
FULL_RANGE = tuple(float(snr_db) for snr_db in range(-9, 19, 3))
COARSE_RANGE = (-9.0, 0.0, 9.0, 18.0)
# The paper's schemes, and the trivial opponent that any link for classification has to answer
COMPARED = (*PAPER_SCHEMES, "label-ldpc", "label-ldpc+at")
TESTED = frozenset({"dataset", "systems", "max_images", "data_dir", "weights"})  # options of what runs on test images


@dataclass(frozen=True)
class Options:
    """The options that experiments share, as values.

    systems : the schemes of ``--systems``, or None for those of the experiment
    changes : of settings, by group
    notices : what is to be said after the run; :meth:`schemes` adds to it
    """

    dataset: str = "digits"
    systems: tuple[SchemeSpec, ...] | None = None
    max_images: int | None = None
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quick: bool = False
    data_dir: Path | None = None
    weights: Path | None = None
    notices: list[str] = field(default_factory=list)

    def pick(self, full: T, quick: T) -> T:
        """A value that ``--quick`` makes smaller."""
        return quick if self.quick else full

    def images(self, quick: int = QUICK_IMAGES) -> int | None:
        """The number of test images, None for all; ``quick`` at most where ``--quick`` is set."""
        return min(self.max_images or quick, quick) if self.quick else self.max_images

    def epsilon(self, given: float | None) -> float:
        """The ℓ∞ budget that was given, else that of the data set."""
        return EPSILON.get(self.dataset, EPSILON["cifar10"]) if given is None else given

    def schemes(self, wanted: Sequence[str] | None = None) -> tuple[SchemeSpec, ...]:
        """The schemes of ``--systems``, else those of ``wanted`` that have weights; None wants the paper's.

        A notice names those that are left out. If none has weights the first is taken, so that the run says how to train it.
        """
        if self.systems is not None:
            return self.systems
        schemes = specs(wanted or PAPER_SCHEMES)
        found = trained_schemes(self.dataset, self.weights, schemes)
        for spec in schemes if found else ():
            if spec not in found:
                self.notices.append(f"{spec.label}: no weights, left out; {train_command(self.dataset, spec)}")
        return found or schemes[:1]

    def labels(self, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
        """The labels of :meth:`schemes`."""
        return tuple(spec.label for spec in self.schemes(wanted))

    def record_name(self, name: str, plain: str | None = None) -> str:
        """Of the files of a run: with the data set, unless that is ``plain``, and ``_quick`` where it is."""
        return name + ("" if self.dataset == plain else f"_{self.dataset}") + ("_quick" if self.quick else "")


class Run(NamedTuple):
    """One record of a named experiment: its name and its settings."""

    name: str
    settings: SweepSettings


def build_kind(settings: SweepSettings, data_dir: Path | None = None, weights: Path | None = None) -> Experiment:
    """The experiment of the settings' kind."""
    return KINDS[settings.kind].build(settings, data_dir, weights)


@dataclass(frozen=True)
class Entry:
    """A named experiment.

    about : one line for the list of experiments
    kind : of the settings of its runs
    runs : the records that it makes, from the shared and from its own options
    own : the type of its own options, whose fields say what they are
    takes : names of the shared options that mean something here
    groups : of the settings that ``--set`` may change
    build : the experiment of a run's settings
    summary : prints the numbers of a record; an exit code, if not None
    together : draws one figure of all its records below a folder, and returns its path
    """

    about: str
    kind: str
    runs: Callable[[Options, Any], list[Run]]
    own: type[Settings] = Settings
    takes: frozenset[str] = TESTED
    groups: tuple[str, ...] = ("link", "stop")
    build: Callable[[Any, Path | None, Path | None], Experiment] = build_kind
    summary: Callable[[Record], int | None] = lambda record: None
    together: Callable[[Options, Sequence[Record], Path], Path] | None = None


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
