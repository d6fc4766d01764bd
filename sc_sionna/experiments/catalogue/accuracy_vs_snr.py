"""Task accuracy against SNR: every scheme that has weights, with and without semantic noise."""

from __future__ import annotations

from pydantic import Field

from sc_sionna.experiments.catalogue.accuracy import (
    AttackOfOneStrength,
    accuracy_settings,
    print_summary,
    source_threats,
)
from sc_sionna.experiments.catalogue.entry import FULL_RANGE, Decibels, Entry, Options, Run


class Own(AttackOfOneStrength):
    """SNRs and the attack."""

    snr_db: Decibels = Field(FULL_RANGE, description="SNRs in dB, START:STOP:STEP or a,b,c")


def runs(options: Options, own: Own) -> list[Run]:
    """One sweep."""
    threats = source_threats([options.epsilon(own.epsilon)], own.steps, own.draws)
    settings = accuracy_settings(options, snr_db=own.snr_db, threats=threats)
    return [Run(options.record_name("accuracy_vs_snr"), settings)]


ENTRY = Entry(
    "the main job: accuracy against SNR, all schemes, clean and under semantic noise",
    "accuracy",
    runs,
    Own,
    summary=print_summary,
)
