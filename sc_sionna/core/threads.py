"""How many threads a process may use; sums of floats depend on it, so that it is said once and for all libraries."""

from __future__ import annotations

import os

_limit: int | None = None


def limit_threads(number: int | None) -> None:
    """Use so many threads from now on, None for all cores; the backend takes it when it starts."""
    global _limit
    _limit = number


def thread_limit() -> int | None:
    """What :func:`limit_threads` set."""
    return _limit


def available_threads() -> int:
    """The limit, or the cores that this process may use."""
    if _limit is not None:
        return _limit
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
