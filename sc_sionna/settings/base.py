"""The base of all settings: frozen, validated, with errors of one line."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from sc_sionna.core import plugins
from sc_sionna.core.errors import UserError

# A built-in name or the user's own module:Class; in Python also the class itself, which is stored by its name
PluginName = Annotated[str, BeforeValidator(plugins.name_of)]

MAX_SHOWN = 200  # characters of a refused value


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown names, errors of one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UserError(_one_line(type(self), error)) from None

    def with_(self, **changes: Any) -> Any:
        """A validated copy with some settings changed."""
        return type(self)(**{**self.model_dump(), **changes})


def _one_line(cls: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or cls.__name__
    nested = first.get("ctx", {}).get("error")
    if isinstance(nested, UserError):  # settings within settings have said it all but where they are
        return f"{name}: {nested}"
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


def settings_hash(settings: dict[str, Any]) -> str:
    """SHA-256 of settings as canonical JSON, hex."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
