"""A channel model of the user's own in this one file: swept beside a built-in one, drawn and replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.replay import replay_record
from sc_sionna.phy.channels import ChannelModel, complex_normal
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import StopRule, read_record

NAME = f"{__name__}:Keyhole"


class Keyhole(ChannelModel):
    """H = a bᵀ: all paths go through one opening, so that H has rank 1 and carries one stream, however many antennas."""

    def call(self, batch_size: Any, num_realisations: int, seed: Any) -> tf.Tensor:
        seeds = tf.random.split(seed, 2)
        receive = complex_normal([batch_size, num_realisations, self.num_rx_ant, 1], seeds[0])
        return receive * complex_normal([batch_size, num_realisations, 1, self.num_tx_ant], seeds[1])


def test_it_is_swept_drawn_and_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    links = {
        "keyhole, 1 stream": LinkSettings(channel=NAME, num_streams=1),
        "keyhole, 2 streams": LinkSettings(channel=NAME, num_streams=2),
        "Rayleigh, 2 streams": LinkSettings(num_streams=2),
    }
    settings = ErrorRateSettings(
        links=links, snr_db=(-9, 15), payload_bits=64, batch_size=64, stop=StopRule(max_batches=1)
    )
    job = ErrorRateExperiment(settings)
    run_and_save(job, "keyhole", tmp_path, quiet=True)
    path = tmp_path / "records" / "keyhole.json"
    record = read_record(path)
    assert (tmp_path / "figures" / "keyhole.png").stat().st_size > 10_000
    rate = {(point.system, point.snr_db): point.value for point in record.points}
    assert rate["keyhole, 1 stream", 15] < rate["keyhole, 1 stream", -9]
    assert rate["Rayleigh, 2 streams", 15] < 0.1
    assert rate["keyhole, 2 streams", 15] > 0.9  # of the second stream nothing arrives, whatever the SNR
    assert np.isclose(record.notes["channel_mean_energy"]["keyhole, 2 streams"], 1.0, atol=0.05)
    assert __name__ in job.made_with()["plugins"]
    assert replay_record(path, 64, quiet=True) == 0
    assert "6 of 6 points agree" in capsys.readouterr().out
