"""What README says can be run exists, its code blocks work, its figures are there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import typer
from PIL import Image

from sc_sionna.cli.main import app
from sc_sionna.settings.channel import CHANNEL_SETTINGS, ArraySettings, OfdmSettings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_scripts_commands_and_targets_exist():
    scripts = set(re.findall(r"sims/\w+\.py", README))
    assert len(scripts) >= 4
    assert all((ROOT / script).is_file() for script in scripts)
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    used = set(re.findall(r"(?:python -m sc_sionna|sc-sionna) ([\w-]+)", README))
    assert used
    assert used <= known
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"make ([\w-]+)", README)) - {"nothing"} <= targets


def test_links_and_figures_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_scheme_example_saves_the_image_with_what_was_received(tmp_path, monkeypatch):
    from matplotlib import pyplot

    example = next(block for block in BLOCKS if "load_scheme" in block)
    assert len([line for line in example.splitlines() if line]) <= 11  # ten, and the import that shows it
    monkeypatch.chdir(tmp_path)
    pyplot.switch_backend("agg")
    names: dict = {}
    try:
        exec(compile(example, "README.md", "exec"), names)
        title = pyplot.gca().get_title()
    finally:
        pyplot.close("all")
    image, out = Image.open(tmp_path / "received.png"), names["out"]
    assert image.size[0] > 300
    assert len(np.unique(np.asarray(image.convert("L")))) > 16  # a picture, with its shades
    assert 0 < names["wrong"] < out["indices"].size == 32  # the link did err, as README says
    assert title == f"received as {out['predictions'][0]}, {names['wrong']} of 32 indices wrong"
    np.testing.assert_array_equal(out["predictions"], names["batch"].labels)


def test_the_link_example_runs_and_prints_a_block_error_rate(capsys):
    example = next(block for block in BLOCKS if "DigitalLink" in block)
    exec(compile(example, "README.md", "exec"), {})
    assert 0.0 < float(capsys.readouterr().out) < 0.2  # 2 streams at 0 dB: about 0.05


def test_the_channel_examples_take_arguments_and_serve_a_link():
    names: dict = {}
    for example in (block for block in BLOCKS if "ChannelModel" in block or "SionnaChannel" in block):
        exec(compile(example, "README.md", "exec"), names)
    for m in (0.5, 4.0):
        h = names["NakagamiChannel"](num_rx_ant=4, num_tx_ant=8, m=m)(5000, 1, tf.constant([1, 2])).numpy()
        energy = np.abs(h) ** 2
        assert energy.mean() == pytest.approx(1, abs=0.02)
        assert energy.var() == pytest.approx(1 / m, rel=0.05)
        assert np.abs(h.mean()) < 0.02
    paths = names["ConformanceChannel"](4, 8, settings=OfdmSettings(fft_size=12))
    assert paths(3, 20, tf.constant([1, 2])).shape == (3, 20, 4, 8)


def test_the_table_of_channel_models_has_every_argument():
    rows = {name: line for line in README.splitlines() for name in re.findall(r"^\| `([\w-]+)`", line)}
    rows["awgn"] = rows["rayleigh"]
    for name, settings in CHANNEL_SETTINGS.items():
        stated = re.findall(
            r"`([\w.-]+)`", rows[name].split("|")[3].replace("those of `tdl`", rows["tdl"].split("|")[3])
        )
        arrays = [*ArraySettings.model_fields] if name == "cdl" else []
        assert sorted(stated) == sorted([*(settings.model_fields if settings else ()), *arrays]), name
