"""Which scheme, as a value: read once from the text of a command line, kept in settings and records."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from sc_sionna.core import strict_json
from sc_sionna.core.errors import UserError
from sc_sionna.schemes.base import SOURCE, Scheme
from sc_sionna.schemes.registry import REGISTRY, scheme_class
from sc_sionna.semantic.weights import PACKAGED
from sc_sionna.settings import Settings, merged
from sc_sionna.settings.presets import SCHEMES

FORM = "write SCHEME, SCHEME@VARIANT or SCHEME[setting=value,...]"
ADVERSARIAL = "+at"
_TEXT = re.compile(r"(?P<scheme>[^@\[\]]*)(@(?P<variant>\w[\w.-]*))?(\[(?P<overrides>.+)\])?")
_VARIANT = re.compile(r"\w[\w.-]*")
_COMMA = re.compile(r",(?![^\[]*\])")  # outside brackets


class SchemeSpec(Settings):
    """A scheme, which of its weights, and the settings that are changed at test time.

    ``masked-vqvae+fim+at@J16[masking.ratio=0.25]`` is the masked VQ-VAE with feature importance modules, trained against
    semantic noise, with the weights of the sub-folder ``J16`` and a quarter of the patches masked. The label stands in
    records and figures; no code reads anything out of it.
    """

    scheme: str = Field(description="the name in the registry, or module:Class")
    adversarial: bool = Field(False, description="true for weights that were trained against semantic noise")
    variant: str | None = Field(None, description="the sub-folder of the weights; null for the folder itself")
    overrides: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="settings of the codec that are changed at test time, by group"
    )
    label: str = Field("", description="the name in records and figures; empty for the text of the other settings")

    @model_validator(mode="after")
    def _check(self) -> SchemeSpec:
        if self.scheme not in REGISTRY and ":" not in self.scheme:
            raise ValueError(
                f"system = {self.scheme!r}: unknown; choose {', '.join(SCHEME_NAMES)}, or your module:Class"
            )
        if self.variant is not None and _VARIANT.fullmatch(self.variant) is None:
            raise ValueError(f"system = {self.text!r}: malformed; {FORM}")
        try:
            changeable = self.scheme_class.changeable
        except UserError as error:  # of a class of the user's own; it names the setting itself
            raise ValueError(str(error)) from None
        for name in self._flat():
            if not changeable:
                raise ValueError(
                    f"system = {self.text!r}: {self.name} has no settings that can be changed at test time; name "
                    f"{self.name!r}"
                )
            if name not in changeable:
                raise ValueError(
                    f"system = {self.text!r}: {name!r} is fixed by the weights, or unknown; at test time set "
                    f"{', '.join(changeable)}"
                )
        if not self.label:
            object.__setattr__(self, "label", self.text)
        return self

    def _flat(self) -> dict[str, Any]:
        """The overrides by their names on a command line."""
        return {
            f"{group}.{name}": value for group, members in self.overrides.items() for name, value in members.items()
        }

    @classmethod
    def parse(cls, text: str) -> SchemeSpec:
        """The scheme that a text names; the text is its label.

        Raises
        ------
        UserError
            A malformed text, an unknown scheme, or a setting that the weights fix.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise UserError(f"system = {text!r}: malformed; {FORM}")
        overrides: dict[str, dict[str, Any]] = {}
        for change in _COMMA.split(match["overrides"]) if match["overrides"] else []:
            name, equals, value = change.partition("=")
            group, dot, member = name.partition(".")
            if not equals or not value or member in overrides.get(group, {}):
                raise UserError(f"system = {text!r}: {change!r} is not a setting, or one that occurs twice; {FORM}")
            if not dot:
                raise UserError(
                    f"system = {text!r}: {name!r} is fixed by the weights, or unknown; write GROUP.SETTING, for example "
                    "masking.ratio"
                )
            overrides.setdefault(group, {})[member] = _value(value)
        scheme = match["scheme"].removesuffix(ADVERSARIAL)
        return cls(
            scheme=scheme,
            adversarial=scheme != match["scheme"],
            variant=match["variant"],
            overrides=overrides,
            label=text,
        )

    def overridden(self, **groups: dict[str, Any]) -> SchemeSpec:
        """The same scheme and weights with more settings changed, under a label that says so."""
        values = self.model_dump(exclude={"label"})
        return SchemeSpec(**{**values, "overrides": merged(self.overrides, groups)})

    @property
    def name(self) -> str:
        """The scheme's name, ``+at`` where it is adversarial."""
        return self.scheme + (ADVERSARIAL if self.adversarial else "")

    @property
    def stored_as(self) -> str:
        """The name of its weights in files and presets: its own, unless it takes those of another scheme."""
        return (getattr(self.scheme_class, "weights_of", None) or self.scheme) + (
            ADVERSARIAL if self.adversarial else ""
        )

    @property
    def codec_overrides(self) -> dict[str, dict[str, Any]]:
        """The overrides of the network's settings, without those of a source codec."""
        return {group: values for group, values in self.overrides.items() if group != SOURCE}

    @property
    def text(self) -> str:
        """What :meth:`parse` reads as this value, whatever its label."""
        changes = ",".join(f"{name}={_word(value)}" for name, value in self._flat().items())
        variant = "" if self.variant is None else f"@{self.variant}"
        return self.name + variant + (f"[{changes}]" if changes else "")

    @property
    def scheme_class(self) -> type[Scheme]:
        """The class, with its capabilities; a class of the user's own is imported here."""
        return scheme_class(self.scheme)

    def folder(self, weights: Path | None) -> Path | None:
        """The folder of the weights; ``weights`` is the folder of all, None for the package's."""
        return weights if self.variant is None else (weights or PACKAGED) / self.variant


SCHEME_NAMES = tuple(f"{name}{suffix}" for name in REGISTRY for suffix in ("", ADVERSARIAL))
PAPER_SCHEMES = tuple(SCHEMES)  # those that the paper compares; each has weights of its own


def _value(text: str) -> Any:
    try:
        return strict_json.loads(text)
    except ValueError:
        return text


def _word(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def as_spec(scheme: SchemeSpec | str) -> SchemeSpec:
    """The value itself, or the one that a text names."""
    return SchemeSpec.parse(scheme) if isinstance(scheme, str) else scheme


# The type of a setting that also takes the text of a command line
Spec = Annotated[SchemeSpec, BeforeValidator(lambda value: as_spec(value) if isinstance(value, str) else value)]


def parse_schemes(text: str) -> tuple[SchemeSpec, ...]:
    """The schemes of a text, separated by commas; a comma within brackets separates settings."""
    return tuple(map(SchemeSpec.parse, _COMMA.split(text)))


def specs(names: Sequence[str]) -> tuple[SchemeSpec, ...]:
    """The schemes of some texts."""
    return tuple(map(SchemeSpec.parse, names))
