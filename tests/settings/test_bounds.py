"""No number of a setting is without a lower and an upper limit: what is typed or stored can be as large as text."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest

import sc_sionna
from sc_sionna.core.errors import UserError
from sc_sionna.settings import CodecSettings, LinkSettings, Settings, TrainSettings
from sc_sionna.settings.codec import MaskingSettings
from sc_sionna.settings.presets import make_preset
from sc_sionna.tasks import make_codec

OF_ANOTHER_BACKEND = ("sc_sionna.core.backend.torch", "sc_sionna.__main__")
# Limits that a check of the settings holds, whose line says more; each value is beyond one
CHECKED: dict[tuple[str, str], tuple[Any, ...]] = {
    ("LinkSettings", "coherence"): (0, 2**31, 10**400),
    ("MaskingSettings", "noise_energy"): ((-1e-9,), (1e31,)),
}


def all_settings() -> list[type[Settings]]:
    for module in pkgutil.walk_packages(sc_sionna.__path__, "sc_sionna."):
        if module.name not in OF_ANOTHER_BACKEND:
            importlib.import_module(module.name)
    found: list[type[Settings]] = []
    level: list[type[Settings]] = [Settings]
    while level:
        level = [kind for base in level for kind in base.__subclasses__()]
        found += [kind for kind in level if kind.__module__.startswith("sc_sionna.")]
    return list(dict.fromkeys(found))


def numbers(annotation: Any, limits: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The limits of every number that a field may hold; those of a field are its own number's, not those within it."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        own = [part for limit in more for part in (getattr(limit, "metadata", None) or [limit])]
        yield from numbers(inner, (*limits, *own))
    elif annotation in (int, float):
        yield limits
    elif get_origin(annotation) in (tuple, dict, list):
        for part in get_args(annotation):
            yield from numbers(part, ())
    elif get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from numbers(part, limits)


def is_bounded(limits: tuple[Any, ...]) -> bool:
    below = any(hasattr(limit, "ge") or hasattr(limit, "gt") for limit in limits)
    return below and any(hasattr(limit, "le") or hasattr(limit, "lt") for limit in limits)


def test_every_number_of_every_setting_has_a_lower_and_an_upper_limit() -> None:
    kinds = all_settings()
    assert len(kinds) > 35
    seen, without = 0, set()
    for kind in kinds:
        for name, field in kind.model_fields.items():
            for limits in numbers(field.annotation, tuple(field.metadata)):
                seen += 1
                if not is_bounded(limits):
                    without.add((kind.__name__, name))
    assert seen > 150
    assert without == set(CHECKED)


def test_the_walk_sees_a_number_without_a_limit() -> None:
    assert [is_bounded(x) for x in numbers(tuple[float, ...] | None, (type("Ge", (), {"ge": 0, "le": 1}),))] == [False]
    assert not is_bounded((type("Ge", (), {"ge": 0}),))


@pytest.mark.parametrize(("kind", "name"), CHECKED)
def test_the_limits_that_a_check_holds(kind: str, name: str) -> None:
    for value in CHECKED[kind, name]:
        with pytest.raises(UserError, match=name):
            {"LinkSettings": LinkSettings, "MaskingSettings": MaskingSettings}[kind](**{name: value})


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_the_smallest_mlp_has_a_width(part: str) -> None:
    """1e-300 of a width is none, which Keras refuses with a traceback."""
    with pytest.raises(UserError, match=f"{part}.mlp_ratio = 1e-300: .*0.25"):
        CodecSettings(**{part: {"mlp_ratio": 1e-300}})
    codec = {part: {"dim": 4, "num_heads": 1, "depth": 1, "mlp_ratio": 0.25}}
    assert make_codec(make_preset("digits", "masked-vqvae", codec=codec).codec).initialise().count_params() > 0


def test_a_number_within_a_tuple_is_bounded_too() -> None:
    with pytest.raises(UserError, match=r"snr_range_db.0 = -1e\+300"):
        TrainSettings(snr_range_db=(-1e300, 3.0))
