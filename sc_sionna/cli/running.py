"""How a command ends: an exit code, and one line on stderr where it could not do what was asked.

0 done; 1 done, and something disagrees; 2 cannot be done as asked; 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line, prepare_streams

STOPPED = "finished batches and epochs are kept, the same command goes on from there"


class _Terminated(BaseException):
    """SIGTERM, raised where the work is, so that locks and scratch files are given back on the way out."""


def run_command(function: Callable[[], Any]) -> None:
    """Run a command and end as the module says; what is none of that is a bug and keeps its traceback."""
    try:
        with _raising_on_sigterm():
            code = function()
    except UserError as error:
        _end(2, f"error: {error}")
    except KeyboardInterrupt:
        _end(130, f"interrupted; {STOPPED}")
    except _Terminated:
        _end(143, f"terminated; {STOPPED}")
    except BrokenPipeError:
        raise  # the reader of our output has gone, so there is nobody to tell
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        _end(2, f"error: {where}{error.strerror or error}; free space or choose another folder, then run it again")
    except (MemoryError, RecursionError) as error:
        what = "out of memory" if isinstance(error, MemoryError) else "settings nested too deeply"
        _end(2, f"error: {what}; choose smaller sizes (batch_size, the widths, max_images)")
    if isinstance(code, int) and not isinstance(code, bool):
        raise SystemExit(code)


def run_line(app: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run a command line, by default this process's; a word that cannot be parsed is one line too."""
    prepare_streams()
    try:
        code = app(args=None if arguments is None else list(arguments), standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):  # while the backend starts
        _end(130, "interrupted before anything began")
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # the interpreter flushes it at its end
        raise SystemExit(1) from None
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        message = one_line(" ".join(error.format_message().split()))
        _end(2, f"error: {message}; --help lists the options")
    raise SystemExit(code if isinstance(code, int) else 0)


def _end(code: int, line: str) -> NoReturn:
    print(one_line(line), file=sys.stderr, flush=True)
    raise SystemExit(code) from None


@contextmanager
def _raising_on_sigterm() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there may a handler be set
        yield
        return

    def handler(*_: object) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
