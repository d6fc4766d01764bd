"""A store goes on only where everything that its counts follow from is as it was; a change is named in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sc_sionna.core import code_identity as module
from sc_sionna.core import plugins
from sc_sionna.core.code_identity import NOT_COUNTED, PACKAGE, import_closure
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_experiment
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.fingerprint import fingerprint
from tests.sims.helpers import ROOT

EVALUATE = """
import json, sys
from pathlib import Path
from sc_sionna.experiments.{module} import *
{code}
print(json.dumps(sorted(name for name in sys.modules if name.split(".")[0] == "sc_sionna")))
"""
JOBS = {
    "accuracy": """
from sc_sionna.attacks.threats import air_threat, random_sign_threat, source_threat
threats = (source_threat(0.05, steps=1), random_sign_threat(0.1), air_threat(10, samples=8))
systems = ("masked-vqvae", "jscc", "jpeg-ldpc")
job = AccuracyExperiment(AccuracySettings(systems=systems, snr_db=(3,), max_images=4, threats=threats))
job.prepare()
for point in job.points():
    job.evaluate(point, 0)
""",
    "error_rates": """
job = ErrorRateExperiment(ErrorRateSettings(links={"a": {}, "b": {"decoder": "sionna"}}, batch_size=8))
for name in "ab":
    job.evaluate(job.points()[0].__class__(name, 3), 0)
