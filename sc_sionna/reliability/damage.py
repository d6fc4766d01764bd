"""What is done to any file, and what a case may take."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MEMORY = 400  # MB that a case may add to this process


def flip(path: Path, random: np.random.Generator) -> None:
    """Turn one bit of a file."""
    content = bytearray(path.read_bytes())
    content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
    path.write_bytes(content)


def cut(path: Path, random: np.random.Generator) -> None:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(random.integers(len(content)))])


def peak_memory() -> float:
    """The most memory that this process has had, in MB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((float(line.split()[1]) / 1024 for line in lines if line.split(":")[0] == "VmHWM"), 0.0)
