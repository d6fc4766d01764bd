"""A scheme and an attack of the user's own: run through a sweep, drawn and replayed without an edit of the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.attacks.threats import CustomThreat, air_threat, random_sign_threat, source_threat
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.replay import replay_record
from sc_sionna.schemes import REGISTRY, SchemeSpec
from sc_sionna.sweep import read_record
from tests.schemes.toy_scheme import NearestMean
from tests.sims.helpers import run_sim
from tests.sims.test_sims import is_figure

TOY = "tests.schemes.toy_scheme:NearestMean"
GREY = CustomThreat(attack="tests.schemes.toy_scheme:Grey", options={"share": 1.0})


def test_it_is_swept_under_attacks_drawn_and_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threats = (GREY, random_sign_threat(0.1), source_threat(0.1), air_threat(10), air_threat(-20, gaussian=True))
    settings = AccuracySettings(schemes=(TOY,), snr_db=(-9, 30), max_images=48, batch_size=16, threats=threats[:3])
    assert {p.threat for p in AccuracyExperiment(settings).points()} == {None, *(t.label for t in threats[:2])}
    run_and_save(AccuracyExperiment(settings), "toy", tmp_path, quiet=True)
    record = read_record(tmp_path / "records" / "toy.json")
    is_figure(tmp_path / "figures" / "toy.png")
    values = {(p.threat, p.snr_db): p.value for p in record.points}
    assert values[None, 30] == record.notes["error_free_accuracy"][TOY] > 0.6
    assert values[None, -9] < values[None, 30]
    assert values[GREY.label, 30] < 0.4  # every image is the same grey, so one class is right
    assert record.settings["schemes"][0]["scheme"] == TOY
    assert replay_record(tmp_path / "records" / "toy.json", 48, quiet=True) == 0
    assert "6 of 6 points agree" in capsys.readouterr().out


def test_the_command_line_takes_it_beside_the_others(tmp_path: Path) -> None:
    options = ["--quick", "--max-images", "16", "--snr-db", "30", "--quiet", "--out", str(tmp_path)]
    printed = run_sim("accuracy_vs_snr", [*options, "--systems", f"{TOY},jpeg-ldpc", "--epsilon", "0"])
    assert TOY in printed
    record = read_record(tmp_path / "records" / "accuracy_vs_snr_digits_quick.json")
    assert [p.system for p in record.points] == [TOY, "jpeg-ldpc"]
    assert record.settings["inputs"]["weights_sha256"][TOY] is None


def test_every_scheme_of_the_package_and_the_toy_keep_the_contract() -> None:
    for kind in (*REGISTRY.values(), NearestMean):
        assert kind.gradient in ("none", "surrogate", "straight-through", "exact")
        assert kind.payload in ("indices", "analog", "stream", "label")
        for flag in (kind.over_the_air, kind.trained):
            assert isinstance(flag, bool)
        for method in (
            "build",
            "transmit",
            "error_free_predictions",
            "counts",
            "budget",
            "victim",
            "air_surface",
            "forget",
        ):
            assert callable(getattr(kind, method))
        assert isinstance(kind.changeable, tuple)
        assert hasattr(kind, "random")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tests.schemes.toy_scheme:Nothing", "has no class 'Nothing'; it has "),
        ("tests.schemes.nowhere:NearestMean", "cannot import 'tests.schemes.nowhere'"),
        (f"{TOY}[masking.ratio=0.5]", "has no settings that can be changed at test time"),
    ],
)
def test_what_cannot_be_is_one_line(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        SchemeSpec.parse(text)
    assert "\n" not in str(caught.value)


def test_the_toy_attack_is_what_it_says() -> None:
    from tests.schemes.toy_scheme import Grey

    images = np.random.default_rng(0).random((2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(Grey(None, 1.0)(images, np.zeros(2, np.int32), np.random.default_rng(0)), 0.5)
