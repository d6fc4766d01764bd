"""What the tests of the channel models share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.replay import replay_record
from sc_sionna.phy import channels
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import StopRule, read_record
from tests.phy.helpers import seed


def model(
    channel: str, num_rx_ant: int = 4, num_tx_ant: int = 8, link: dict[str, Any] | None = None, **args: Any
) -> Any:
    """A channel model as a link builds it."""
    changes = {"num_rx_ant": num_rx_ant, "num_tx_ant": num_tx_ant, "num_streams": 1, **(link or {})}
    return channels.make_channel(LinkSettings(channel=channel, channel_args=args, **changes))


def z_score(samples: np.ndarray, expected: float) -> float:
    """Of the mean of independent real samples against its expectation, in standard errors."""
    samples = np.asarray(samples, np.float64)
    return float((samples.mean() - expected) / (samples.std(ddof=1) / np.sqrt(samples.size)))


def check_repeatable(built: Any, atol: float = 0.0) -> None:
    """The same seed gives the same bits in either mode, another seed others, and more realisations extend them.

    atol : between graph and eager mode and numbers of realisations, for which kernels may differ in the last bits
    """
    draw = tf.function(lambda batch, words, count: built(batch, count, words), autograph=False)
    h = built(6, 5, tf.constant(seed(3, 4))).numpy()
    assert h.dtype == np.complex64
    np.testing.assert_array_equal(h, built(6, 5, tf.constant(seed(3, 4))).numpy())
    in_graph = draw(tf.constant(6), tf.constant(seed(3, 4)), 5).numpy()
    np.testing.assert_array_equal(in_graph, draw(tf.constant(6), tf.constant(seed(3, 4)), 5).numpy())
    np.testing.assert_allclose(in_graph, h, rtol=0, atol=atol)
    np.testing.assert_allclose(built(6, 12, tf.constant(seed(3, 4))).numpy()[:, :5], h, rtol=0, atol=atol)
    for other in (seed(4, 4), seed(3, 5), seed(4, 3)):
        assert np.abs(h - built(6, 5, tf.constant(other)).numpy()).max() > 1e-3


def check_sweep(
    links: dict[str, LinkSettings], name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> dict[tuple[str, float], float]:
    """Block error rates by link and SNR of a small sweep, whose record replays and states E|h|² and every argument."""
    settings = ErrorRateSettings(
        links=links, snr_db=(-9, 15), payload_bits=64, batch_size=64, stop=StopRule(max_batches=1)
    )
    run_and_save(ErrorRateExperiment(settings), name, folder, quiet=True)
    path = folder / "records" / f"{name}.json"
    record = read_record(path)
    for label, link in links.items():
        assert record.settings["links"][label]["channel_args"] == link.channel_args
        assert np.isfinite(record.notes["channel_mean_energy"][label])
    assert replay_record(path, 64, quiet=True) == 0
    assert f"{2 * len(links)} of {2 * len(links)} points agree" in capsys.readouterr().out
    return {(point.system, point.snr_db): point.value for point in record.points}
