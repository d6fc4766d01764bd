"""Threads that run a compiled loop side by side with the caller's."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Threads:
    """``num_threads`` threads, the calling one among them; the others start when they are first needed."""

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0
        self._lock = threading.Lock()

    def run(self, work: Callable[[], Result], most: int) -> list[Result]:
        """What ``work`` returns in each of at most ``most`` threads, when all have returned."""
        helpers = min(self.num_threads, most) - 1
        futures = [self._helpers().submit(work) for _ in range(helpers)]
        return [work(), *(future.result() for future in futures)]

    def _helpers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._process != os.getpid():  # a fork does not carry threads over
                self._process = os.getpid()
                self._pool = ThreadPoolExecutor(self.num_threads - 1, thread_name_prefix="loop")
            return self._pool
