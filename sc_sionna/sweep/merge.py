"""Stores of the shards of one sweep to one store, from which the sweep goes on as if one machine had run it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sc_sionna.core.errors import UserError
from sc_sionna.sweep.store import Store, first_difference, settings_of


def merge_stores(paths: Sequence[Path], into: Path) -> int:
    """Write all batches of ``paths`` to a new store; the number of batches.

    Raises
    ------
    UserError
        Fewer than two stores, one that is damaged or open elsewhere, other settings (the line says which), a batch that two
        of them hold, and a target that exists.
    """
    if len(paths) < 2:
        raise UserError(f"merge: {len(paths)} store; name at least two shards")
    if into.exists():
        raise UserError(f"{into}: exists already; choose another --into")
    settings = [settings_of(path) for path in paths]
    for path, other in zip(paths[1:], settings[1:], strict=True):
        if other != settings[0]:
            name, first, second = first_difference(settings[0], other)
            raise UserError(
                f"{path}: another sweep than {paths[0]} ({name} is {second}, there {first}); merge equal ones"
            )
    owner: dict[tuple[str, int], Path] = {}
    scratch = into.with_name(f".{into.name}.merging")
    scratch.unlink(missing_ok=True)
    with Store(scratch, settings[0]) as merged:
        for path in paths:
            with Store(path, settings[0]) as shard:
                for key, number, row in shard.rows():
                    if (key, number) in owner:
                        point = key.replace("\x1f", ", ")
                        raise UserError(
                            f"{path}: batch {number} of {point} is in {owner[key, number]} too; shards do not overlap, "
                            "leave one out"
                        )
                    owner[key, number] = path
                    merged.add(key, number, row.outcome, row.crafted, row.processor)
    scratch.replace(into)
    scratch.with_name(f"{scratch.name}.lock").unlink(missing_ok=True)
    return len(owner)
