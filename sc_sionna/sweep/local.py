"""Workers on this machine: processes of their own, started anew and not forked, which TensorFlow would not survive."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line
from sc_sionna.sweep.executor import SerialExecutor, Unit, from_message, part_to_json, to_message, unit_from_json
from sc_sionna.sweep.pool import Event, Pool, Worker
from sc_sionna.sweep.provenance import processor_class

Prepare = Callable[[Mapping[str, Any]], SerialExecutor]
START_SECONDS, END_SECONDS = 0.1, 5.0


class _Process(NamedTuple):
    process: Any
    connection: Connection


class LocalExecutor(Pool):
    """Processes that this one starts, each with a pipe.

    prepare : a function of a module, which a worker calls with ``order`` and gets an executor from
    order : what to evaluate, as JSON
    num_workers : at least 1
    """

    def __init__(self, prepare: Prepare, order: Mapping[str, Any], num_workers: int) -> None:
        super().__init__(num_workers)
        self.prepare, self.order = prepare, to_message(order)

    def _start(self) -> _Process:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.prepare, self.order), daemon=True)
        process.start()
        theirs.close()  # else the end of the worker would not be seen
        return _Process(process, ours)

    def _send(self, worker: Worker, message: Mapping[str, Any]) -> None:
        with suppress(OSError):  # it has ended, which its pipe says too
            worker.handle.connection.send_bytes(to_message(message))

    def _events(self) -> Iterator[Event]:
        by_connection = {worker.handle.connection: worker for worker in self.workers}
        for connection in wait(list(by_connection)):
            worker = by_connection[connection]
            try:
                message = from_message(worker.handle.connection.recv_bytes())
            except (OSError, EOFError):
                worker.handle.process.join(END_SECONDS)
                yield Event(worker, None, f"the end of its process ({_how(worker.handle.process.exitcode)})")
            else:
                yield Event(worker, message)

    def _end(self, worker: Worker) -> None:
        process, connection = worker.handle
        connection.close()
        if process.is_alive():
            process.terminate()
            process.join(START_SECONDS)
        if process.is_alive():
            process.kill()
        process.join(END_SECONDS)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


class _HeadGone(Exception):
    """Nobody is at the other end of the pipe."""


class _Pipe:
    """The pipe to the head, as a worker uses it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def say(self, message: Mapping[str, Any]) -> None:
        try:
            self.connection.send_bytes(to_message(message))
        except OSError:
            raise _HeadGone from None

    def hear(self) -> dict[str, Any]:
        try:
            return from_message(self.connection.recv_bytes())
        except (OSError, EOFError):
            raise _HeadGone from None


def _serve(connection: Connection, prepare: Prepare, order: bytes) -> None:
    """A worker's life: prepare, then evaluate what the pipe brings until the head is gone."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C goes to all processes of a terminal; the head ends its workers
    pipe = _Pipe(connection)
    try:
        executor = prepare(from_message(order))
        pipe.say({"ready": processor_class()})
        while True:
            _evaluate(executor, unit_from_json(pipe.hear()), pipe)
    except UserError as error:  # settings or files that no other worker can use either
        with suppress(_HeadGone):
            pipe.say({"error": str(error)})
    except _HeadGone:
        pass


def _evaluate(executor: SerialExecutor, unit: Unit, pipe: _Pipe) -> None:
    try:
        executor.submit(unit)
        for part in executor.finished():
            pipe.say(part_to_json(part))
    except (UserError, _HeadGone):
        raise
    except Exception as error:  # the unit is tried elsewhere; the head names it if it fails there too
        executor.forget()
        pipe.say({"failed": one_line(f"{type(error).__name__}: {error}")})
