"""Channels that were measured, ray-traced or simulated elsewhere, from a file of arrays."""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from tokenize import TokenError

import numpy as np
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.channels.base import ChannelModel
from sc_sionna.phy.channels.ofdm import OfdmChannel
from sc_sionna.settings.channel import CirDatasetSettings, DatasetSettings

FOLDER = Path("data/channels")  # within the working folder: a record names a file, never where it lies
MOST_BYTES = 2**30  # of a file, and of the arrays in it
LEAST_ROWS = 64
# Whatever zipfile and NumPy come upon in a damaged archive or header, which NumPy reads as a literal of Python
_DAMAGE = (
    OSError, ValueError, TypeError, EOFError, KeyError, MemoryError, OverflowError, RecursionError, NotImplementedError,
    SyntaxError, TokenError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=4)
def read_arrays(path: Path, sha256: str, names: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    """Arrays of a file as ``numpy.savez`` writes it, which holds no code and is checked before it is used.

    Raises
    ------
    UserError
        The file is not there, larger than 1 GiB, not the one of that hash, damaged, or without one of the arrays; an array
        holds objects in place of numbers, or a value that is not finite.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"channel_args.file: {path}: cannot be read ({error.strerror}); put the file there") from None
    if size > MOST_BYTES:
        raise UserError(f"channel_args.file: {path}: {size} bytes, at most {MOST_BYTES} are read; take fewer rows")
    actual = _sha256(path)
    if actual != sha256:
        raise UserError(
            f"channel_args.sha256 = {sha256!r}: {path} has {actual}; bring the file that is meant, or set its hash"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise ValueError(f"its arrays have more than {MOST_BYTES} bytes")
        with np.load(path, allow_pickle=False) as content:
            missing = [name for name in names if name not in content.files]
            if missing:
                raise ValueError(f"no array {missing[0]!r} in it")
            arrays = tuple(content[name] for name in names)
    except _DAMAGE as error:
        raise UserError(
            f"channel_args.file: {path}: not arrays {', '.join(names)} as numpy.savez writes them "
            f"({(str(error).splitlines() or [type(error).__name__])[0]})"
        ) from None
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind not in "fc" or not np.isfinite(array).all():
            raise UserError(f"channel_args.file: {path}: {name} of {array.dtype} holds what is no finite number")
    return arrays


def _check_shape(settings: DatasetSettings, name: str, array: np.ndarray, wanted: tuple[int | str, ...]) -> None:
    """UserError unless an array has the shape ``wanted``, in which words stand for any length, and enough rows."""
    fits = array.ndim == len(wanted) and all(
        isinstance(w, str) or n == w for n, w in zip(array.shape, wanted, strict=True)
    )
    if not fits or 0 in array.shape:
        raise UserError(
            f"channel_args.file: {FOLDER / settings.file}: {name} has shape {list(array.shape)}, "
            f"[{', '.join(map(str, wanted))}] is wanted; set num_rx_ant and num_tx_ant to those of the data"
        )
    if len(array) < LEAST_ROWS:
        raise UserError(
            f"channel_args.file: {FOLDER / settings.file}: {len(array)} rows, at least {LEAST_ROWS} are wanted for a mean "
            "over the ensemble"
        )


class DatasetChannel(ChannelModel):
    """Channel matrices from data/channels/FILE.npz, whose array h [rows, rx, tx] is complex.

    Every realisation is a row, drawn uniformly from the seed; the realisations of an image are independent rows.
    """

    Settings = DatasetSettings

    def __init__(self, num_rx_ant: int, num_tx_ant: int, settings: DatasetSettings) -> None:
        super().__init__(num_rx_ant, num_tx_ant, settings)
        (h,) = read_arrays(FOLDER / settings.file, settings.sha256, ("h",))
        _check_shape(settings, "h", h, ("rows", num_rx_ant, num_tx_ant))
        self.rows = tf.constant(h, tf.complex64)

    def call(self, batch_size: int | Tensor, num_realisations: int, seed: Tensor) -> tf.Tensor:
        """Rows of the data, complex64 ``[batch_size, num_realisations, rx, tx]``."""
        shape = [num_realisations, batch_size]  # realisation first, so that more of them extend fewer
        row = tf.random.stateless_uniform(shape, seed, 0, len(self.rows), tf.int32)
        return tf.gather(self.rows, tf.transpose(row))


class CirDatasetChannel(OfdmChannel):
    """Impulse responses over OFDM from data/channels/FILE.npz: gains a and delays tau in seconds.

    a ``[rows, rx, tx, paths, times]`` complex, with 1 time for a channel that stands still or one per OFDM symbol; tau
    ``[rows, paths]``. An image is a row, drawn uniformly from the seed. See :mod:`sc_sionna.phy.channels.ofdm`.
    """

    Settings = CirDatasetSettings
    energy_draws = ChannelModel.energy_draws

    def __init__(self, num_rx_ant: int, num_tx_ant: int, settings: CirDatasetSettings) -> None:
        super().__init__(num_rx_ant, num_tx_ant, settings)
        a, tau = read_arrays(FOLDER / settings.file, settings.sha256, ("a", "tau"))
        _check_shape(settings, "a", a, ("rows", num_rx_ant, num_tx_ant, "paths", "times"))
        _check_shape(settings, "tau", tau, (len(a), a.shape[3]))
        self.a, self.tau = tf.constant(a, tf.complex64), tf.constant(tau, tf.float32)

    def check_uses(self, num_uses: int) -> None:
        """UserError where the grid, or the number of times in the data, is smaller than an image."""
        super().check_uses(num_uses)
        times, fft_size = self.a.shape[4], self.settings.fft_size
        if 1 < times < -(-num_uses // fft_size):
            raise UserError(
                f"channel_args.file: {FOLDER / self.settings.file}: {times} times, and {num_uses} channel uses take "
                f"{-(-num_uses // fft_size)} OFDM symbols of {fft_size} subcarriers; raise fft_size"
            )

    def draw_paths(self, batch_size: int | Tensor, num_symbols: int, seed: Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A row of the data for every image."""
        row = tf.random.stateless_uniform([batch_size], seed, 0, len(self.a), tf.int32)
        a = tf.gather(self.a, row)[..., :num_symbols]
        a = tf.broadcast_to(a, tf.concat([tf.shape(a)[:-1], [num_symbols]], 0))
        return a[:, None, :, None], tf.gather(self.tau, row)[:, None, None]
