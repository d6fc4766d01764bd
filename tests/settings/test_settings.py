"""Settings: frozen, hashed canonically, and refused in one line with name, value, limit and remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc_sionna.core.errors import UserError
from sc_sionna.settings import (
    CodecSettings,
    LinkSettings,
    Preset,
    Settings,
    TrainSettings,
    settings_hash,
)

ROOT = Path(__file__).resolve().parents[2]
FROZEN_HASH = "c9194e8c6bd7e1dfe2d404f26cecbefae16b3e337aba6041813aae57bfa180d4"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def refused(build: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as error:
        build()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("cls", "values", "words"),
    [
        (LinkSettings, {"num_streams": 5}, ("num_streams = 5", "at most 4", "num_streams <= 4", "beyond_rank = true")),
        (LinkSettings, {"num_streams": 9, "num_rx_ant": 16}, ("num_streams = 9", "num_streams <= 8")),
        (LinkSettings, {"num_streams": 9, "beyond_rank": True}, ("num_streams = 9", "num_streams <= 8")),
        (LinkSettings, {"num_streams": 0}, ("num_streams = 0", "greater than or equal to 1")),
        (LinkSettings, {"modulation": "8psk"}, ("modulation = '8psk'", "'qpsk', '16qam', '64qam' or '256qam'")),
        (LinkSettings, {"crc": "CRC8"}, ("crc = 'CRC8'", "CRC24A")),
        (LinkSettings, {"coderate": 0.1}, ("coderate = 0.1", "0.2", "1/5 to 0.92")),
        (LinkSettings, {"coderate": float("nan")}, ("coderate = nan", "0.92")),
        (LinkSettings, {"coherence": 0}, ("coherence = 0", "at least 1", "'image'")),
        (LinkSettings, {"coherence": "slot"}, ("'slot'", "'image' or 'symbol'")),
        (LinkSettings, {"num_iter": "many"}, ("num_iter = 'many'", "valid integer")),
        (LinkSettings, {"modulaton": "qpsk"}, ("unknown setting 'modulaton'", "known: ", "modulation")),
        (CodecSettings, {"masking": {"ratio": 1.0}}, ("masking.ratio = 1.0", "less than 1", "[0, 1)")),
        (CodecSettings, {"masking": {"ratio": -0.1}}, ("masking.ratio = -0.1", "[0, 1)")),
        (CodecSettings, {"masking": {"ratio": float("nan")}}, ("masking.ratio = nan", "[0, 1)")),
        (CodecSettings, {"patch_size": 5}, ("patch_size = 5", "image_size = 32", "choose a divisor")),
        (CodecSettings, {"encoder": {"num_heads": 3}}, ("encoder.num_heads = 3", "width 64", "choose a divisor")),
        (CodecSettings, {"decoder": {"num_heads": 5}}, ("decoder.num_heads = 5", "choose a divisor")),
        (CodecSettings, {"codebook": {"size": 1}}, ("codebook.size = 1", "greater than or equal to 2")),
        (TrainSettings, {"learning_rate": 0}, ("learning_rate = 0", "greater than 0")),
        (TrainSettings, {"batch_size": 0}, ("batch_size = 0", "images per step")),
        (TrainSettings, {"seed": -1}, ("seed = -1", "greater than or equal to 0")),
    ],
)
def test_a_setting_that_cannot_work_is_refused_in_one_line(
    cls: type[Settings], values: dict[str, Any], words: tuple[str, ...]
) -> None:
    message = refused(lambda: cls(**values))
    assert [word for word in words if word not in message] == []


def test_a_stage_of_a_preset_names_its_own_setting() -> None:
    values: dict[str, Any] = {"name": "mine", "system": "masked-vqvae", "dataset": "digits"}
    message = refused(lambda: Preset(**values, codec={"masking": {"ratio": 2}}, link={}, train={}))
    assert "codec" in message
    assert "masking.ratio = 2: input should be less than 1" in message
    assert "required" in refused(lambda: Preset(**values))


def test_settings_are_frozen_and_copies_are_validated() -> None:
    link = LinkSettings()
    with pytest.raises(ValueError, match="frozen"):
        link.num_streams = 2  # type: ignore[misc]
    assert link.with_(num_streams=2) == LinkSettings(num_streams=2)
    assert link == LinkSettings()
    assert "num_streams = 5" in refused(lambda: link.with_(num_streams=5))
    assert "unknown setting 'streams'" in refused(lambda: link.with_(streams=2))


@pytest.mark.parametrize("cls", [LinkSettings, CodecSettings, TrainSettings])
def test_every_setting_says_what_it_is_and_survives_json(cls: type[Settings]) -> None:
    # a group of settings says it in its own docstring, and each of its members in turn
    groups = {name: f.annotation for name, f in cls.model_fields.items() if isinstance(f.annotation, type)}
    groups = {name: kind for name, kind in groups.items() if issubclass(kind, Settings)}
    fields = {name: f for kind in (cls, *groups.values()) for name, f in kind.model_fields.items()}
    assert [name for name, field in fields.items() if not field.description and name not in groups] == []
    assert all(kind.__doc__ for kind in groups.values())
    values = json.loads(json.dumps(cls().model_dump()))
    assert cls(**values) == cls()
    assert settings_hash(values) == settings_hash(cls().model_dump())


def test_the_floor_of_eight_streams_is_asked_for_by_name() -> None:
    assert LinkSettings(num_streams=8, beyond_rank=True).num_streams == 8


@pytest.mark.parametrize(
    ("crc", "bits"), [("none", 0), ("CRC24A", 24), ("CRC24B", 24), ("CRC16", 16), ("CRC11", 11), ("CRC6", 6)]
)
def test_length_of_the_crc(crc: str, bits: int) -> None:
    assert LinkSettings(crc=crc).crc_bits == bits


@pytest.mark.parametrize(
    ("image", "patch", "ratio", "patches", "kept"),
    [
        (32, 4, 0.5, 64, 32),
        (224, 16, 0.0, 196, 196),
        (224, 8, 0.5, 784, 392),
        (32, 32, 0.9, 1, 1),
        (32, 4, 0.999, 64, 1),
    ],
)
def test_number_of_patches_and_of_those_that_are_sent(
    image: int, patch: int, ratio: float, patches: int, kept: int
) -> None:
    codec = CodecSettings(image_size=image, patch_size=patch, masking={"ratio": ratio})
    assert (codec.num_patches, codec.num_kept) == (patches, kept)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.randoms())
def test_the_hash_depends_on_the_content_not_on_the_order(values: dict[str, Any], random: Any) -> None:
    items = list(values.items())
    random.shuffle(items)
    assert settings_hash(dict(items)) == settings_hash(values) == settings_hash(json.loads(json.dumps(values)))
    assert settings_hash({**values, "another": 1}) != settings_hash(values) or values.get("another") == 1


def test_the_hash_tells_any_change_and_is_the_same_in_every_process() -> None:
    base = LinkSettings().model_dump()
    hashes = {settings_hash({**base, name: "changed"}) for name in base}
    assert len(hashes | {settings_hash(base)}) == len(base) + 1
    # stores and records name settings by this hash, so its definition may not drift
    assert settings_hash({"b": 1, "a": [1.5, None, "ä"]}) == FROZEN_HASH
    code = 'from sc_sionna.settings import *; print(settings_hash({"a": [1.5, None, "ä"], "b": 1}))'
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == FROZEN_HASH


def test_a_user_error_is_one_that_callers_of_pydantic_expect() -> None:
    assert issubclass(UserError, ValueError)
