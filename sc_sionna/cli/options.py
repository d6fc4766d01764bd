"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sc_sionna.cli.running import run_command
from sc_sionna.core import plugins


def _allow(modules: list[str] | None) -> list[str] | None:
    def run() -> None:
        for module in modules or []:
            plugins.allow(module)

    run_command(run)
    return modules


Dataset = Annotated[Path | None, typer.Option("--data-dir", help="folder with NAME/SPLIT/CLASS/FILE images")]
Weights = Annotated[Path | None, typer.Option("--weights", help="folder with NAME.weights.h5 and NAME.json")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print results only")]
Out = Annotated[Path, typer.Option(help="folder of records and figures")]
AllowPlugins = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-plugins",
        callback=_allow,
        metavar="MODULE",
        help="trust the code of MODULE where a record or weights name module:Class",
    ),
]
