"""The named experiments, a file for each figure, table or study: which schemes, which SNRs, which threats.

A file has an :class:`~sc_sionna.experiments.catalogue.entry.Entry` of its own name, which ``sc-sionna run NAME`` and
``sims/NAME.py`` run alike.
"""

from __future__ import annotations

from importlib import import_module

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.catalogue.entry import Entry

NAMES = (
    "accuracy_vs_snr",
    "accuracy_vs_uses",
    "equal_uses_vs_snr",
    "uses_for_accuracy",
    "fig4_schemes_vs_snr",
    "fig5_codebook_size",
    "fig6_accuracy_vs_epsilon",
    "fig7_accuracy_vs_reserving_ratio",
    "fig8_accuracy_vs_ssnr",
    "fig9_feature_activation",
    "fig10_codebook_similarity",
    "codec_content",
    "ablation",
    "robustness_audit",
    "decoding_hard_vs_soft",
    "ber_vs_snr",
    "mcs_table",
    "awgn_table",
    "ldpc_decoders",
    "overhead",
    "validate",
)


def full_name(name: str) -> str:
    """The name of an experiment, of which the words up to an underscore are enough where they say which: ``fig9``."""
    found = [name] if name in NAMES else [known for known in NAMES if known.startswith(f"{name}_")]
    if len(found) != 1:
        raise UserError(f"experiment {name!r}: unknown; choose {', '.join(NAMES)}")
    return found[0]


def find_entry(name: str) -> Entry:
    """The definition of an experiment; UserError for an unknown name."""
    found: Entry = import_module(f"{__name__}.{full_name(name)}").ENTRY
    return found
