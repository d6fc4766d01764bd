"""Validated, frozen settings of every stage.

A setting that cannot work raises :class:`~sc_sionna.core.errors.UserError` with one line: the name, the value, the limit and
what to set instead. ``settings.model_dump()`` goes into records and beside weights; :func:`settings_hash` names it.
"""

from __future__ import annotations

from sc_sionna.settings.base import LARGEST, Decibel, Settings, merged, settings_hash
from sc_sionna.settings.codec import CodecSettings
from sc_sionna.settings.link import BITS_PER_SYMBOL, LinkSettings
from sc_sionna.settings.training import TrainSettings

__all__ = [
    "BITS_PER_SYMBOL",
    "LARGEST",
    "CodecSettings",
    "Decibel",
    "LinkSettings",
    "Preset",
    "Settings",
    "TrainSettings",
    "merged",
    "settings_hash",
]


class Preset(Settings):
    """Everything that defines one trainable system on one data set."""

    name: str
    system: str
    dataset: str
    codec: CodecSettings
    link: LinkSettings
    train: TrainSettings
