"""Fig. 9, Fig. 10 and the audit from their command lines, on tiny codecs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from sc_sionna.attacks.checks import Finding
from sc_sionna.experiments.activation import block_output
from sc_sionna.experiments.audit import AuditExperiment
from sc_sionna.semantic.encoder import Encoder
from sc_sionna.sweep import read_record
from tests.sims.helpers import invoke_sim, run_sim
from tests.sims.test_sims import is_figure
from tests.tiny_weights import TINY_DIGITS


def test_activation_counts_and_figure(tiny_weights: Path, tmp_path: Path) -> None:
    options = ["--quick", "--max-images", "12", "--steps", "2", "--weights", str(tiny_weights), "--out", str(tmp_path)]
    printed = run_sim("fig9_feature_activation", [*options, "--quiet"])
    record = read_record(tmp_path / "records" / "fig9_feature_activation_quick.json")
    assert record.settings["layer"] == 0  # the last block with a FIM
    assert list(record.notes["schemes"]) == ["masked-vqvae", "masked-vqvae+fim"]
    for scheme in record.notes["schemes"].values():
        assert (len(scheme["clean"]), len(scheme["noisy"])) == (16, 16)
        assert all(isinstance(count, int) and 0 <= count <= 12 for count in scheme["clean"] + scheme["noisy"])
        assert sum(scheme["clean"]) == 12 * 16 / 2  # above the median of an even number of values
    assert "masked-vqvae+fim+at: no weights, left out; train them with `python -m sc_sionna train" in printed
    is_figure(tmp_path / "figures" / "fig9_feature_activation_quick.png")


@pytest.mark.parametrize("importance", [(), (0,)])
def test_the_block_output_is_what_the_encoder_goes_on_with(importance: tuple[int, ...]) -> None:
    settings = TINY_DIGITS.with_(masking={"ratio": 0.0}, importance={"layers": importance})
    encoder = Encoder(settings)
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    keep, snr_db = np.tile(np.arange(16, dtype=np.int32), (2, 1)), np.full(2, 18.0, np.float32)
    hidden = encoder(images, keep, snr_db)
    output = block_output(encoder, images, 1, snr_db)
    np.testing.assert_allclose(
        ops.convert_to_numpy(encoder.norm(output)), ops.convert_to_numpy(hidden), rtol=1e-4, atol=1e-5
    )


def test_a_layer_that_is_not_there_and_a_scheme_without_codebook(tiny_weights: Path, tmp_path: Path) -> None:
    common = ["--weights", str(tiny_weights), "--out", str(tmp_path)]
    result = invoke_sim("fig9_feature_activation", ["--layer", "2", *common])
    assert (result.exit_code, result.stderr) == (
        2,
        "error: layer = 2: the encoders have the blocks 0 to 1; set it among them\n",
    )
    result = invoke_sim("fig10_codebook_similarity", ["--systems", "jscc", *common])
    assert (result.exit_code, result.stderr) == (
        2,
        "error: system = 'jscc': has no codebook; name a masked-vqvae scheme\n",
    )


def test_similarity_of_the_basis_vectors(tiny_weights: Path, tmp_path: Path) -> None:
    printed = run_sim("fig10_codebook_similarity", ["--weights", str(tiny_weights), "--out", str(tmp_path)])
    record = read_record(tmp_path / "records" / "fig10_codebook_similarity.json")
    assert np.array(record.values["codebooks"]["masked-vqvae"]).shape == (16, 4)
    assert record.values["orthogonality_weight"] == {"masked-vqvae": 0, "masked-vqvae+fim": 0.1}
    assert "0.447" in printed  # Welch: sqrt(12 / (4 · 15))
    is_figure(tmp_path / "figures" / "fig10_codebook_similarity.png")


@pytest.mark.slow
def test_audit_of_one_scheme(tiny_weights: Path, tmp_path: Path) -> None:
    options = ["--quick", "--max-images", "4", "--systems", "jpeg-ldpc", "--set", "adaptive.steps=2"]
    options += ["--set", "adaptive.queries=2", "--weights", str(tiny_weights), "--out", str(tmp_path)]
    printed = run_sim("robustness_audit", options)
    assert "jpeg-ldpc: robust images in %" in printed
    assert "checks: " in printed
    record = read_record(tmp_path / "records" / "robustness_audit_digits_quick.json")
    assert record.settings["adaptive"]["steps"] == 2
    assert record.settings["adaptive"]["draws"] == 4
    assert {p.system for p in record.points} == {"jpeg-ldpc"}
    # nothing is random at the attacker of JPEG, so more draws would be the same one
    assert {p.threat for p in record.points if p.threat and p.threat.startswith("eq7")} == {"eq7, 1 draw"}
    is_figure(tmp_path / "figures" / "robustness_audit_digits_quick.png")
    with pytest.MonkeyPatch.context() as patch:  # every attack is taken from the store
        patch.setattr(AuditExperiment, "score", None)
        run_sim("robustness_audit", options)
    assert read_record(tmp_path / "records" / "robustness_audit_digits_quick.json").points == record.points


@pytest.mark.slow
def test_an_audit_whose_checks_fail_ends_in_an_error_after_its_record(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--quick", "--max-images", "4", "--systems", "jpeg-ldpc", "--set", "adaptive.steps=2", "--quiet"]
    options += ["--set", "adaptive.queries=2", "--weights", str(tiny_weights), "--out", str(tmp_path)]
    weaker = Finding("several steps beat one", False, "accuracy 0.9 after several, 0.5 after one")
    monkeypatch.setattr(AuditExperiment, "checks", lambda self, name: [weaker])
    ended = invoke_sim("robustness_audit", options)
    assert ended.exit_code == 2
    assert "1 of 1 checks of the attack failed: jpeg-ldpc: several steps beat one (accuracy 0.9" in ended.stderr
    assert read_record(tmp_path / "records" / "robustness_audit_digits_quick.json").notes["checks"]["jpeg-ldpc"]
