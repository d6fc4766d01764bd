"""How a command ends: an exit code, and one line on stderr where it could not do what was asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sc_sionna.core.errors import UserError


def run_command(function: Callable[[], Any]) -> None:
    """Run a command; a UserError becomes one line on stderr and exit code 2."""
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
