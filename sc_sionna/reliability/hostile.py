"""Values that no setting, option or field should have to expect, and all must survive."""

from __future__ import annotations

from typing import Any

NUMBERS = (
    "-1",
    "0",
    "1",
    "3",
    "64",
    "0.5",
    "1.5",
    "-0.0",
    "1e-300",
    "1e5",
    "1e308",
    "2147483648",
    "9223372036854775808",
)
OUT_OF_RANGE = ("1e999", "NaN", "Infinity", "-Infinity", "9" * 30, "9" * 4300, "-" + "9" * 10_000, "0x10", "1_000")
NESTED = (
    "[" * 40,
    "[" * 100_000,
    "[" * 60 + "]" * 60,
    '{"a":' * 50 + "1" + "}" * 50,
    "[]",
    "{}",
    "[1,2]",
    '{"a": 1, "a": 2}',
)
NAMES = (
    "", " ", "null", "true", "svd", "16qam", "image", "link", "none", "ε", "é" * 300, "../../etc/passwd", "%s%n", "a,b", "[",
    '"quoted"', "'", "\\", "$(touch ran)", "; touch ran", "a=b", "x" * 10_000,
)  # fmt: skip
TERMINAL = ("a\x1b[2Jb", "a\nerror: b", "a\r\x1b]0;title\x07", "\u202egnp.exe", "\x9b31m", "\u2028", "\x00", "\ud800")
CODE = ("builtins:print", "os:system", "fuzz_trap:Trap", "no.such:Thing", "sc_sionna.cli.main:app", "fuzz_trap:Trap:x")
TEXTS = (*NUMBERS, *OUT_OF_RANGE, *NESTED, *NAMES, *TERMINAL, *CODE)

# What a JSON file may hold in place of what it should
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e-300, 1e300, 2**31, 2**63, 10**29, 10**400, "", "a", "3", [], {}, [None],
    [[]], {"a": 1},
    [1, 2, 3], "rayleigh", *TERMINAL[:-1], *CODE, "x" * 10_000,
)  # fmt: skip


def nested(depth: int) -> Any:
    """A list within a list, so often."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value
