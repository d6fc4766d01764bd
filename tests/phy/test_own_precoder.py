"""A precoder of the user's own in this one file: swept beside the built-in ones, drawn and replayed."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.replay import replay_record
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import StopRule, read_record

NAME = f"{__name__}:MatchedAntenna"


class MatchedAntenna:
    """One stream, conjugate to the channel of the first receive antenna: maximum ratio transmission to that antenna."""

    def __init__(self, settings: LinkSettings) -> None:
        assert settings.num_streams == 1

    def __call__(self, h: tf.Tensor) -> tf.Tensor:
        p = tf.linalg.adjoint(h[..., :1, :])  # [..., num_tx_ant, 1]
        return p / tf.norm(p, axis=-2, keepdims=True)


def test_it_is_swept_drawn_and_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    links = {
        name: LinkSettings(precoder=precoder, num_streams=1)
        for name, precoder in (("svd", "svd"), ("matched", NAME), ("dft", "dft"))
    }
    settings = ErrorRateSettings(
        links=links, snr_db=(-9, -6), payload_bits=64, batch_size=512, stop=StopRule(max_batches=1)
    )
    job = ErrorRateExperiment(settings)
    run_and_save(job, "matched", tmp_path, quiet=True)
    path = tmp_path / "records" / "matched.json"
    record = read_record(path)
    assert (tmp_path / "figures" / "matched.png").stat().st_size > 10_000
    rate = {(point.system, point.snr_db): point.value for point in record.points}
    # the strongest direction of all antennas, that of one antenna, and a direction that knows nothing of the channel
    assert rate["svd", -6] < rate["matched", -6] < rate["dft", -6]
    assert __name__ in job.made_with()["plugins"]
    assert replay_record(path, 512, quiet=True) == 0
    assert "6 of 6 points agree" in capsys.readouterr().out