""",
}


@pytest.mark.parametrize("name", JOBS)
def test_every_module_that_a_batch_loads_is_covered(name: str) -> None:
    """The closure is read from the source; what a process has really loaded says whether the reading misses something."""
    done = subprocess.run(
        [sys.executable, "-c", EVALUATE.format(module=name, code=JOBS[name])], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    drawing = {m for m in loaded if any(m == n or m.startswith(f"{n}.") for n in NOT_COUNTED)}
    covered = set(import_closure([f"sc_sionna.experiments.{name}"]))
    assert len(loaded) > 30
    assert loaded - drawing <= covered
    assert not any(m.startswith(("sc_sionna.cli", "sc_sionna.report", "sc_sionna.reliability")) for m in drawing)


def test_what_was_missed_by_hand_is_found_and_drawing_is_not() -> None:
    found = set(import_closure(["sc_sionna.experiments.accuracy"]))
    for name in ("sweep.metrics", "sweep.engine", "phy.budget", "core.plugins", "core.backend.tensorflow"):
        assert f"sc_sionna.{name}" in found
    assert not [name for name in found if ".figures" in name or ".cli" in name or name.endswith("progress")]


def package(folder: Path) -> Path:
    files = {
        "__init__.py": "",
        "a.py": "from sc_sionna.deep import b\nfrom typing import TYPE_CHECKING\nimport numpy\n"
        "if TYPE_CHECKING:\n    from sc_sionna import typed\n",
        "typed.py": "",
        "deep/__init__.py": "from . import c as other\n",
        "deep/b.py": "def f():\n    try:\n        from ..late import g\n"
        "    except ImportError:\n        import sc_sionna.figures\n",
        "deep/c.py": "",
        "late/__init__.py": "",
        "late/g.py": "from sc_sionna.deep.b import f\n",
        "figures/__init__.py": "import sc_sionna.unused\n",
        "unused.py": "",
    }
    for name, text in files.items():
        path = folder / "sc_sionna" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "sc_sionna"


def test_the_closure_follows_every_statement_that_runs(tmp_path: Path) -> None:
    found = import_closure(["sc_sionna.a"], package(tmp_path))
    names = ("", ".a", ".deep", ".deep.b", ".deep.c", ".late", ".late.g")
    assert set(found) == {f"sc_sionna{name}" for name in names}


def test_an_edit_of_code_that_counts_is_named_and_one_of_drawing_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = package(tmp_path)
    monkeypatch.setattr(module, "import_closure", lambda roots: import_closure(roots, folder))

    def code() -> dict[str, str]:
        return dict(fingerprint(["sc_sionna.a"], [])["code"])

    before = code()
    for name, path in import_closure(["sc_sionna.a"], folder).items():
        text = path.read_text()
        path.write_text(text + "# edited\n")
        assert {n for n in before if code()[n] != before[n]} == {name}
        path.write_text(text)
    for name in ("figures/__init__.py", "unused.py", "typed.py"):
        (folder / name).write_text("# edited")
    assert code() == before


@pytest.fixture
def own_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A channel of the user's own with a gain that a module beside it holds."""
    (tmp_path / "plug").mkdir()
    (tmp_path / "plug" / "my_gain.py").write_text("GAIN = 1.0\n")
    (tmp_path / "plug" / "my_channel.py").write_text(
        "import numpy, tensorflow as tf\nfrom sc_sionna.phy.channels import RayleighChannel\nimport my_gain\n\n\n"
        "class Mine(RayleighChannel):\n    def call(self, *arguments):\n"
        "        return super().call(*arguments) * tf.cast(my_gain.GAIN, tf.complex64)\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "plug")
    monkeypatch.setattr(plugins, "_allowed", {"my_channel"})
    for name in ("my_channel", "my_gain"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path / "plug"


def rates(channel: str = "rayleigh") -> ErrorRateExperiment:
    links = {"mine": {"num_streams": 2, "channel": channel}}
    stop = {"errors": 400, "max_batches": 1}
    return ErrorRateExperiment(ErrorRateSettings(links=links, snr_db=(0,), batch_size=16, payload_bits=64, stop=stop))


def refused(job: ErrorRateExperiment | AccuracyExperiment, store: Path) -> str:
    with pytest.raises(UserError, match="holds a sweep with other settings") as caught:
        run_experiment(job, store, quiet=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["my_channel", "my_gain"])
def test_an_edited_plug_in_and_what_it_imports_end_the_store(own_channel: Path, tmp_path: Path, name: str) -> None:
    store = tmp_path / "s.sqlite"
    first = run_experiment(rates("my_channel:Mine"), store, quiet=True)[0]
    assert run_experiment(rates("my_channel:Mine"), store, quiet=True)[0] == first
    path = own_channel / f"{name}.py"
    path.write_text(path.read_text().replace("1.0", "0.1") + "# edited\n")
    assert f"made_with.plugins.{name} was" in refused(rates("my_channel:Mine"), store)


def test_a_plug_in_that_another_job_of_this_process_loaded_is_not_this_jobs(own_channel: Path, tmp_path: Path) -> None:
    plain = rates()
    plain.prepare()
    before = plain.made_with()
    assert before["plugins"] == {}
    own = rates("my_channel:Mine")
    own.prepare()
    assert set(own.made_with()["plugins"]) == {"my_channel", "my_gain"}
    assert plain.made_with() == before


@pytest.mark.parametrize("library", module.LIBRARIES)
def test_another_version_of_a_library_ends_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    store = tmp_path / "s.sqlite"
    run_experiment(rates(), store, quiet=True)
    true = module.metadata.version
    monkeypatch.setattr(module.metadata, "version", lambda name: "0.0.1" if name == library else true(name))
    message = refused(rates(), store)
    assert f"made_with.libraries.{library} was" in message
    assert 'now "0.0.1"' in message


def test_another_decoder_for_auto_ends_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sc_sionna.phy import receiver

    run_experiment(rates(), tmp_path / "s.sqlite", quiet=True)
    monkeypatch.setattr(receiver, "decoder_name", lambda chosen: "sionna")  # as on a GPU
    job = rates()
    monkeypatch.setattr(job, "prepare", lambda: None)
    assert 'made_with.auto_decoder was "layered", now "sionna"' in refused(job, tmp_path / "s.sqlite")


def test_other_settings_of_the_weights_and_other_training_images_end_the_store(
    compiled_systems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = AccuracySettings(systems=("masked-vqvae", "jpeg-ldpc"), snr_db=(40,), max_images=16, batch_size=16)
    run_experiment(AccuracyExperiment(settings), tmp_path / "s.sqlite", quiet=True)
    job = AccuracyExperiment(settings)
    preset = job.described["masked-vqvae"]
    job.described["masked-vqvae"] = preset.with_(codec=preset.codec.with_(masking={"ratio": 0.25}))
    assert "made_with.weights_settings.masked-vqvae.codec.masking.ratio was 0.5, now 0.25" in refused(
        job, tmp_path / "s.sqlite"
    )
    job = AccuracyExperiment(settings)
    monkeypatch.setattr(job, "_train", lambda: AccuracyExperiment(settings).images)
    assert "made_with.train_images_sha256 was" in refused(job, tmp_path / "s.sqlite")


def test_files_of_the_package_are_found_where_they_are() -> None:
    for name, path in import_closure(["sc_sionna.experiments.audit"]).items():
        assert path.is_relative_to(PACKAGE)
        assert name.split(".")[-1] in (path.stem, path.parent.name)
