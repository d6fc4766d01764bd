"""Fig. 9 as an experiment: what a point counts, that a kill loses no finished point, and that the record replays."""

from __future__ import annotations

from pathlib import Path

import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.activation import NOISY, ActivationExperiment, ActivationSettings
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.replay import replay_record
from tests.experiments.resealed import one_less, reseal

SETTINGS = ActivationSettings(
    systems=("masked-vqvae", "masked-vqvae+fim"), noise={"epsilon": 0.05, "steps": 2}, max_images=12
)


def run(folder: Path, weights: Path):
    return run_and_save(ActivationExperiment(SETTINGS, None, weights), "fig9", folder, quiet=True)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_its_record_is_that_of_a_whole_run_and_replays(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole", tiny_weights)
    evaluate, done = ActivationExperiment.evaluate, []

    def killed(self: ActivationExperiment, point, batch: int):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(point)
        return evaluate(self, point, batch)

    with monkeypatch.context() as patch:
        patch.setattr(ActivationExperiment, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed", tiny_weights)
    again: list = []
    with monkeypatch.context() as patch:
        patch.setattr(ActivationExperiment, "evaluate", lambda self, p, b: again.append(p) or evaluate(self, p, b))
        resumed = run(tmp_path / "killed", tiny_weights)
    assert [(p.system, p.threat) for p in done] == [
        ("masked-vqvae", None),
        ("masked-vqvae", NOISY),
        ("masked-vqvae+fim", None),
    ]
    assert [(p.system, p.threat) for p in again] == [("masked-vqvae+fim", NOISY)]
    assert resumed.points == whole.points
    assert resumed.notes == whole.notes
    path = tmp_path / "killed" / "records" / "fig9.json"
    assert replay_record(path, 1, weights=tiny_weights, quiet=True) == 0
    reseal(path, one_less("magnitude_milli"))
    assert replay_record(path, 1, weights=tiny_weights, quiet=True) == 1


def test_half_of_the_clean_activations_lie_above_the_median(tiny_weights: Path, tmp_path: Path) -> None:
    record = run(tmp_path, tiny_weights)
    assert record.settings["layer"] == 0  # the last block with a FIM
    for name, scheme in record.notes["schemes"].items():
        counts = {p.threat: p.counts for p in record.points if p.system == name}
        assert sum(scheme["clean"]) == 12 * 16 / 2
        for which, threat in (("clean", None), ("noisy", NOISY)):
            assert scheme[which] == [counts[threat][f"feature_{n:03d}"] for n in range(16)]
            assert scheme["mean_magnitude"][which] == counts[threat]["magnitude_milli"] / (1000 * 12 * 16)


def test_a_block_that_is_not_there_is_one_clear_line(tiny_weights: Path) -> None:
    with pytest.raises(UserError, match="layer = 2: the encoders have the blocks 0 to 1; set it among them"):
        ActivationExperiment(SETTINGS.with_(layer=2), None, tiny_weights)
