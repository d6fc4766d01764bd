"""Extension by name: built-in or module:Class, and one clear line for anything else."""

from __future__ import annotations

import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.core.plugins import resolve

TABLE = {"one": int, "two": float}


class Mine:
    """What a user's own code would hold."""


def test_a_built_in_name():
    assert resolve("two", TABLE, "thing") is float


def test_a_class_of_ones_own():
    assert resolve("tests.core.test_plugins:Mine", TABLE, "thing") is Mine


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
def test_what_cannot_be_resolved(name, words):
    with pytest.raises(UserError) as error:
        resolve(name, TABLE, "thing")
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)
