"""The audit on tiny codecs: what it counts, keeps and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks.adaptive_settings import AdaptiveSettings
from sc_sionna.attacks.victim import CodecVictim
from sc_sionna.core.errors import UserError
from sc_sionna.experiments import audit as audit_module
from sc_sionna.experiments.audit import WORST, Audit, AuditSettings
from sc_sionna.schemes import JsccScheme, MaskedVqvaeScheme, available
from sc_sionna.schemes.victims import AnalogVictim
from sc_sionna.settings import LinkSettings
from sc_sionna.tasks import load_codec
from sc_sionna.training.calibration_file import write_calibration
from sc_sionna.training.channel import calibration_key

EFFORT = AdaptiveSettings(steps=2, restarts=1, draws=2, queries=2, batch_size=8)
SMALL = AuditSettings(
    systems=("jscc", "jscc+at"), max_images=6, paper_steps=2, paper_draws=(1, 2),
    adaptive=EFFORT, scoring_draws=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def audited(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory):
    """An audit that has run, its results, and what it said."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:  # the code may be under work while the tests run
        patch.setattr(audit_module, "fingerprint", lambda *_: {"code": "this code"})
        yield _run(tiny_weights, tmp_path_factory, said)


def _run(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory, said: list[str]):
    audit = Audit(SMALL, tmp_path_factory.mktemp("audit") / "kept", weights=tiny_weights, say=said.append)
    return audit, audit.run(), said


def test_every_attack_is_counted_and_the_worst_case_is_below_all(audited) -> None:
    _, results, said = audited
    assert list(results) == ["jscc"]
    expected = {"clean", "random-sign", "fgsm", "eq7, 1 draw", "eq7, 2 draws", "square", WORST}
    expected |= {"apgd-cross-entropy/straight-through", "apgd-margin/straight-through"}
    for result in results.values():
        assert set(result["robust"]) == expected
        assert (result["images"], result["draws"]) == (6, 18)
        for counts, trials in ((result["robust"], 6), (result["right"], 18)):
            assert all(isinstance(count, int) and 0 <= count <= trials for count in counts.values())
            assert counts[WORST] == min(counts[WORST], *counts.values())
        names = [check["name"] for check in result["checks"]]
        assert "several steps beat one" in names
        assert "cross_entropy: gradient is finite" in names
        assert len(names) == len(set(names))
    assert any(line.startswith("jscc+at: skipped, no weights") for line in said)


def test_the_record_holds_counts_intervals_and_checks(audited) -> None:
    audit, results, _ = audited
    record = audit.record("audit", results, 1.0)
    assert len(record.points) == sum(len(result["robust"]) for result in results.values())
    for point in record.points:
        assert point.counts is not None
        assert point.ci95 is not None
        assert point.counts["correct"] == results[point.system]["robust"][point.threat or "clean"]
        assert point.snr_db == 18
    assert record.notes["skipped"] == ["jscc+at"]
    assert record.notes["checks"]["jscc"] == results["jscc"]["checks"]
    assert set(record.settings["inputs"]["weights_sha256"]) == set(results)


def test_finished_systems_are_kept_for_the_same_settings_alone(audited, tiny_weights: Path, monkeypatch) -> None:
    audit, results, _ = audited
    monkeypatch.setattr(Audit, "audit", lambda self, spec: {"name": spec.label})
    again = Audit(SMALL, audit.folder, weights=tiny_weights)
    assert again.run() == results
    assert Audit(SMALL.with_(systems=("jscc",)), audit.folder, weights=tiny_weights).run() == {"jscc": results["jscc"]}
    kept = (audit.folder / "jscc.json").read_text()
    try:
        (audit.folder / "jscc.json").write_text(kept[:-40])  # truncated
        assert again.run()["jscc"] == {"name": "jscc"}
        (audit.folder / "jscc.json").write_text(kept)
        other = Audit(SMALL.with_(systems=("jscc",), epsilon=0.06), audit.folder, weights=tiny_weights)
        assert other.run() == {"jscc": {"name": "jscc"}}
        assert json.loads((audit.folder / "jscc.json").read_text())["key"] == other.key("jscc")
        (audit.folder / "jscc.json").write_text(kept)
        assert again.run(fresh=True) == {name: {"name": name} for name in results}
    finally:
        (audit.folder / "jscc.json").write_text(kept)


def test_robust_is_the_majority_of_draws(tiny_weights: Path, tmp_path: Path) -> None:
    audit = Audit(SMALL.with_(scoring_draws=5), tmp_path / "kept", weights=tiny_weights)
    assert audit._robust(np.arange(6)).tolist() == [False, False, False, True, True, True]


def test_the_attacker_takes_the_expectation_over_the_channel(tiny_weights: Path, tmp_path: Path) -> None:
    link = LinkSettings()
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    jscc = JsccScheme("jscc", load_codec("digits", "jscc", tiny_weights)[0], link)
    (victim,) = jscc.adaptive_victims(3.0, tmp_path).values()
    assert isinstance(victim, AnalogVictim)
    keep, noise = victim.draw(2, np.random.default_rng(0))
    assert noise.shape == (2, jscc.codec.payload_length)
    assert noise.std() > 0.1
    received = jscc.codec(images, keep, np.full(2, 3.0, np.float32), noise, training=False)["logits"]
    np.testing.assert_allclose(
        ops.convert_to_numpy(victim.outputs(images, keep, noise)["logits"]), ops.convert_to_numpy(received), atol=1e-6
    )
    calibration = tmp_path / f"{calibration_key(link, 32)}.json"  # 8 indices of 4 bits
    table = {"quantiles": {"-3.0": [0.1, 0.3]}, "link": link.model_dump(), "payload_bits": 32, "images": 2}
    write_calibration(calibration, table)
    digital = MaskedVqvaeScheme("masked-vqvae", load_codec("digits", "masked-vqvae", tiny_weights)[0], link)
    victims = digital.adaptive_victims(-3.0, tmp_path)
    assert list(victims) == ["straight-through", "soft", "unquantised"]
    assert all(isinstance(v, CodecVictim) and v.relaxation == name for name, v in victims.items())
    _, flips = victims["soft"].draw(8, np.random.default_rng(0))
    assert 0.1 < flips.mean() < 0.3


def test_bad_input_is_one_clear_line(tiny_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"scoring_draws = 4: half of an even number is no majority; set an odd one"):
        AuditSettings(scoring_draws=4)
    with pytest.raises(UserError, match=r"epsilon = 0"):
        AuditSettings(epsilon=0)
    with pytest.raises(UserError, match=r"system = 'magic': unknown; choose"):
        available("digits", ("magic",), tiny_weights)
    with pytest.raises(UserError, match=r"weights: none of jscc\+at for 'digits' in .*; train one with"):
        available("digits", ("jscc+at",), tiny_weights)
    with pytest.raises(UserError, match=r"dataset = 'nothing': unknown"):
        Audit(SMALL.with_(dataset="nothing"), tmp_path, weights=tiny_weights)
