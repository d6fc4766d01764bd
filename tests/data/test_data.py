from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import part_of_train, validation_positions

SPLITS = ("train", "val", "test")


def test_digits_splits_are_disjoint_complete_and_fixed():
    parts = {split: load("digits", split) for split in SPLITS}
    assert [len(parts[s]) for s in SPLITS] == [1295, 143, 359]
    seen = [row.tobytes() for part in parts.values() for row in part.pixels]
    assert len(seen) == 1797
    # scans that occur twice in the source could sit in two splits: there are none
    assert len(set(seen)) == 1797
    for part in parts.values():
        assert part.pixels.shape[1:] == (32, 32, 3)
        assert part.pixels.dtype == np.uint8
        assert set(part.labels) == set(range(10))
    assert int(parts["test"].pixels.astype(np.int64).sum()) == int(load("digits", "test").pixels.astype(np.int64).sum())


def test_validation_takes_the_same_share_of_every_class_and_never_the_same_image():
    labels = np.repeat(np.arange(5), 40)
    val, train = part_of_train(labels, "val"), part_of_train(labels, "train")
    assert not set(val) & set(train)
    assert len(val) + len(train) == 200
    np.testing.assert_array_equal(np.bincount(labels[val]), [4] * 5)
    np.testing.assert_array_equal(val, validation_positions(labels))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 3)):
        for name in ("ant", "bee"):
            target = tmp_path / "bugs" / split / name
            target.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(target / f"{i:02d}.png")
    return tmp_path


def test_folder_layout(folder):
    train, val, test = (load("bugs", split, folder) for split in SPLITS)
    assert (len(train), len(val), len(test)) == (36, 4, 6)
    assert train.classes == ("ant", "bee")
    assert test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    stored = np.asarray(Image.open(folder / "bugs" / "test" / "bee" / "01.png"))
    np.testing.assert_array_equal(test.pixels[4], stored)


def test_grey_image_becomes_rgb(folder):
    path = folder / "bugs" / "test" / "ant" / "00.png"
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(path)
    assert (load("bugs", "test", folder).pixels[0] == 77).all()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.write_bytes(b""), "an empty file (0 bytes)"),
        (lambda p: p.write_bytes(p.read_bytes()[:60]), "not a readable image"),
        (lambda p: p.write_text("hello"), "not a readable image"),
        (lambda p: Image.new("RGB", (9, 8)).save(p), "8 x 9 pixels, 8 x 8 wanted"),
        (lambda p: Image.new("RGB", (16, 16)).save(p), "16 x 16 pixels, 8 x 8 wanted"),
    ],
)
def test_bad_image_is_named_in_one_line(folder, damage, words):
    path = folder / "bugs" / "test" / "bee" / "02.png"
    damage(path)
    with pytest.raises(UserError) as error:
        load("bugs", "test", folder)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_things(folder, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        load("moths", "test", folder)
    for path in (folder / "bugs" / "test").rglob("*.png"):
        path.unlink()
    with pytest.raises(UserError, match="no images in it"):
        load("bugs", "test", folder)
    with pytest.raises(UserError, match="dataset = 'moths': unknown"):
        load("moths", "test")
    with pytest.raises(UserError, match="split = 'tset'"):
        load("digits", "tset")
    with pytest.raises(UserError, match="images of 32 x 32 pixels, the preset wants 64 x 64"):
        load("digits", "test", image_size=64)


def test_head_is_fixed_and_mixed():
    part = load("digits", "test").head(100)
    assert len(part) == 100
    assert set(part.labels) == set(range(10))
    np.testing.assert_array_equal(part.labels, load("digits", "test").head(100).labels)


def test_real_cifar10_archive(shared_archive):
    root = shared_archive("cifar10", lambda name: name.endswith(("0.jpg", "00.jpg")) and "/test/" in name)
    for folder in (root / "cifar10" / "test").iterdir():
        (root / "cifar10" / "train" / folder.name).mkdir(parents=True)
    images = load("cifar10", "test", root)
    assert images.pixels.shape[1:] == (32, 32, 3)
    assert images.classes == tuple(sorted(images.classes))
    assert len(images.classes) == 10
    assert 30 < images.pixels.mean() < 220
