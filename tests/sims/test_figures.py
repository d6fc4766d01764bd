"""The figures' scripts on a few images: what they run, write and say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sc_sionna.attacks.threats import air_threat, source_threat
from sc_sionna.cli.parsing import parse_numbers
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.catalogue import ablation, accuracy_vs_uses, fig5_codebook_size
from sc_sionna.experiments.catalogue.accuracy import accuracy_settings, source_threats
from sc_sionna.experiments.catalogue.entry import Options, train_command
from sc_sionna.figures.half_power import half_powers, panels
from sc_sionna.schemes import SchemeSpec, parse_schemes, specs
from sc_sionna.semantic.weights import PACKAGED, has_weights
from sc_sionna.sweep import read_record
from tests.sims.helpers import ROOT, invoke_sim, run_sim
from tests.sims.test_sims import is_figure

FIGURES = (
    "fig4_schemes_vs_snr",
    "fig5_codebook_size",
    "fig6_accuracy_vs_epsilon",
    "fig7_accuracy_vs_reserving_ratio",
    "fig8_accuracy_vs_ssnr",
)


def run(name: str, tmp_path: Path, *arguments: str):
    """A quick run on eight images; its record and what was printed."""
    printed = run_sim(name, ["--quick", "--max-images", "8", "--out", str(tmp_path), "--quiet", *arguments])
    is_figure(tmp_path / "figures" / f"{name}_digits_quick.png")
    return read_record(tmp_path / "records" / f"{name}_digits_quick.json"), printed


def test_every_figure_has_the_common_options_and_a_place_in_make() -> None:
    target = re.search(r"FIGURES := (.*?)\n\n", (ROOT / "Makefile").read_text(), re.S)
    assert target is not None
    made = target[1].replace("\\\n", " ").split()
    assert set(FIGURES) <= set(made)
    for name in made:
        assert (ROOT / "sims" / f"{name}.py").is_file()
    for name in ("accuracy_vs_snr", *FIGURES):
        shown = invoke_sim(name, ["--help"])
        assert shown.exit_code == 0
        for option in (
            "--set",
            "--out",
            "--config",
            "--dry-run",
            "--steps" if name != "fig8_accuracy_vs_ssnr" else "--samples",
        ):
            assert option in shown.stdout, (name, option)


def test_fig4_has_both_bounds_and_a_panel_with_noise(compiled_systems, tmp_path: Path) -> None:
    arguments = ("--systems", "jscc", "--snr-db=-9,40", "--epsilon", "0.1", "--steps", "2")
    record, printed = run("fig4_schemes_vs_snr", tmp_path, *arguments)
    threat = source_threat(0.1, steps=2).label
    assert [(p.snr_db, p.threat) for p in record.points] == [(-9, None), (-9, threat), (40, None), (40, threat)]
    bounds = record.notes["bounds"]
    assert list(bounds) == ["upper bound: jscc, no noise of any kind", "lower bound: jscc, ε = 0.3, no channel noise"]
    upper, lower = bounds.values()
    assert upper == record.notes["error_free_accuracy"]["jscc"] > 0.7
    assert lower < 0.3
    assert f"lower bound: jscc, ε = 0.3, no channel noise: {100 * lower:.1f} %" in printed
    assert f"accuracy in %, {threat}" in printed
    (stored,) = record.settings["threats"]
    assert (stored["label"], stored["attack"]["steps"]) == (threat, 2)


def test_fig5_labels_lines_by_codebook_size(compiled_systems, tmp_path: Path) -> None:
    record, _ = run("fig5_codebook_size", tmp_path, "--systems", "masked-vqvae", "--snr-db", "40", "--epsilon", "0")
    assert record.notes["codebook_size"] == {"masked-vqvae": 64}
    assert [p.threat for p in record.points] == [None]


def test_fig6_takes_epsilon_from_the_threats(compiled_systems, tmp_path: Path) -> None:
    arguments = ("--systems", "jpeg-ldpc", "--snr-db", "40", "--epsilons", "0,0.1,0.3", "--steps", "2")
    record, _ = run("fig6_accuracy_vs_epsilon", tmp_path, *arguments)
    assert [p.threat for p in record.points] == [None, *(source_threat(e, steps=2).label for e in (0.1, 0.3))]
    values = [p.value for p in record.points]
    assert values[0] > values[1] >= values[2]
    # a list without 0 has no clean points; refused values name their limit
    assert parse_numbers("0.1,0.3", "epsilons") == [0.1, 0.3]
    for bad in ("0.1,much", "", "0.1,0.1"):
        with pytest.raises(UserError, match=r"epsilons = .*: not different numbers"):
            parse_numbers(bad, "epsilons")
    refused = invoke_sim("fig6_accuracy_vs_epsilon", ["--epsilons=-0.1", "--out", str(tmp_path / "no")])
    assert refused.exit_code == 2
    assert "epsilon = -0.1" in refused.stderr
    assert not (tmp_path / "no").exists()


def test_fig7_changes_the_masking_ratio_at_test_time(compiled_systems, tmp_path: Path) -> None:
    arguments = ("--systems", "masked-vqvae", "--snr-db", "40", "--ratios", "0.25,1", "--epsilons", "0")
    record, _ = run("fig7_accuracy_vs_reserving_ratio", tmp_path, *arguments)
    names = ["masked-vqvae[masking.ratio=0.75]", "masked-vqvae[masking.ratio=0]"]
    assert [p.system for p in record.points] == names
    budgets = [p.budget["payload_bits"] for p in record.points if p.budget]
    assert budgets == [96, 384]
    refused = invoke_sim("fig7_accuracy_vs_reserving_ratio", ["--systems", "masked-vqvae", "--ratios", "0,1"])
    assert refused.exit_code == 2
    assert "masking.ratio = 1" in refused.stderr


def test_the_contest_has_every_source_at_what_it_costs(compiled_systems, tmp_path: Path) -> None:
    systems = "pixels-ldpc,pixels-ldpc[source.side=4],label-ldpc"
    record, printed = run("accuracy_vs_uses", tmp_path, "--systems", systems, "--snr-db", "20")
    uses = {p.system: p.budget["channel_uses"] for p in record.points if p.budget}
    assert uses == {"pixels-ldpc": 18, "pixels-ldpc[source.side=4]": 6, "label-ldpc": 30}
    assert "pixels-ldpc: 72 symbols and 18 channel uses" in printed
    for dataset in ("digits", "cifar10"):
        contest = accuracy_vs_uses.runs(Options(dataset=dataset), accuracy_vs_uses.Own())[0].settings
        assert {
            "pixels-ldpc",
            "jpeg-ldpc",
            "webp-ldpc",
            "avif-ldpc",
            "label-ldpc",
            "masked-vqvae",
        } <= {spec.scheme for spec in contest.schemes}


def test_fig8_leaves_algorithm_1_out_for_jpeg(compiled_systems, tmp_path: Path) -> None:
    options = ("--systems", "jpeg-ldpc", "--snr-db", "40", "--ssnr-db=-20,60", "--patterns", "none")
    record, _ = run("fig8_accuracy_vs_ssnr", tmp_path, *options)
    controls = [air_threat(ratio, gaussian=True, samples=64).label for ratio in (-20, 60)]
    assert [p.threat for p in record.points] == [None, *controls]
    assert len(record.settings["threats"]) == 4  # Algorithm 1 has no gradient to follow there
    clean, lost, kept = (p.value for p in record.points)
    assert lost < 0.5 < kept == clean


def test_fig8_says_what_was_jammed_and_where_half_is_lost(tmp_path: Path) -> None:
    """Of a stream it is the header, and the power that this takes is less than that of as many random uses."""
    scan, patterns = "jpeg-ldpc[source.quality=3]", ("--patterns", "header")
    record, printed = run("fig8_accuracy_vs_ssnr", tmp_path, "--systems", scan, "--ssnr-db=-5,14,40", *patterns)
    assert len(record.points) == 1 + 3 * 3  # without noise, Gaussian, header, and its control
    assert f"{scan}: header" in printed
    found = half_powers(record, panels(record))
    header, control, gaussian = (
        found[panel][scan]
        for panel in (
            "jamming of the header",
            "jamming of the header: the control on as many random uses",
            "Gaussian noise of the same power",
        )
    )
    assert header.beside == (14, 40)
    assert gaussian.beside == (-5, 14)
    assert header.value > gaussian.value
    assert f"  {scan:40s}  {header.value:.1f} [" in printed
    assert control.beside == (None, -5)  # random uses seldom hit the header, and the code makes up for the others
    assert f"  {scan:40s}  below -5" in printed


def test_ablation_compares_the_pairs_that_ran(compiled_systems, tmp_path: Path) -> None:
    from sc_sionna.figures.differences import differences
    from sc_sionna.report.studies import parts

    names = "masked-vqvae,masked-vqvae+at,masked-vqvae+at[similarity.threshold=0.9]"
    record, printed = run("ablation", tmp_path, "--systems", names, "--snr-db=40", "--steps", "2")
    assert list(record.notes["pairs"]) == ["adversarial training", "features alike (δ = 0.9) sent once"]
    found = {(d.part, d.threat): d for d in differences(record)}
    assert len(found) == 4
    values = {(p.system, p.threat): p.value for p in record.points}
    for (part, threat), d in found.items():
        with_it, without = record.notes["pairs"][part]
        assert d.value == pytest.approx(values[with_it, threat] - values[without, threat])
        assert d.low <= d.value <= d.high
        assert f"{part:40}" in printed
    uses = {p.system: p.budget["channel_uses"] for p in record.points if p.budget}
    assert uses["masked-vqvae+at[similarity.threshold=0.9]"] < 0.5 * uses["masked-vqvae+at"] == 12
    assert "(sent in front of the indices, the header's length field among it)" in "\n".join(parts(record))


def test_every_part_of_the_ablation_is_a_pair_of_systems() -> None:
    for pair in ablation.PAIRS.values():
        assert len(set(pair)) == 2
        for spec in specs(pair):
            assert has_weights(spec.folder(None), "digits", spec.stored_as), spec


def test_ablation_without_a_pair_is_one_clear_line(tmp_path: Path) -> None:
    result = invoke_sim("ablation", ["--systems", "masked-vqvae", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "no two of them differ in one part; name a pair such as masked-vqvae+at,masked-vqvae" in result.stderr
    assert not list(tmp_path.iterdir())


def test_schemes_without_weights_are_named_with_the_command_that_trains_them(tmp_path: Path) -> None:
    for suffix in (".json", ".weights.h5"):
        shutil.copy(PACKAGED / f"digits-masked-vqvae{suffix}", tmp_path)
    given = Options(weights=tmp_path)
    plain = SchemeSpec(scheme="masked-vqvae")
    assert given.schemes(fig5_codebook_size.SCHEMES) == (plain,)
    lines = given.notices
    assert [line.partition(":")[0] for line in lines] == [f"masked-vqvae@J{size}" for size in (4, 16, 256)]
    command = "python -m sc_sionna train digits --system masked-vqvae --set codec.codebook.size=16 "
    assert command + "--out sc_sionna/weights/J16" in lines[1]
    assert given.schemes() == (plain,)
    adversarial = SchemeSpec(scheme="jscc", adversarial=True)
    assert f"jscc+at: no weights, left out; {train_command('digits', adversarial)}" in given.notices
    named = Options(systems=parse_schemes("masked-vqvae[masking.ratio=0,masking.rule=uniform],jscc")).schemes()
    assert [spec.label for spec in named] == ["masked-vqvae[masking.ratio=0,masking.rule=uniform]", "jscc"]
    assert Options(dataset="mnist").schemes() == (plain,)  # the sweep then says how to train it


def test_epsilon_follows_the_data_set() -> None:
    assert Options().epsilon(None) == 0.05
    assert Options(dataset="cifar10").epsilon(None) == Options(dataset="mine").epsilon(None) == 8 / 255
    assert Options().epsilon(0.0) == 0
    assert source_threats([0, 0.05]) == (source_threat(0.05, draws=4),)
    assert accuracy_settings(Options(quick=True), schemes=specs(("masked-vqvae",))).max_images == 128
