"""Starting TensorFlow without its chatter on the user's terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from sc_sionna.core.errors import UserError
from sc_sionna.core.terminal import prepare_streams
from sc_sionna.core.threads import thread_limit


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


BACKENDS = ("tensorflow", "torch")  # those that core/backend has a file for


def check_keras(backend: str, floatx: str) -> None:
    """UserError for a backend that gradients are not written for, and a precision that the networks do not have."""
    where = "KERAS_BACKEND or the keras.json in KERAS_HOME (default ~/.keras)"
    if backend not in BACKENDS:
        raise UserError(
            f"Keras backend {backend!r}: gradients are written for {' and '.join(BACKENDS)}; set one of them in {where}"
        )
    if floatx != "float32":
        raise UserError(
            f'Keras floatx = {floatx!r}: the networks and their weights are float32; set "floatx": "float32" in the '
            "keras.json in KERAS_HOME (default ~/.keras)"
        )


# Instruction sets of oneDNN that have no bfloat16 kernels, in capitals as its variable is read
_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI")


def bfloat16_problem(backend: str) -> str | None:
    """Why networks in bfloat16 would end the process, in one line; None where they run.

    TensorFlow asks the processor whether oneDNN has bfloat16 kernels and calls them. Where ``ONEDNN_MAX_CPU_ISA`` forbids
    the instructions that they need, no kernel is there, and the call is a segmentation fault.
    """
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        isa = os.environ.get(name, "")
        if backend == "tensorflow" and isa.upper() in _WITHOUT_BFLOAT16:
            return f"{name} = {isa}: oneDNN has no bfloat16 kernels for it; unset it, or train in float32"
    return None


def start_backend() -> None:
    """Import Keras and its backend. TensorFlow logs before it reads any log level, so its first words are held back.

    Raises UserError for a backend that is not installed or not one of ``BACKENDS``, and a floatx other than float32.
    """
    if "keras" in sys.modules:
        return
    prepare_streams()
    try:
        keras = _import_keras()
    except (ImportError, ValueError) as error:
        name = os.environ.get("KERAS_BACKEND", "of keras.json")
        raise UserError(
            f"Keras backend {name}: cannot be started ({str(error).splitlines()[0]}); install it, or set "
            f"KERAS_BACKEND to one of {', '.join(BACKENDS)}"
        ) from None
    check_keras(keras.backend.backend(), keras.config.floatx())


def _import_keras() -> Any:
    """The module, with its backend started."""
    with _quiet_stderr():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            if thread_limit() is not None:
                tf.config.threading.set_intra_op_parallelism_threads(thread_limit())
                tf.config.threading.set_inter_op_parallelism_threads(thread_limit())
            tf.zeros(1)  # the first operation logs the processor's features
    return keras
