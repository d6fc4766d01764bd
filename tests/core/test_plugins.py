"""Extension by name: built-in or module:Class that the user has named, and one clear line for anything else."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sc_sionna.core import plugins
from sc_sionna.core.errors import UserError
from sc_sionna.core.plugins import allow, allow_named, is_allowed, make, resolve
from sc_sionna.settings import CodecSettings, LinkSettings

TABLE = {"one": int, "two": float}


class Mine:
    """What a user's own code would hold."""


@pytest.fixture(autouse=True)
def nothing_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_allowed", set())


def refused(name: str) -> str:
    with pytest.raises(UserError) as error:
        resolve(name, TABLE, "thing")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_built_in_name() -> None:
    assert resolve("two", TABLE, "thing") is float


def test_a_class_of_a_module_that_the_user_named() -> None:
    allow("tests.core")
    assert resolve("tests.core.test_plugins:Mine", TABLE, "thing") is Mine


def test_the_module_of_a_plug_in_is_known_only_where_the_user_named_it() -> None:
    assert plugins.module_of("tests.core.test_plugins:Mine") is None
    allow("tests.core")
    assert plugins.module_of("tests.core.test_plugins:Mine") == "tests.core.test_plugins"
    for text in ("two", "tests.core.test_plugins", "tests.core:no such", "no_such_module:Mine"):
        assert plugins.module_of(text) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("three", ["thing = 'three'", "unknown", "one, two", "module:Class"]),
        ("", ["thing = ''", "unknown"]),
        (":Mine", ["unknown"]),
        ("tests.core.test_plugins:", ["unknown"]),
        ("no_such_module:Mine", ["cannot import 'no_such_module'", "PYTHONPATH"]),
        ("tests.core.test_plugins:Yours", ["no class 'Yours'", "Mine"]),
    ],
)
def test_what_cannot_be_resolved(name: str, words: list[str]) -> None:
    allow("no_such_module")
    allow("tests")
    message = refused(name)
    assert all(word in message for word in words)


def test_a_module_that_the_user_did_not_name_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign_code.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\nclass C: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "--allow-plugins foreign_code" in refused("foreign_code:C")
    assert "foreign_code" not in sys.modules
    assert not (tmp_path / "ran").exists()
    for name in ("builtins:print", "os:system", "tests.core.test_plugins:Mine"):  # imported already is not named
        assert "not allowed" in refused(name)
    allow("foreign")  # no prefix of letters, whole parts only
    assert not is_allowed("foreign_code")
    allow("foreign_code")
    assert resolve("foreign_code:C", TABLE, "thing").__name__ == "C"
    assert (tmp_path / "ran").exists()


def test_names_that_the_user_typed_are_allowed_wherever_they_stand() -> None:
    allow_named({"link": {"channel": "a.b:C", "num_streams": 2}, "x": ["d:E", "plain", "no class:here"]})
    assert [is_allowed(m) for m in ("a.b", "a.b.c", "a", "d", "no", "plain")] == [True, True, False, True, False, False]
    with pytest.raises(UserError, match="not the name of a module"):
        allow("my/channels.py")


def test_python_code_may_pass_the_class_itself() -> None:
    settings = LinkSettings(channel=Mine)  # type: ignore[arg-type]
    assert settings.channel == "tests.core.test_plugins:Mine"
    assert json.loads(settings.model_dump_json())["channel"] == settings.channel
    assert resolve(settings.channel, TABLE, "channel") is Mine
    assert CodecSettings(masking={"rule": Mine}).masking.rule == settings.channel


def test_a_class_that_does_not_take_what_it_is_given_is_one_line() -> None:
    allow("tests.core")
    with pytest.raises(
        UserError, match=r"thing = 'tests.core.test_plugins:Mine': does not take \(int, size\): .* change"
    ):
        make("tests.core.test_plugins:Mine", TABLE, "thing", 3, size=2)
    assert isinstance(make("tests.core.test_plugins:Mine", TABLE, "thing"), Mine)
    assert make("two", TABLE, "thing", 3) == 3.0
    with pytest.raises(UserError, match="test_plugins:refused': a function, no class; name a class"):
        make("tests.core.test_plugins:refused", TABLE, "thing", "x")
