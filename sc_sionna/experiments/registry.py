"""The kinds of experiments: a record's settings name one, which rebuilds the experiment that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.experiments.activation import ActivationExperiment, ActivationSettings
from sc_sionna.experiments.audit import AuditExperiment
from sc_sionna.experiments.audit_settings import AuditSettings
from sc_sionna.experiments.base import Experiment, SweepSettings
from sc_sionna.experiments.block_errors import BlockErrorExperiment, BlockErrorSettings
from sc_sionna.experiments.code_words import CodeWordExperiment, CodeWordSettings
from sc_sionna.experiments.codebook import CodebookExperiment, CodebookSettings
from sc_sionna.experiments.content import ContentExperiment, ContentSettings
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.ldpc import LdpcExperiment, LdpcSettings
from sc_sionna.experiments.overhead import OverheadExperiment, OverheadSettings
from sc_sionna.experiments.validation import ValidationExperiment, ValidationSettings


class Kind(NamedTuple):
    """Settings, and the experiment ``(settings, data_dir, weights)`` that they describe in full."""

    settings: type[SweepSettings]
    experiment: Any

    def build(self, settings: SweepSettings, data_dir: Path | None = None, weights: Path | None = None) -> Experiment:
        """The experiment of such settings; ``weights`` is the folder of the trained weights, None for the package's."""
        built: Experiment = self.experiment(settings, data_dir, weights)
        return built


KINDS: dict[str, Kind] = {
    "accuracy": Kind(AccuracySettings, AccuracyExperiment),
    "error-rates": Kind(ErrorRateSettings, ErrorRateExperiment),
    "block-error-table": Kind(BlockErrorSettings, BlockErrorExperiment),
    "awgn-table": Kind(CodeWordSettings, CodeWordExperiment),
    "robustness-audit": Kind(AuditSettings, AuditExperiment),
    "feature-activation": Kind(ActivationSettings, ActivationExperiment),
    "codebook-similarity": Kind(CodebookSettings, CodebookExperiment),
    "codec-content": Kind(ContentSettings, ContentExperiment),
    "ldpc-decoders": Kind(LdpcSettings, LdpcExperiment),
    "overhead": Kind(OverheadSettings, OverheadExperiment),
    "validation": Kind(ValidationSettings, ValidationExperiment),
}


def parse_settings(values: Mapping[str, Any], where: str) -> SweepSettings:
    """Settings of whichever kind they name; UserError for a kind that this version cannot run, or a setting unknown to it.

    where : what the settings are from, for the error
    """
    values = {name: value for name, value in values.items() if name != "inputs"}
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"{where}: kind {kind!r} cannot be run; known: {', '.join(KINDS)}")
    return KINDS[kind].settings(**values)
