"""``sc-sionna list``: the names that commands and settings take."""

from __future__ import annotations

import json
from typing import Any

from pydantic.fields import FieldInfo

from sc_sionna.core.startup import start_backend
from sc_sionna.settings import Settings


def names() -> dict[str, dict[str, str]]:
    """By what they name: each name, and what it stands for where that is known."""
    start_backend()
    from sc_sionna.attacks.threats import GaussianThreat, OverTheAirThreat, RandomSignThreat, SourceThreat
    from sc_sionna.data import DATASETS
    from sc_sionna.experiments.catalogue import NAMES, find_entry
    from sc_sionna.phy.channels import CHANNELS
    from sc_sionna.schemes import SCHEME_NAMES, SchemeSpec
    from sc_sionna.semantic.weights import has_weights
    from sc_sionna.tasks import TASKS

    trained = {
        name: [d for d in DATASETS if has_weights(None, d, SchemeSpec.parse(name).stored_as)] for name in SCHEME_NAMES
    }
    return {
        "schemes": {
            name: f"weights for {', '.join(found)}" if found else "to be trained" for name, found in trained.items()
        },
        "channels": {name: _channel(model) for name, model in CHANNELS.items()} | {"module:Class": "your own"},
        "attacks": {
            threat.model_fields["kind"].default: f"the attacker knows {threat.knowledge}"
            for threat in (SourceThreat, RandomSignThreat, OverTheAirThreat, GaussianThreat)
        }
        | {"module:Class": "your own"},
        "tasks": {name: _first_line(task) for name, task in TASKS.items()} | {"module:Class": "your own"},
        "data sets": {name: "built in" if name == "digits" else "" for name in DATASETS}
        | {"NAME": "images under --data-dir/NAME/SPLIT/CLASS", "module:Class": "your own"},
        "experiments": {name: find_entry(name).about for name in NAMES},
    }


def print_names() -> None:
    """Print every name with what it stands for, by kind."""
    for what, found in names().items():
        print(f"{what}:")
        width = max(map(len, found))
        for name, words in found.items():
            print(f"  {name:{width}}  {words}".rstrip())


def _channel(model: Any) -> str:
    """What a channel model is, and its arguments with their defaults."""
    if model.Settings is None:
        return _first_line(model)
    args = ", ".join(map(_argument, model.Settings.model_fields.items()))
    return f"{_first_line(model)}; channel_args: {args}"


def _argument(field: tuple[str, FieldInfo]) -> str:
    """``name=default`` as JSON, or the name alone of an argument without."""
    name, info = field
    if info.is_required():
        return name
    default = info.get_default(call_default_factory=True)
    return f"{name}={json.dumps(default.model_dump() if isinstance(default, Settings) else default)}"


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0].rstrip(".")
