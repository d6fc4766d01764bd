"""The base of all settings: frozen, validated, with errors of one line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sc_sionna.core.errors import UserError

_NAMES_A_SETTING = re.compile(r"[a-z_.]+( = |: )")


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown names, errors of one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UserError(_one_line(type(self), error)) from None

    def with_(self, **changes: Any) -> Any:
        """A validated copy with some settings changed; a dictionary changes some settings of a group."""
        return type(self)(**merged(self.model_dump(), changes))


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
    return f"{name} = {first['input']!r}: {message[0].lower()}{message[1:]}{remedy}"


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
