"""Shared fixtures. Keras and TensorFlow start quietly and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sc_sionna.core.plugins import allow
from sc_sionna.core.startup import start_backend

start_backend()
allow("tests")  # plug-ins that tests name

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


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights under the digits' names, of untrained codecs that compile in a moment."""
    from tests.tiny_weights import write_tiny_weights

    return write_tiny_weights(tmp_path_factory.mktemp("tiny_weights"))


_COMPILED: dict = {}


@pytest.fixture(scope="session")
def digits_job():
    """The main job on 48 digits in batches of 16; its two systems are built and compiled once for all tests."""
    from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings

    with pytest.MonkeyPatch.context() as patch:
        _keep_systems(patch)
        job = AccuracyExperiment(AccuracySettings(snr_db=(-9, 3, 6, 40), max_images=48, batch_size=16))
        job.prepare()
    return job


@pytest.fixture
def compiled_systems(monkeypatch: pytest.MonkeyPatch, digits_job) -> None:
    """Jobs with the package's weights take the systems of ``digits_job`` where they ask for the same ones."""
    _keep_systems(monkeypatch)


def _keep_systems(patch: pytest.MonkeyPatch) -> None:
    from sc_sionna.experiments import accuracy

    make = accuracy.make_scheme

    def make_or_take(spec, preset, link, mean_image, weights=None, *rest):
        key = spec.label, preset, link, rest
        if weights is not None or not spec.scheme_class.trained:
            return make(spec, preset, link, mean_image, weights, *rest)
        if key not in _COMPILED:
            _COMPILED[key] = make(spec, preset, link, mean_image, weights, *rest)
        return _COMPILED[key]

    patch.setattr(accuracy, "make_scheme", make_or_take)
