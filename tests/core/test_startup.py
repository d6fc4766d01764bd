"""TensorFlow's chatter does not reach the user's terminal, but an error does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sc_sionna
from sc_sionna.core.errors import UserError
from sc_sionna.core.startup import bfloat16_problem, check_keras
from sc_sionna.training.optimizer import precision

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As a user would: no log level set beforehand."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "GRPC_", "PYTHONWARNINGS"))}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_version_is_all_that_is_printed() -> None:
    done = run("-m", "sc_sionna", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sc_sionna {sc_sionna.__version__}\n", "")


def test_a_command_that_starts_tensorflow_and_sionna_is_quiet() -> None:
    code = (
        "from sc_sionna.core.startup import start_backend; start_backend(); start_backend()\n"
        "import tensorflow as tf, sionna.phy, os\n"
        "print(float(tf.reduce_sum(tf.ones(3))))\n"
        "os.write(2, b'still there')\n"
    )
    done = run("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3.0\n", "still there")


def test_what_was_held_back_is_shown_if_the_start_fails() -> None:
    code = (
        "from sc_sionna.core import startup; import os\n"
        "with startup._quiet_stderr():\n"
        "    os.write(2, b'the last words of a library\\n')\n"
        "    raise ImportError('no such library')\n"
    )
    done = run("-c", code)
    assert done.returncode == 1
    assert "the last words of a library" in done.stderr
    assert "ImportError: no such library" in done.stderr


@pytest.mark.parametrize(
    ("config", "backend", "words"),
    [
        ({"backend": "jax"}, None, "Keras backend of keras.json: cannot be started (No module named 'jax')"),
        ({"backend": "tensorflow"}, "nosuch", "Keras backend nosuch: cannot be started"),
        ({"backend": "tensorflow", "floatx": "float64"}, None, "Keras floatx = 'float64'"),
    ],
)
def test_a_keras_that_cannot_be_used_is_one_line(tmp_path: Path, config: dict, backend: str | None, words: str) -> None:
    (tmp_path / "keras.json").write_text(json.dumps(config))
    code = (
        "from sc_sionna.core.startup import start_backend\n"
        "from sc_sionna.core.errors import UserError\n"
        "try:\n    start_backend()\nexcept UserError as error:\n    print(error)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"} | {"KERAS_HOME": str(tmp_path)}
    if backend is not None:
        environment["KERAS_BACKEND"] = backend
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.startswith(words)
    assert done.stdout.count("\n") == 1
    assert "keras.json" in done.stdout or "KERAS_BACKEND" in done.stdout


def test_a_backend_without_gradients_is_one_line() -> None:
    with pytest.raises(UserError, match="Keras backend 'numpy': gradients are written for tensorflow and torch"):
        check_keras("numpy", "float32")
    check_keras("torch", "float32")


def test_without_a_temporary_folder_the_backend_starts_and_is_heard() -> None:
    code = (
        "import tempfile\n"
        "def missing(*a, **k): raise FileNotFoundError(2, 'No usable temporary directory found')\n"
        "tempfile.TemporaryFile = tempfile.mkdtemp = missing\n"
        "from sc_sionna.core.startup import start_backend; start_backend()\n"
        "from sc_sionna.core.atomic import scratch_folder\n"
        "from sc_sionna.core.errors import UserError\n"
        "try:\n    scratch_folder().__enter__()\nexcept UserError as error: print(error)\n"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert "temporary folder: No usable temporary directory found; free space, or set TMPDIR" in done.stdout


@pytest.mark.parametrize("isa", ["AVX2", "avx2"])
def test_bfloat16_is_refused_where_onednn_may_not_use_the_instructions_for_it(isa, monkeypatch) -> None:
    """TensorFlow asks the processor and not oneDNN: the call would be a segmentation fault."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", isa)
    assert "unset it, or train in float32" in (bfloat16_problem("tensorflow") or "")
    assert bfloat16_problem("torch") is None
    with (
        pytest.raises(UserError, match=f"train.precision = mixed_bfloat16: ONEDNN_MAX_CPU_ISA = {isa}"),
        precision("mixed_bfloat16"),
    ):
        pass
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
    assert bfloat16_problem("tensorflow") is None
