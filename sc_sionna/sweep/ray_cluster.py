"""Workers as actors of a Ray cluster (Moritz et al. 2018, arXiv:1712.05889); needs the extra ``sc-sionna[ray]``."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import one_line
from sc_sionna.sweep.executor import SerialExecutor, from_message, part_to_json, to_message, unit_from_json
from sc_sionna.sweep.local import Prepare
from sc_sionna.sweep.pool import Event, Pool, Worker
from sc_sionna.sweep.provenance import processor_class

AUTO = "auto"
OBJECT_STORE_BYTES = 80_000_000  # nearly the least that Ray takes; messages are a few kilobytes
KNOCK_SECONDS = 10.0
# TensorFlow takes the whole memory of a GPU unless it is told to grow; two actors could not share one
ENVIRONMENT = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}


class Actor:
    """One worker. Ray runs its calls one after the other, in their order."""

    def __init__(self) -> None:
        self._executor: SerialExecutor | None = None

    def prepare(self, prepare: Prepare, order: bytes) -> list[bytes]:
        """Build the job; the class of the processor, or why there is none."""
        try:
            self._executor = prepare(from_message(order))
        except UserError as error:
            return [to_message({"error": str(error)})]
        return [to_message({"ready": processor_class()})]

    def work(self, unit: bytes) -> list[bytes]:
        """The parts of a unit."""
        executor, said = self._executor, []
        if executor is None:
            return []  # said already why
        try:
            executor.submit(unit_from_json(from_message(unit)))
            for part in executor.finished():
                said.append(to_message(part_to_json(part)))
        except UserError as error:
            said.append(to_message({"error": str(error)}))
        except Exception as error:  # tried elsewhere; the head names the unit if it fails there too
            executor.forget()
            said.append(to_message({"failed": one_line(f"{type(error).__name__}: {error}")}))
        return said


@dataclass
class _Handle:
    actor: Any
    answers: deque[Any] = field(default_factory=deque)  # to come, in the order of the calls


class RayExecutor(Pool):
    """Actors on a cluster.

    prepare, order, num_workers : as for :class:`~sc_sionna.sweep.local.LocalExecutor`
    address : of the cluster, or "auto" for the one that Ray finds here, else one that is started on this machine
    num_cpus, num_gpus : what an actor declares; ``num_cpus`` is the number of its threads

    Raises
    ------
    UserError where Ray is not installed, or nothing answers at the address.
    """

    def __init__(
        self,
        prepare: Prepare,
        order: Mapping[str, Any],
        num_workers: int,
        address: str,
        num_cpus: int,
        num_gpus: float = 0,
    ) -> None:
        super().__init__(num_workers)
        self.prepare, self.order = prepare, to_message(order)
        self.address, self.num_cpus, self.num_gpus = address, num_cpus, num_gpus
        self._ray: Any = None

    def __enter__(self) -> RayExecutor:
        self._ray = _connected(self.address, self.num_workers * self.num_cpus)
        super().__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None

    def _start(self) -> _Handle:
        actor = self._ray.remote(Actor).options(num_cpus=self.num_cpus, num_gpus=self.num_gpus, max_restarts=0).remote()
        return _Handle(actor, deque([actor.prepare.remote(self.prepare, self.order)]))

    def _send(self, worker: Worker, message: Mapping[str, Any]) -> None:
        worker.handle.answers.append(worker.handle.actor.work.remote(to_message(message)))

    def _events(self) -> Iterator[Event]:
        first = {worker.handle.answers[0]: worker for worker in self.workers if worker.handle.answers}
        ready, _ = self._ray.wait(list(first), num_returns=1)
        for answer in ready:
            worker = first[answer]
            try:
                said = self._ray.get(answer)
            except self._ray.exceptions.RayActorError as error:
                yield Event(worker, None, one_line(f"the end of its actor ({str(error).splitlines()[0]})"))
                continue
            worker.handle.answers.popleft()
            for message in said:
                yield Event(worker, from_message(message))

    def _end(self, worker: Worker) -> None:
        self._ray.kill(worker.handle.actor, no_restart=True)


def _connected(address: str, num_cpus: int) -> Any:
    """The module ray, connected to the cluster; UserError where that cannot be."""
    try:
        import ray
    except ImportError:
        raise UserError(
            "--cluster: Ray is not installed; pip install 'sc-sionna[ray]', or use --workers alone"
        ) from None
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found = address != AUTO or "RAY_ADDRESS" in os.environ
    try:
        _knock(address)
        if found:
            ray.init(address, runtime_env={"env_vars": ENVIRONMENT}, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(
                num_cpus=num_cpus,
                object_store_memory=OBJECT_STORE_BYTES,
                runtime_env={"env_vars": environment},
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(
            f"--cluster {address}: no cluster answers ({one_line(str(error).splitlines()[0])}); start one with `ray start "
            "--head`, or use --workers alone"
        ) from None
    return ray


def _knock(address: str) -> None:
    """OSError where nothing listens at host:port; Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()
