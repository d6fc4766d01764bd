"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[Path | None, typer.Option("--data-dir", help="folder with NAME/SPLIT/CLASS/FILE images")]
Weights = Annotated[Path | None, typer.Option("--weights", help="folder with NAME.weights.h5 and NAME.json")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print results only")]
Out = Annotated[Path, typer.Option(help="folder of records and figures")]
