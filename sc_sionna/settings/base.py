"""The base of all settings: frozen, validated, with errors of one line."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sc_sionna.core import plugins
from sc_sionna.core.errors import UserError

LARGEST = 2**31 - 1  # of every whole number without a limit of its own; sizes have one
_NAMES_A_SETTING = re.compile(r"[a-z0-9_.]+( = |: )")
# An SNR or a ratio in dB, of which a setting may hold several
Decibel = Annotated[float, Field(ge=-60, le=100)]
# A built-in name or the user's own module:Class; in Python also the class itself, which is stored by its name
PluginName = Annotated[str, BeforeValidator(plugins.name_of)]

MAX_SHOWN = 200  # characters of a refused value


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown names, errors of one line, and no number without an upper bound.

    A whole number is at most :data:`LARGEST` in size where its field has no limit of its own, and no number is infinite or
    NaN, within tuples and tables neither.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UserError(_one_line(type(self), error)) from None

    @classmethod
    def from_stored(cls, values: Any) -> Any:
        """Settings that a file holds, every one of them: a default of today is no statement about yesterday's run.

        Raises
        ------
        UserError
            A setting is missing, unknown or out of its range.
        """
        if not isinstance(values, Mapping):
            raise UserError(f"{cls.__name__}: a table of settings is expected, not {type(values).__name__}")
        missing = next(missing_settings(cls, values), None)
        if missing is not None:
            raise UserError(f"setting {missing!r} of {cls.__name__} is missing; a stored setting is never filled in")
        return cls(**values)

    @model_validator(mode="after")
    def _bounded(self) -> Settings:
        for name, field in type(self).model_fields.items():
            limited = any(hasattr(limit, "le") or hasattr(limit, "lt") for limit in field.metadata)
            for number in _numbers(getattr(self, name)):
                if isinstance(number, float) and not math.isfinite(number):  # a whole number may be too long to ask
                    raise ValueError(f"{name} = {number}: not a finite number; {name} is {field.description}")
                if isinstance(number, int) and abs(number) > LARGEST and not limited:
                    raise ValueError(
                        f"{name} = {_short(number)}: larger than {LARGEST} in size; {name} is {field.description}"
                    )
        return self

    @classmethod
    def missing_within(cls, values: Mapping[str, Any]) -> Iterator[str]:
        """Dotted names that stored ``values`` lack beside the fields of the class and of its groups: none."""
        yield from ()

    def with_(self, **changes: Any) -> Any:
        """A validated copy with some settings changed; a dictionary changes some settings of a group."""
        return type(self)(**merged(self.model_dump(), changes))


def missing_settings(cls: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    """Dotted names of the settings of ``cls`` and of its groups that ``values`` lack."""
    for name, field in cls.model_fields.items():
        if name not in values:
            yield name
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            within = values[name]
            if isinstance(within, Mapping):
                yield from (f"{name}.{rest}" for rest in missing_settings(field.annotation, within))
    if issubclass(cls, Settings):
        yield from cls.missing_within(values)


def _numbers(value: Any) -> Iterator[int | float]:
    """The numbers that a setting holds, also within tuples and tables; groups of settings check their own."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _numbers(part)


def _one_line(cls: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or cls.__name__
    nested = first.get("ctx", {}).get("error")
    if isinstance(nested, UserError):  # a group's settings have said it all but which group they are
        return f"{name}.{nested}" if _NAMES_A_SETTING.match(str(nested)) else f"{name}: {nested}"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name!r} of {cls.__name__}; known: {', '.join(cls.model_fields)}"
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return message
    field = cls.model_fields.get(str(first["loc"][0]))
    remedy = f"; {name} is {field.description}" if field is not None and field.description else ""
    return f"{name} = {_short(first['input'])}: {message[0].lower()}{message[1:]}{remedy}"


def _short(value: Any) -> str:
    """A value as Python writes it, cut where it is long: a file of others may hold any."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits, or nesting without end
        text = f"a {type(value).__name__} too large to print"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def merged(base: Mapping[str, Any], *changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with changes laid over it one after the other, group by group: dictionaries are merged, not replaced."""
    result = dict(base)
    for change in changes:
        for name, value in change.items():
            old = result.get(name)
            result[name] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def settings_hash(settings: dict[str, Any]) -> str:
    """SHA-256 of settings as canonical JSON, hex."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
