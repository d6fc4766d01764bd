"""What the counts of a batch follow from beside its settings: code, plug-ins, libraries, the decoder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from sc_sionna.core.code_identity import code_identity, library_versions, parts_of
from sc_sionna.settings import LinkSettings


def fingerprint(modules: Iterable[str], described_by: Iterable[BaseModel]) -> dict[str, Any]:
    """What the results of ``modules`` follow from, as JSON; two of them differ in the entry that changed.

    modules : names of the modules that evaluate; those outside this package count as plug-ins
    described_by : every settings object that says what is evaluated
    """
    described_by = list(described_by)
    found: dict[str, Any] = {**code_identity(modules, described_by), "libraries": library_versions()}
    links = [part for part in parts_of(described_by) if isinstance(part, LinkSettings)]
    if any(link.coded and link.decoder == "auto" for link in links):
        from sc_sionna.phy.receiver import decoder_name

        found["auto_decoder"] = decoder_name("auto")
    return found
