"""Starting TensorFlow without its chatter on the user's terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from sc_sionna.core.terminal import prepare_streams


@contextmanager
def _scratch_file() -> Iterator[IO[bytes] | None]:
    """A temporary file; None on a machine without a temporary folder, where there is nothing to hold back in."""
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115
    except OSError:
        yield None
        return
    with file:
        yield file


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to file descriptor 2; show it if the block fails."""
    sys.stderr.flush()
    with _scratch_file() as held:
        if held is None:
            yield
            return
        saved = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def start_backend() -> None:
    """Import Keras and its backend. TensorFlow logs before it reads any log level, so its first words are held back."""
    if "keras" in sys.modules:
        return
    prepare_streams()
    with _quiet_stderr():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.zeros(1)  # the first operation logs the processor's features
