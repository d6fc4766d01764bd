"""The compiled loop as a NumPy function of the blocks to send and the channel that they meet."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from sc_sionna.core.threads import available_threads
from sc_sionna.phy.air.kernels import transmit_kernel
from sc_sionna.phy.threads import Threads

LEAST_USES = 512  # channel uses that are worth a second thread


@dataclass(frozen=True)
class Channel:
    """What B images meet on their way.

    g : complex64 ``[B, realisations, rx, S]``, precoder and fading, G = H P
    no : float32 ``[B]``, noise variance at a receive antenna
    key : uint64 ``[3]``, key and counter of the noise, which is drawn in the order ``[uses of an image, B, rx]``
    uses_per_realisation : channel uses of an image that share a matrix
    interference : complex64 ``[B or 1, uses of an image or 1, rx or 1]``, added at the antennas, or None
    """

    g: np.ndarray
    no: np.ndarray
    key: np.ndarray
    uses_per_realisation: int
    interference: np.ndarray | None = None


@dataclass(frozen=True)
class Pam:
    """Gray QAM as two PAMs, see :class:`~sc_sionna.phy.receiver.QamDemapper`.

    levels : float32 ``[2^(m/2)]``
    of_bit : int32 ``[m/2, 2, 2^(m/2) / 2]``, which levels have a 0 and which a 1 at each bit of a real dimension
    exact : the ``app`` rule, otherwise ``maxlog``
    """

    levels: np.ndarray
    of_bit: np.ndarray
    exact: bool


NO_BITS = Pam(np.empty(0, np.float32), np.empty((0, 2, 0), np.int32), True)  # symbols only


@dataclass(frozen=True, eq=False)
class Received:
    """What arrives of M blocks; where only LLRs were asked for, the others have no rows.

    llr float32 ``[M, U, S·m]``, x_hat complex64 ``[M, U, S]``, no_eff float32 ``[M, U, S]``, y complex64 ``[M, U, rx]``
    """

    llr: np.ndarray
    x_hat: np.ndarray
    no_eff: np.ndarray
    y: np.ndarray


class Memory:
    """Float32 memory that is lent, and used again: new pages for the LLRs of every batch cost as much as the LLRs.

    ``with memory(size) as values`` lends float32 ``[size]`` of any content; as many threads as like may hold some.
    """

    def __init__(self) -> None:
        self._idle: list[np.ndarray] = []

    @contextmanager
    def __call__(self, size: int) -> Iterator[np.ndarray]:
        """Lend so many values."""
        try:
            memory = self._idle.pop()  # of a list an atomic operation
        except IndexError:
            memory = np.empty(0, np.float32)
        if memory.size < size:
            memory = np.empty(size, np.float32)
        try:
            yield memory[:size]
        finally:
            self._idle.append(memory)


@functools.cache
def _threads() -> Threads:
    return Threads(available_threads())


def transmit(
    x: np.ndarray,
    image: np.ndarray,
    block: np.ndarray,
    channel: Channel,
    pam: Pam,
    llr: np.ndarray | None = None,
    num_threads: int | None = None,
) -> Received:
    """Send M blocks: noise, y = G x + n, LMMSE filter, LLRs.

    x : complex64 ``[M, U, S]``; image, block : int32 ``[M]``, the image that a block belongs to, and its place in it
    llr : float32 of the size of the LLRs, to be filled, where they alone are wanted: memory that is used again
    num_threads : at most so many, by default the cores that the process may use; the result does not depend on it
    """
    count, uses, streams = x.shape
    rx = channel.g.shape[2]
    rows = count if llr is None else 0
    shape = count, uses, 2 * len(pam.of_bit) * streams
    out = Received(
        np.empty(shape, np.float32) if llr is None else llr.reshape(shape),
        np.empty((rows, uses, streams), np.complex64),
        np.empty((rows, uses, streams), np.float32),
        np.empty((rows, uses, rx), np.complex64),
    )
    interference = np.empty((0, 0, 0), np.complex64) if channel.interference is None else channel.interference
    kernel, counter = transmit_kernel(), np.zeros(1, np.int64)

    def work() -> None:
        kernel(
            x, image, block, channel.g, channel.no, channel.key, interference, channel.uses_per_realisation,
            pam.levels, pam.of_bit, pam.exact, counter, out.x_hat, out.no_eff, out.llr, out.y,
        )  # fmt: skip

    most = min(count, max(1, count * uses // LEAST_USES))
    _threads().run(work, most if num_threads is None else min(num_threads, most))
    return out
