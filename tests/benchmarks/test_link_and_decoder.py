"""The benchmark's yardstick is a fair one: the same code, the same physics, the same error rate."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sc_sionna.benchmarks.link import SETTINGS, PlainSionnaLink, bench_link, format_link
from sc_sionna.phy.snr import noise_variance
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import two_proportion_z


def test_plain_loop_is_error_free_without_noise():
    plain = PlainSionnaLink(LinkSettings(**SETTINGS))
    bits, decoded = plain(8, tf.constant(noise_variance(40.0)))
    np.testing.assert_array_equal(bits, decoded)


def test_both_chains_agree_and_the_link_is_faster():
    bench = bench_link(quick=True, snrs_db=(5.0,), batch=128)
    (point,) = bench.points
    errors = [point.block_errors[name] / point.blocks for name in ("plain Sionna", "DigitalLink")]
    assert 0.05 < errors[0] < 0.95
    # the decoders differ a little (layered offset min-sum against boxplus-phi), the physics may not
    assert abs(two_proportion_z(errors[0], point.blocks, errors[1], point.blocks)) < 4
    assert point.ratio > 2
    text = format_link(bench)
    assert "times plain" in text
    assert "decoder" in text
