"""Compilation of loops with Numba, cached on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

Function = Callable[..., Any]


def _jit(function: Function, cache: bool) -> Function:
    return numba.njit(function, nogil=True, boundscheck=False, error_model="numpy", cache=cache)


def inlined(function: Function) -> Function:
    """A function that compiled loops of the same file call; machine code is made where it is called.

    It must be one of the module. In a loop's closure it would be part of the key under which Numba keeps the loop, and every
    process has another one for it, so that nothing would ever be found again.
    """
    return _jit(function, cache=False)


def compile_cached(define: Callable[[Callable[[Function], Function]], Function], signature: Any) -> Function:
    """The function that ``define(jit)`` makes with the decorator it is given, compiled for ``signature``.

    From Numba's on-disk cache where one is writable, otherwise compiled for this process.
    """
    try:
        kernel = define(partial(_jit, cache=True))
        kernel.compile(signature)  # type: ignore[attr-defined]
    except (RuntimeError, OSError):  # no writable place for the cache, or it vanished while being written
        kernel = define(partial(_jit, cache=False))
        kernel.compile(signature)  # type: ignore[attr-defined]
    return kernel


@intrinsic
def fetch_add(typingctx, counter, amount):  # type: ignore[no-untyped-def]
    """Atomically add to ``counter[0]`` and return its old value: how the threads of a compiled loop share its work."""
    sig = types.int64(counter, types.int64)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        pointer = make_array(sig.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", pointer, args[1], "monotonic")

    return sig, codegen
