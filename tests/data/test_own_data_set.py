"""A data set of the user's own in this one file: swept, drawn, replayed, and one line for what it may not give."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from sc_sionna.cli.main import app
from sc_sionna.core.errors import UserError
from sc_sionna.data import Images, load
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.replay import replay_record
from sc_sionna.sweep import read_record

NAME = f"{__name__}:Negatives"


class Negatives:
    """The digits, black on white."""

    def __init__(self, data_dir: Any) -> None:
        self.data_dir = data_dir

    def __call__(self, split: str) -> Images:
        digits = load("digits", split, self.data_dir)
        return dataclasses.replace(digits, pixels=255 - digits.pixels)


def test_it_is_swept_drawn_and_replayed(tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = {"systems": ("masked-vqvae",), "snr_db": (-9, 12), "max_images": 32, "batch_size": 16}
    job = AccuracyExperiment(AccuracySettings(dataset=NAME, **common), weights=tiny_weights)
    run_and_save(job, "negatives", tmp_path, quiet=True)
    path = tmp_path / "records" / "negatives.json"
    record = read_record(path)
    assert (tmp_path / "figures" / "negatives.png").stat().st_size > 10_000
    assert record.data_set == f"{NAME}, 32 test images"
    assert [point.counts["images"] for point in record.points] == [32, 32]
    assert __name__ in job.made_with()["plugins"]  # an edit of the class is another store
    digits = AccuracyExperiment(AccuracySettings(**common), weights=tiny_weights)
    assert record.settings["inputs"]["images_sha256"] != digits.inputs()["images_sha256"]
    # whichever 32 they are: negatives of some that the test set has
    known = {image.tobytes() for image in 255 - load("digits", "test").pixels}
    assert {image.tobytes() for image in job.images.pixels} <= known
    assert replay_record(path, 32, weights=tiny_weights, quiet=True) == 0
    assert "2 of 2 points agree" in capsys.readouterr().out


GOOD = load("digits", "val").head(4)
GIVEN: dict[str, Any] = {
    "list": ([1, 2], "gave list for 'test'; return sc_sionna.data.Images"),
    "floats": (dataclasses.replace(GOOD, pixels=GOOD.pixels / 255), "pixels of float64"),
    "oblong": (
        dataclasses.replace(GOOD, pixels=GOOD.pixels[:, :16]),
        r"\[4, 16, 32, 3\] for 'test'; uint8 \[M, H, H, 3\]",
    ),
    "empty": (dataclasses.replace(GOOD, pixels=GOOD.pixels[:0], labels=GOOD.labels[:0]), "with at least one image"),
    "few labels": (dataclasses.replace(GOOD, labels=GOOD.labels[:3]), r"labels of int32 \[3\] for 4 images"),
    "real labels": (dataclasses.replace(GOOD, labels=GOOD.labels / 2), "labels of float64"),
    "no such class": (
        dataclasses.replace(GOOD, labels=np.array([0, 1, 2, 10])),
        "from 0 to 10 for 'test', and the names of 10",
    ),
}


class Odd:
    given: Any = None

    def __init__(self, data_dir: Any) -> None:
        pass

    def __call__(self, split: str) -> Any:
        return self.given


@pytest.mark.parametrize("what", GIVEN)
def test_what_it_may_not_give_is_one_line(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, words = GIVEN[what]
    monkeypatch.setattr(Odd, "given", given)
    with pytest.raises(UserError, match=words) as caught:
        load(f"{__name__}:Odd", "test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere_at_all:Set", "dataset = 'nowhere_at_all:Set': code of a module that you have not allowed"),
        (f"{__name__}:Missing", "has no class 'Missing'"),
        (f"{__name__}:GOOD", "has no class 'GOOD'"),
        ("a:b:c", "dataset = 'a:b:c': unknown; name your own module:Class"),
    ],
)
def test_a_name_that_is_no_class_is_one_line(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(name, "test")


def test_an_image_of_another_size_is_refused() -> None:
    with pytest.raises(UserError, match="images of 32 x 32 pixels, the preset wants 224 x 224"):
        load(NAME, "test", image_size=224)


def test_whoever_types_its_name_for_a_training_allows_it() -> None:
    done = CliRunner().invoke(app, ["train", "digits", "--dataset", "nowhere_to_be_found:Set"])
    assert done.exit_code == 2
    assert "dataset = 'nowhere_to_be_found:Set': cannot import 'nowhere_to_be_found'" in done.stderr
