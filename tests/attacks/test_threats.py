"""A threat as a value: it names itself by everything that distinguishes it, and its draws follow from its settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from sc_sionna.attacks.jamming import JammerSettings
from sc_sionna.attacks.over_the_air import OverTheAirSettings
from sc_sionna.attacks.source import SourceAttackSettings
from sc_sionna.attacks.threats import (
    COMPUTED,
    CustomThreat,
    GaussianThreat,
    OverTheAirThreat,
    Threat,
    air_threat,
    jamming_threat,
    random_sign_threat,
    source_threat,
)
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracySettings

ALL = (
    source_threat(0.05),
    random_sign_threat(0.05),
    air_threat(10.0),
    air_threat(10.0, gaussian=True),
    jamming_threat(10.0),
    jamming_threat(10.0, shuffled=True),
    CustomThreat(attack="my_attacks:Mine", options={"share": 0.5}),
)
# Another value for every setting of an attack
OTHER: dict[str, Any] = {
    "norm": "l2", "epsilon": 0.06, "steps": 11, "step_size": 0.9, "random_start": True, "draws": 4, "loss": "margin",
    "ssnr_db": 5.0, "num_ant": 4, "channel": "identity", "samples": 64, "snr_db": 6.0, "rho": 0.2,
    "pattern": "burst", "share": 0.3, "shuffled": True,
}  # fmt: skip


@pytest.mark.parametrize("threat", ALL, ids=lambda threat: threat.label[:30])
def test_a_threat_survives_json_with_its_label(threat: Any) -> None:
    stored = json.loads(json.dumps(threat.model_dump()))
    assert stored["label"] == threat.label
    assert TypeAdapter(Threat).validate_python(stored) == threat
    assert AccuracySettings(threats=[stored]).threats == (threat,)


def test_labels_and_draws_tell_kinds_apart() -> None:
    assert len({threat.label for threat in ALL}) == len({threat.stream for threat in ALL}) == len(ALL)


@pytest.mark.parametrize("name", sorted(set(SourceAttackSettings.model_fields) - COMPUTED))
def test_every_setting_of_an_attack_at_the_source_is_in_its_label(name: str) -> None:
    plain = source_threat(0.05)
    changed = plain.with_(attack={name: OTHER[name]})
    assert changed.label != plain.label
    assert changed.stream != plain.stream


@pytest.mark.parametrize("name", sorted(set(OverTheAirSettings.model_fields) - {"kind"}))
def test_every_setting_of_an_attack_over_the_air_is_in_its_label(name: str) -> None:
    plain = air_threat(10.0)
    changed = plain.with_(attack={name: OTHER[name]})
    assert changed.label != plain.label
    assert changed.stream != plain.stream


@pytest.mark.parametrize("plain", [{}, {"pattern": "header"}, {"share": 0.25}, {"pattern": "strided", "share": 0.25}])
@pytest.mark.parametrize("name", sorted(JammerSettings.model_fields))
def test_every_setting_of_jamming_is_in_its_label(name: str, plain: dict[str, Any]) -> None:
    if name == "share" and plain.get("pattern") == "header":
        return  # the header has its uses
    threat = jamming_threat(10.0, **plain)
    changed = threat.with_(attack={name: OTHER[name]})
    assert changed.label != threat.label
    assert changed.stream != threat.stream


def test_a_label_changes_no_draw_nor_does_the_size_of_a_pass() -> None:
    plain = source_threat(0.05, draws=4)
    stored = plain.model_dump() | {"label": "better words"}
    assert type(plain)(**stored).stream == plain.stream
    wider = source_threat(0.05, draws=4, batch_size=128)
    assert (wider.label, wider.stream) == (plain.label, plain.stream)
    assert plain.label == "semantic noise, ℓ∞ ε = 0.05, 10 steps, 4 draws, white box, draws unknown"


def test_a_threat_that_cannot_be_is_one_line() -> None:
    semantic, gaussian = OverTheAirSettings(), OverTheAirSettings(kind="gaussian")
    for build, words in (
        (lambda: OverTheAirThreat(attack=gaussian), "attack.kind = 'gaussian'"),
        (lambda: GaussianThreat(attack=semantic), "attack.kind = 'semantic'"),
        (lambda: random_sign_threat(2.0), "epsilon = 2.0"),
        (lambda: AccuracySettings(threats=[{"kind": "telepathy"}]), "telepathy"),
    ):
        with pytest.raises(UserError) as caught:
            build()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
