"""Shared fixtures. Keras and TensorFlow start quietly and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sc_sionna.startup import start_backend

start_backend()

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_archive(tmp_path_factory: pytest.TempPathFactory):
    """Unpack members of a real archive where it is present; skip, visibly, where it is not."""
    import tarfile

    def unpack(name: str, keep_member) -> Path:
        archive = SHARED_DATA / f"{name}.tar.gz"
        if not archive.is_file():
            pytest.skip(f"{archive.name} is not beside this checkout")
        target = tmp_path_factory.mktemp(name)
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and keep_member(member.name):
                    tar.extract(member, target, filter="data")
        return target

    return unpack
