"""Where a record was made: command, code, versions, device."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow", "sionna", "keras", "numpy", "numba", "pillow")
# What the libraries choose their kernels by, best first: flags of /proc/cpuinfo on x86 and ARM
INSTRUCTION_SETS = (
    "amx_bf16", "avx512_fp16", "avx512_bf16", "avx512_vnni", "avx512f", "avx_vnni", "avx2", "avx", "sse4_1", "sve2", "sve",
    "asimd",
)  # fmt: skip
CHOOSERS = (
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_NUM_INTRAOP_THREADS",
    "OMP_NUM_THREADS",
)


def command_line() -> str:
    """The command of this process, as a user would type it again in the folder it ran in."""
    arguments = [shlex.quote(a) for a in sys.argv[1:]]
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return " ".join([f"python -m {program.parent.name}", *arguments])
    if program.suffix == ".py":
        shown = program
        if program.is_absolute() and program.is_relative_to(Path.cwd()):
            shown = program.relative_to(Path.cwd())
        return " ".join(["python", shlex.quote(str(shown)), *arguments])
    return " ".join([shlex.quote(program.name), *arguments])


def git_commit(package: Path | None = None) -> dict[str, Any] | None:
    """Commit of the package's own checkout and whether tracked files outside ``results`` differ from it.

    None without git, and for an installed copy: a repository that merely encloses it does not track its files.
    """
    folder = package or Path(__file__).resolve().parents[1]
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results")
    return None if commit is None else {"hash": commit, "dirty": changed is None or bool(changed)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries that the numbers depend on; those installed."""
    found = {"python": platform.python_version()}
    for name in ("sc-sionna", *PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def device_description() -> dict[str, Any]:
    """Processor, cores this process may use, and GPUs if TensorFlow runs in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": cores,
        "system": f"{platform.system()} {platform.machine()}",
    }
    tf = sys.modules.get("tensorflow")  # not imported for this alone
    gpus = tf.config.list_physical_devices("GPU") if tf is not None else []
    device["gpus"] = (
        [tf.config.experimental.get_device_details(g).get("device_name", g.name) for g in gpus] if tf else []
    )
    return device


def processor_class() -> str:
    """What decides the last bits of a network's output: instruction set, threads, and the variables that choose kernels.

    Within a class a batch gives the same counts. Between classes rounding differs, and a sign step of an attack makes a
    visible difference of it.
    """
    flags = _cpu_field("flags", "Features").split()
    best = next((name for name in INSTRUCTION_SETS if name in flags), "")
    chosen = [f"{name}={os.environ[name]}" for name in CHOOSERS if os.environ.get(name)]
    device = device_description()
    gpus = [str(name) for name in device["gpus"]]
    first = " ".join(part for part in (platform.machine(), best) if part)
    return ", ".join([first, f"{_threads(device['cores'])} threads", *gpus, *chosen])


def _threads(cores: int | None) -> int:
    tf = sys.modules.get("tensorflow")  # not imported for this alone
    chosen = tf.config.threading.get_intra_op_parallelism_threads() if tf is not None else 0
    return int(chosen or cores or 1)


def _cpu_model() -> str:
    return _cpu_field("model name") or platform.processor() or "unknown"


def _cpu_field(*names: str) -> str:
    """The first line of /proc/cpuinfo with one of these names; empty on a system without it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(names):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""
