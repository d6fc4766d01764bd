"""A system's name: scheme, variant of the weights, and settings that are changed at test time."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from sc_sionna.core import plugins
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.schemes import (
    CHANGEABLE,
    PAPER_SCHEMES,
    SCHEME_NAMES,
    MaskedVqvaeScheme,
    SchemeSpec,
    Spec,
    describe_scheme,
    make_scheme,
    parse_schemes,
    specs,
    trained_schemes,
)
from sc_sionna.schemes.registry import scheme_class
from sc_sionna.semantic.weights import PACKAGED, read_description
from sc_sionna.settings import LinkSettings
from sc_sionna.settings.presets import SCHEMES


def copy_weights(name: str, target: Path) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    for suffix in (".json", ".weights.h5"):
        shutil.copy(PACKAGED / f"{name}{suffix}", target)
    return target


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("masked-vqvae", {}),
        ("masked-vqvae+at", {"adversarial": True}),
        ("masked-vqvae+fim+at", {"scheme": "masked-vqvae+fim", "adversarial": True}),
        ("masked-vqvae@J16", {"variant": "J16"}),
        ("jpeg-ldpc@mine", {"scheme": "jpeg-ldpc", "variant": "mine"}),
        ("masked-vqvae[masking.ratio=0.25]", {"overrides": {"masking": {"ratio": 0.25}}}),
        (
            "masked-vqvae+fim@v1.2[importance.threshold=0.5,importance.form=class,similarity.threshold=null]",
            {
                "scheme": "masked-vqvae+fim",
                "variant": "v1.2",
                "overrides": {"importance": {"threshold": 0.5, "form": "class"}, "similarity": {"threshold": None}},
            },
        ),
    ],
)
def test_a_text_and_its_value(text: str, parts: dict) -> None:
    spec = SchemeSpec(**{"scheme": "masked-vqvae", **parts})
    assert SchemeSpec.parse(text) == spec
    assert spec.label == spec.text == text
    assert SchemeSpec(**json.loads(json.dumps(spec.model_dump()))) == spec
    settings = AccuracySettings(systems=(text,))
    assert settings.schemes == (spec,)
    assert AccuracySettings(**json.loads(json.dumps(settings.model_dump()))) == settings


def test_a_label_is_words_alone() -> None:
    named = SchemeSpec(scheme="masked-vqvae", variant="J16", label="sixteen codes")
    assert AccuracySettings(schemes=(named, "masked-vqvae@J16")).labels == ("sixteen codes", "masked-vqvae@J16")
    changed = named.overridden(masking={"ratio": 0.0})
    assert changed.label == "masked-vqvae@J16[masking.ratio=0]"
    assert changed.overridden(masking={"rule": "uniform"}).overrides == {"masking": {"ratio": 0.0, "rule": "uniform"}}
    assert TypeAdapter(Spec).validate_python("jscc") == SchemeSpec(scheme="jscc")


def test_every_scheme_has_a_preset() -> None:
    assert tuple(SCHEMES) == PAPER_SCHEMES
    assert set(PAPER_SCHEMES) < set(SCHEME_NAMES)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("telepathy", "system = 'telepathy': unknown; choose masked-vqvae, "),
        ("telepathy@J4", "system = 'telepathy': unknown"),
        ("", "system = '': unknown"),
        ("masked-vqvae@", "malformed; write SCHEME"),
        ("masked-vqvae@..", "malformed"),
        ("masked-vqvae@a/b", "malformed"),
        ("masked-vqvae[]", "malformed"),
        ("masked-vqvae[masking.ratio=0.5", "malformed"),
        ("masked-vqvae[masking.ratio=0.5]@J4", "malformed"),
        ("masked-vqvae[masking_ratio]", "'masking_ratio' is not a setting"),
        ("masked-vqvae[masking.ratio=]", "is not a setting"),
        ("masked-vqvae[masking.ratio=0.5,masking.ratio=0.6]", "occurs twice"),
        ("masked-vqvae[codebook.size=16]", "'codebook.size' is fixed by the weights, or unknown; at test time set"),
        ("masked-vqvae[dim=128]", "'dim' is fixed"),
        ("masked-vqvae[telepathy=1]", "'telepathy' is fixed by the weights, or unknown"),
        ("jpeg-ldpc[masking.ratio=0.5]", "'masking.ratio' is fixed by the weights"),
    ],
)
def test_names_that_cannot_work_are_one_line(name: str, words: str) -> None:
    for call in (lambda: SchemeSpec.parse(name), lambda: AccuracySettings(systems=(name,))):
        with pytest.raises(UserError) as caught:
            call()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("masked-vqvae[masking.ratio=1.0]", "masking.ratio = 1.0"),
        ("masked-vqvae[masking.ratio=much]", "masking.ratio = 'much'"),
        ("masked-vqvae[importance.threshold=0.5]", "without a feature importance module"),
        ("masked-vqvae[masking.rule=noise-related]", "needs noise_energy"),
        ("masked-vqvae[similarity.threshold=2]", "similarity.threshold = 2"),
        ("masked-vqvae@nowhere", "weights 'digits-masked-vqvae': not in"),
    ],
)
def test_settings_are_checked_as_the_codecs_own(name: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        AccuracyExperiment(AccuracySettings(systems=(name,)))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_of_names_are_split_outside_brackets() -> None:
    text = "masked-vqvae[masking.ratio=0.5,masking.rule=uniform],jscc@a,jpeg-ldpc"
    assert tuple(spec.label for spec in parse_schemes(text)) == (
        "masked-vqvae[masking.ratio=0.5,masking.rule=uniform]",
        "jscc@a",
        "jpeg-ldpc",
    )
    energy = ",".join(["1"] * 64)
    name = f"masked-vqvae[masking.rule=uniform,masking.ratio=0.5,masking.noise_energy={energy}]"
    with pytest.raises(UserError, match="'1' is not a setting"):  # a list is in brackets of its own
        SchemeSpec.parse(name)
    listed = f"masked-vqvae[masking.noise_energy=[{energy}],masking.rule=noise-related]"
    assert parse_schemes(f"{listed},jscc") == specs((listed, "jscc"))
    assert SchemeSpec.parse(listed).overrides == {"masking": {"noise_energy": [1] * 64, "rule": "noise-related"}}
    preset, _ = describe_scheme(listed, "digits")
    assert preset.codec.masking.noise_energy == (1.0,) * 64


def test_what_can_be_changed_leaves_every_weight_its_shape() -> None:
    name = (
        "masked-vqvae[masking.ratio=0.25,masking.rule=noise-related,similarity.threshold=0.9,importance.form=class,"
        f"masking.noise_energy=[{','.join(['1'] * 64)}],importance.threshold=0,masking.temperature=2]"
    )
    changes = SchemeSpec.parse(name).overrides
    assert {f"{group}.{member}" for group, members in changes.items() for member in members} == set(CHANGEABLE)
    preset, _ = read_description(None, "digits", "masked-vqvae")
    system = make_scheme(name, "digits", LinkSettings(), lambda: np.zeros((32, 32, 3), np.uint8))
    plain = make_scheme("masked-vqvae", "digits", LinkSettings(), lambda: np.zeros((32, 32, 3)))
    assert isinstance(system, MaskedVqvaeScheme)
    assert isinstance(plain, MaskedVqvaeScheme)
    for a, b in zip(system.codec.variables, plain.codec.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert system.name == name
    assert system.codec.settings == preset.codec.with_(**changes)
    assert plain.codec.settings == preset.codec
    assert system.codec.payload_length == 48 * 6


def test_a_variant_has_weights_and_a_hash_of_its_own(tmp_path: Path) -> None:
    weights = copy_weights("digits-masked-vqvae", tmp_path)
    copy_weights("digits-masked-vqvae", tmp_path / "J16")
    names = ("masked-vqvae", "masked-vqvae@J16", "masked-vqvae@J16[masking.ratio=0.75]")
    job = AccuracyExperiment(AccuracySettings(systems=names), weights=weights)
    sha = job.inputs()["weights_sha256"]
    assert tuple(sha) == names
    assert len(set(sha.values())) == 1
    assert [job.described[name].codec.num_kept for name in names] == [32, 32, 16]
    (tmp_path / "J16" / "digits-masked-vqvae.weights.h5").write_bytes(b"other")
    with pytest.raises(UserError, match="SHA-256 differs"):
        AccuracyExperiment(AccuracySettings(systems=names), weights=weights)


def test_trained_schemes_are_those_with_both_files(tmp_path: Path) -> None:
    assert {"masked-vqvae", "jpeg-ldpc"} <= set(trained_schemes("digits", None, SCHEME_NAMES))
    assert trained_schemes("mnist", None, SCHEME_NAMES) == ()
    weights = copy_weights("digits-jpeg-ldpc", tmp_path)
    assert trained_schemes("digits", weights, PAPER_SCHEMES) == ("jpeg-ldpc",)
    assert "label-ldpc" in trained_schemes("digits", weights, SCHEME_NAMES)  # it takes the same weights
    (weights / "digits-jpeg-ldpc.json").unlink()
    assert trained_schemes("digits", weights, SCHEME_NAMES) == ()


def test_the_package_ships_variants_too() -> None:
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())
    shipped = project["tool"]["setuptools"]["package-data"]["sc_sionna"]
    assert {"weights/*/*.h5", "weights/*/*.json"} <= set(shipped)


def test_what_is_no_scheme_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_allowed", set())
    plugins.allow("os")
    with pytest.raises(UserError, match="system = 'os:system': no scheme; write a class"):
        scheme_class("os:system")
