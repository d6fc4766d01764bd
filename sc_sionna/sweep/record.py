"""Records: what a sweep found and everything needed to find it again, as JSON that states its own SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator

from sc_sionna.core import strict_json
from sc_sionna.core.atomic import write_text
from sc_sionna.core.errors import UserError
from sc_sionna.settings import settings_hash
from sc_sionna.sweep.point_record import STRICT, PointRecord
from sc_sionna.sweep.points import StopRule
from sc_sionna.sweep.provenance import command_line, device_description, git_commit, processor_class, versions

SCHEMA = 1
REMEDY = "restore the file from version control, or run its sweep again"


class Record(BaseModel):
    """One sweep.

    notes : what figures need beside the points, for example ``chance`` or an error-free accuracy
    values : results that are no counts, such as vectors or closed forms; a replay compares them leaf by leaf
    """

    model_config = STRICT

    schema_version: int = Field(SCHEMA, alias="schema")
    name: str
    command: str
    settings: dict[str, Any]
    settings_sha256: str
    commit: dict[str, Any] | None
    versions: dict[str, str]
    device: dict[str, Any]
    seed: int
    data_set: str
    created: str
    duration_s: float
    notes: dict[str, Any] = {}
    values: dict[str, Any] = {}
    points: tuple[PointRecord, ...]

    @model_validator(mode="after")
    def _check(self) -> Record:
        processors = self.device.get("processors", [])
        if not isinstance(processors, list) or not all(isinstance(name, str) for name in processors):
            raise ValueError("device.processors is not a list of the names of processor classes")
        if not isinstance((self.commit or {}).get("hash", ""), str):
            raise ValueError("commit.hash is not a text")
        if self.settings_sha256 != settings_hash(self.settings):
            raise ValueError("settings_sha256 is not the hash of the settings")
        if self.settings.get("seed", self.seed) != self.seed:
            raise ValueError(f"seed = {self.seed} is not that of the settings, {self.settings['seed']!r}")
        keys = [point.key for point in self.points]
        if len(set(keys)) < len(keys):
            raise ValueError("a point occurs twice")
        return self

    @model_validator(mode="after")
    def _check_stops(self) -> Record:
        """Every ``stop`` is what the stop rule of the settings says of the counts, as far as the rule alone decides it."""
        if not isinstance(self.settings.get("stop"), dict):
            return self
        rule = StopRule(**self.settings["stop"])
        for point in self.points:
            # an engine's point has a first batch; without one the counts are not of the sweep's batches
            if point.counts is None or point.first_batch is None:
                continue
            said = rule.verdict(point.batches, point.found, point.measure)
            # the data may end before the rule does, and a reader cannot know
            if point.stop != said and not (said is None and point.stop == "maximum"):
                raise ValueError(f"stop = {point.stop} of {point.system!r}: the rule and the counts say {said}")
        return self


def make_record(
    name: str,
    *,
    settings: dict[str, Any],
    seed: int,
    data_set: str,
    points: Sequence[PointRecord],
    duration_s: float,
    command: str | None = None,
    notes: dict[str, Any] | None = None,
    processors: Sequence[str] | None = None,
    values: dict[str, Any] | None = None,
) -> Record:
    """A record of this process: its command line, code, versions and device are looked up here.

    settings : JSON-able; with ``seed`` and ``data_set`` enough to build the sweep again
    processors : the classes of the processors that ran the batches; None for this process's
    """
    settings = json.loads(json.dumps(settings))  # as it will be read: tuples are lists
    return Record(
        schema_version=SCHEMA,
        name=name,
        command=command_line() if command is None else command,
        settings=settings,
        settings_sha256=settings_hash(settings),
        commit=git_commit(),
        versions=versions(),
        device=device_description() | {"processors": list(processors or [processor_class()])},
        seed=seed,
        data_set=data_set,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        duration_s=round(duration_s, 2),
        notes=notes or {},
        values=values or {},
        points=tuple(points),
    )


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 of a record without its ``sha256``, as canonical JSON."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(path: Path, record: Record) -> None:
    """Write a record atomically. UserError where the folder cannot be written or a number is not finite."""
    content = record.model_dump(by_alias=True)  # not mode="json", which turns a NaN into null
    try:
        content["sha256"] = content_hash(content)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise UserError(f"{path}: a record holds finite numbers only ({error}); write null for a missing one") from None
    write_text(path, text + "\n")


def read_record(path: Path) -> Record:
    """Read and check a record. UserError for a file that is missing, truncated, of another version, or changed."""
    try:
        content = strict_json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a record under results/records") from None
    except ValueError as error:
        raise UserError(f"{path}: truncated or not JSON ({error}); {REMEDY}") from None
    if not isinstance(content, dict) or "schema" not in content:
        raise UserError(f"{path}: not a record (no 'schema'); name a record under results/records")
    if content["schema"] != SCHEMA or isinstance(content["schema"], bool):
        raise UserError(
            f"{path}: schema {content['schema']!r}, this program reads {SCHEMA}; use the version of the program that "
            "wrote it, or run its sweep again"
        )
    try:
        stated, actual = content.pop("sha256", None), content_hash(content)
    except ValueError:  # 1e999 is valid JSON and reads as infinity
        raise UserError(f"{path}: a number in it is out of range, so it was changed; {REMEDY}") from None
    if stated != actual:
        raise UserError(
            f"{path}: its SHA-256 is {actual[:12]}, but it states {str(stated)[:12]}, so it was changed; {REMEDY}"
        )
    try:
        return Record(**content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "record"
        raise UserError(f"{path}: not a valid record ({where}: {first['msg']}); {REMEDY}") from None
