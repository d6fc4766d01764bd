"""The layout of image folders: one label space, and no file that is left out without a word."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from sc_sionna.core.errors import UserError
from sc_sionna.data import folder as folder_module
from sc_sionna.data import load


@pytest.fixture
def bugs(tmp_path):
    """20 training and 3 test images of three classes; the grey level names class and number."""
    for split, count in (("train", 20), ("test", 3)):
        for label, name in enumerate(("ant", "bee", "cricket")):
            target = tmp_path / "bugs" / split / name
            target.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (8, 8), (80 * label + i,) * 3).save(target / f"{i:02d}.png")
    return tmp_path


def refused(data_dir, split: str = "test", **more) -> str:
    with pytest.raises(UserError) as caught:
        load("bugs", split, data_dir, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_split_that_lacks_a_class_keeps_the_labels_of_the_others(bugs):
    for path in (bugs / "bugs" / "test" / "ant").iterdir():
        path.unlink()
    test = load("bugs", "test", bugs)
    assert test.classes == ("ant", "bee", "cricket")
    assert test.labels.tolist() == [1, 1, 1, 2, 2, 2]
    (bugs / "bugs" / "test" / "ant").rmdir()
    test = load("bugs", "test", bugs)
    assert test.classes == load("bugs", "train", bugs).classes
    assert test.labels.tolist() == [1, 1, 1, 2, 2, 2]
    np.testing.assert_array_equal(test.pixels[:, 0, 0, 0] // 80, test.labels)


def test_a_class_of_the_test_folder_alone_is_refused(bugs):
    (bugs / "bugs" / "test" / "dragonfly").mkdir()
    assert "dragonfly: a class that" in refused(bugs)
    (bugs / "bugs" / "test" / "dragonfly").rename(bugs / "bugs" / "test" / "_dragonfly")
    assert len(load("bugs", "test", bugs)) == 9


def test_without_a_training_folder_there_are_no_labels(bugs):
    (bugs / "bugs" / "train").rename(bugs / "bugs" / "training")
    assert "train: no such folder" in refused(bugs)
    assert "name the labels of every split" in refused(bugs)


@pytest.mark.parametrize("name", [".git", "__MACOSX", "@eaDir", "_notes"])
def test_system_folders_are_no_classes(bugs, name):
    for split in ("train", "test"):
        (bugs / "bugs" / split / name).mkdir()
        Image.new("RGB", (8, 8)).save(bugs / "bugs" / split / name / "0.png")
        (bugs / "bugs" / split / "labels.csv").write_text("read by nobody")
    assert load("bugs", "train", bugs).classes == ("ant", "bee", "cricket")
    assert len(load("bugs", "test", bugs)) == 9


def test_upper_case_suffixes_are_read_and_hidden_files_left_out(bugs):
    target = bugs / "bugs" / "test" / "bee"
    (target / "02.png").rename(target / "02.PNG")
    for name in (".DS_Store", "._00.png", "Thumbs.db", "desktop.ini"):
        (target / name).write_text("not an image")
    assert load("bugs", "test", bugs).labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_nothing_else_is_left_out_without_a_word(bugs):
    target = bugs / "bugs" / "test" / "bee"
    (target / "03.gif").write_bytes(b"GIF89a")
    assert "03.gif: not an image by its suffix (.bmp, .jpeg, .jpg" in refused(bugs)
    (target / "03.gif").unlink()
    (target / "more").mkdir()
    assert "more: a folder within a class" in refused(bugs)
    (target / "more").rmdir()
    Image.new("RGB", (8, 8)).save(bugs / "bugs" / "test" / "lost.PNG")
    assert "lost.PNG: an image beside the class folders" in refused(bugs)


def test_links(bugs):
    target = bugs / "bugs" / "test" / "bee"
    (target / "03.png").symlink_to(target / "00.png")  # data sets are often links
    assert len(load("bugs", "test", bugs)) == 10
    (target / "03.png").unlink()
    (target / "03.png").symlink_to(target / "gone.png")
    assert "03.png: cannot be read (No such file or directory, a link to nothing)" in refused(bugs)
    (target / "03.png").unlink()
    (target / "03.png").symlink_to(target / "03.png")
    assert "03.png: cannot be read (" in refused(bugs)
    (target / "03.png").unlink()
    (target / "again").symlink_to(target)
    assert "again: a folder within a class" in refused(bugs)
    (target / "again").unlink()
    os.mkfifo(target / "04.png")
    assert "04.png: not a plain file" in refused(bugs)


def test_a_class_too_small_for_the_validation_split(bugs):
    files = sorted((bugs / "bugs" / "train" / "cricket").iterdir())
    for path in files[6:]:
        path.unlink()
    assert (load("bugs", "val", bugs).labels == 2).sum() == 1
    files[5].unlink()
    for split in ("train", "val"):
        message = refused(bugs, split)
        assert "class 'cricket' has 5 images" in message
        assert "at least 6 are needed" in message
    assert len(load("bugs", "test", bugs)) == 9  # the test split needs none


def test_counts_and_sizes_are_bounded_before_anything_is_decoded(bugs, monkeypatch):
    monkeypatch.setattr(folder_module, "MAX_BYTES", 9 * 192 - 1)
    assert "9 images of 8 x 8 pixels take 1728 bytes, at most 1727" in refused(bugs)
    monkeypatch.setattr(folder_module, "MAX_IMAGES", 2)
    assert "more than 2 images" in refused(bugs)


@pytest.mark.parametrize("name", ["../bugs", "/etc", "bugs/..", "", "bugs\n"])
def test_a_data_set_is_a_name_and_no_path(bugs, name):
    with pytest.raises(UserError, match="a folder's name is wanted"):
        load(name, "test", bugs)
