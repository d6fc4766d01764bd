"""``sc-sionna run NAME``: a named experiment from words, as a record and a figure.

The options that experiments share are parameters of :func:`run`. Those of one experiment are the fields of its own settings
(:class:`~sc_sionna.experiments.catalogue.entry.Entry`); what :func:`run` does not know itself is read as ``--name value`` of
these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sc_sionna.cli.options import AllowPlugins, Dataset, Out, Quiet, Weights
from sc_sionna.cli.parsing import parse_changes, parse_numbers, parse_snr_range, read_settings
from sc_sionna.cli.running import run_command
from sc_sionna.core import plugins
from sc_sionna.core.errors import UserError
from sc_sionna.core.startup import start_backend
from sc_sionna.core.terminal import one_line
from sc_sionna.core.threads import limit_threads

if TYPE_CHECKING:  # importing these starts the backend, which a command does when it runs
    from sc_sionna.experiments.base import Experiment
    from sc_sionna.experiments.catalogue.entry import Entry, Options, Run
    from sc_sionna.experiments.hands import Hands
    from sc_sionna.settings import Settings

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@dataclass(frozen=True)
class Request:
    """What was typed: the shared options as words, and the rest of the line."""

    name: str
    shared: Mapping[str, Any]  # dataset, systems, max_images, data_dir, weights; None where not given
    changes: tuple[str, ...]
    quick: bool
    config: Path | None
    out: Path
    fresh: bool
    dry_run: bool
    quiet: bool
    work: Mapping[str, Any]  # workers, threads, cluster, gpus, shard
    words: tuple[str, ...]


def run(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="an experiment, see `sc-sionna list`; fig9 is enough")] = None,
    dataset: Annotated[str | None, typer.Option(help="digits, or a data set that weights were trained on")] = None,
    systems: Annotated[
        str | None, typer.Option(help="names, separated by commas; default those of the experiment with weights")
    ] = None,
    max_images: Annotated[int | None, typer.Option(min=1, help="the number of test images; default all")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="change a setting: link.num_streams=2")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="a look: fewer images, points or errors")] = False,
    config: Annotated[
        Path | None, typer.Option(help="a record, or JSON of settings: run with these, and those of --set")
    ] = None,
    out: Out = Path("results"),
    data_dir: Dataset = None,
    weights: Weights = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="forget what an earlier run left")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would run and about how long; write nothing")
    ] = False,
    quiet: Quiet = False,
    workers: Annotated[int, typer.Option(min=1, max=4096, help="processes that evaluate batches")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="threads of each; default all cores")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="auto|ADDRESS", help="workers on a Ray cluster; needs sc-sionna[ray]")
    ] = None,
    gpus: Annotated[float, typer.Option(min=0, max=64, help="GPUs of each worker on a cluster, a share too")] = 0.0,
    shard: Annotated[
        str | None, typer.Option(metavar="i/N", help="run one of N parts into a store of its own, see `merge`")
    ] = None,
    allow_plugins: AllowPlugins = None,
    help_: Annotated[bool, typer.Option("--help", help="show this, and with NAME its own options")] = False,
) -> None:
    """Run a named experiment; killed at any moment, the same command goes on where it was."""
    if help_ or name is None:
        print(context.get_help())
        if name is not None:
            run_command(lambda: _print_own_options(name))
        raise typer.Exit(0 if help_ else 2)
    shared = {
        "dataset": dataset, "systems": systems, "max_images": max_images, "data_dir": data_dir, "weights": weights,
    }  # fmt: skip
    work = {"workers": workers, "threads": threads, "cluster": cluster, "num_gpus": gpus, "shard": shard}
    changes, words = tuple(set_ or ()), tuple(context.args)
    request = Request(name, shared, changes, quick, config, out, fresh, dry_run, quiet, work, words)
    run_command(lambda: run_request(request))


def run_request(request: Request) -> int | None:
    """Run what was asked for; the exit code of the experiment's summary, if it has one."""
    limit_threads(request.work["threads"])
    start_backend()
    from sc_sionna.experiments.base import run_and_save
    from sc_sionna.experiments.catalogue import find_entry, full_name
    from sc_sionna.experiments.plan import describe_run

    entry = find_entry(request.name)
    options = _options(request, entry)
    if request.config is None:
        own = _own_options(request, entry)
        runs = entry.runs(options, own)
    else:
        runs = [_configured(request, entry, full_name(request.name))]
    experiments = [(name, entry.build(settings, options.data_dir, options.weights)) for name, settings in runs]
    if request.dry_run:
        for name, experiment in experiments:
            print(describe_run(experiment, name, request.out))
        return None
    hands = _hands(request)
    if hands.shard is not None:
        _run_shards(request, hands, experiments, options)
        return None
    codes, records = [], []
    for name, experiment in experiments:
        workers = partial(hands.executor, experiment, options.data_dir, options.weights)
        records.append(run_and_save(experiment, name, request.out, request.fresh, request.quiet, workers))
        codes.append(entry.summary(records[-1]))
    for notice in dict.fromkeys(options.notices):
        print(notice)
    if entry.together is not None and request.config is None:
        print(one_line(f"figure: {entry.together(options, records, request.out)}"))
    return max((code for code in codes if code is not None), default=None)


def _hands(request: Request) -> Hands:
    """Who evaluates what was asked for."""
    from sc_sionna.experiments.hands import Hands, parse_shard

    values = {name: value for name, value in request.work.items() if name != "threads"}
    return Hands(**values | {"shard": None if values["shard"] is None else parse_shard(values["shard"])})


def _run_shards(
    request: Request, hands: Hands, experiments: Sequence[tuple[str, Experiment]], options: Options
) -> None:
    """Of every sweep the part that this command is to run."""
    from sc_sionna.experiments.base import run_shard

    assert hands.shard is not None
    for name, experiment in experiments:
        part, points = "{}_shard{}of{}".format(name, *hands.shard), hands.share(experiment.points())
        workers = partial(hands.executor, experiment, options.data_dir, options.weights)
        run_shard(experiment, part, points, request.out, request.fresh, request.quiet, workers)


def _options(request: Request, entry: Entry) -> Options:
    """The shared options as values; UserError for one that means nothing to the experiment."""
    from sc_sionna.experiments.catalogue.entry import Options
    from sc_sionna.schemes import parse_schemes

    given = {name: value for name, value in request.shared.items() if value is not None}
    plugins.allow_named(request.shared["dataset"])
    for option in given:
        if option not in entry.takes:
            raise UserError(
                f"--{option.replace('_', '-')}: means nothing to {request.name}, {entry.about}; leave it out"
            )
    if "systems" in given:
        plugins.allow_named(given["systems"].split(","))  # typed by the user, who so names the module
        given["systems"] = parse_schemes(given["systems"])
        plugins.allow_named([spec.overrides for spec in given["systems"]])
    changes = {} if request.config else _changes(request, entry.groups)
    return Options(**given, changes=changes, quick=request.quick)


def _changes(request: Request, groups: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Settings of ``--set`` by group, those alone that were changed."""
    if request.changes and not groups:
        raise UserError(f"--set {request.changes[0]!r}: {request.name} has no settings to change; leave it out")
    return {group: changed for group, changed in parse_changes(list(request.changes), groups).items() if changed}


def _own_options(request: Request, entry: Entry) -> Settings:
    """The experiment's own options from the words that :func:`run` does not know."""
    fields = entry.own.model_fields
    known = ", ".join(f"--{field.replace('_', '-')}" for field in fields) or "none"
    values: dict[str, Any] = {}
    for word, text in _pairs(request.words):
        field = word.removeprefix("--").replace("-", "_")
        if not word.startswith("--") or field not in fields:
            raise UserError(f"{word}: not an option of {request.name}; its own are {known}")
        if field in values:
            raise UserError(f"{word}: given twice; give it once")
        if text is None:
            raise UserError(f"{word}: needs a value, {fields[field].description}")
        values[field] = _value(field, text, fields[field].metadata)
    return entry.own(**values)


def _pairs(words: Sequence[str]) -> list[tuple[str, str | None]]:
    """``--name value`` and ``--name=value`` as pairs; None for a value that is missing."""
    pairs: list[tuple[str, str | None]] = []
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        follows = rest and not rest[0].startswith("--")
        pairs.append((name, value if equals else rest.pop(0) if follows and name.startswith("--") else None))
    return pairs


def _value(field: str, text: str, metadata: Sequence[Any]) -> Any:
    """A value in the form that its type has on a command line; other types are read by pydantic."""
    if "decibels" in metadata:
        return tuple(parse_snr_range(text, field))
    return tuple(parse_numbers(text, field)) if "numbers" in metadata else text


def _configured(request: Request, entry: Entry, name: str) -> Run:
    """The run of ``--config``: the settings of a file, with those of ``--set`` laid over them."""
    from sc_sionna.experiments.catalogue.entry import Run
    from sc_sionna.experiments.registry import parse_settings

    assert request.config is not None
    for word in [*request.words, *(["--quick"] if request.quick else [])]:
        raise UserError(f"{word}: --config has all settings; change them with --set")
    for option in ("dataset", "systems", "max_images"):
        if request.shared[option] is not None:
            raise UserError(f"--{option.replace('_', '-')}: --config has all settings; change them with --set")
    stated, values = read_settings(request.config)
    settings = parse_settings(values, str(request.config))
    wanted = entry.kind
    if settings.kind != wanted:
        raise UserError(f"{request.config}: settings of kind {settings.kind!r}; {name} takes {wanted!r}")
    changes = _changes(request, tuple(type(settings).model_fields)) if request.changes else {}
    return Run(stated or f"{name}_{request.config.stem}", settings.with_(**changes) if changes else settings)


def _print_own_options(name: str) -> None:
    """The options of one experiment, from the fields of its settings."""
    start_backend()
    from sc_sionna.experiments.catalogue import find_entry, full_name

    entry = find_entry(name)
    print(f"{full_name(name)}: {entry.about}")
    for field, info in entry.own.model_fields.items():
        default = "" if info.default in (None, ()) else f" [default: {_shown(info.default)}]"
        print(f"  --{field.replace('_', '-')}  {info.description}{default}")
    if entry.groups:
        print(f"  --set GROUP.NAME=VALUE with GROUP one of {', '.join(entry.groups)}")
    taken = [f"--{option.replace('_', '-')}" for option in sorted(entry.takes)]
    print("  of the shared options " + (f"also {', '.join(taken)}" if taken else "only those that say where and how"))


def _shown(default: Any) -> str:
    return ",".join(f"{x:g}" for x in default) if isinstance(default, tuple) else str(default)
