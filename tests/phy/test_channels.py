"""Channel models, the documented way to add one, and precoders."""

from __future__ import annotations

import re
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.core.plugins import allow
from sc_sionna.phy import channels
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.precoding import make_precoder
from tests.phy.helpers import random_bits, seed, settings


def test_rayleigh_is_circular_complex_gaussian_of_unit_power():
    h = channels.RayleighChannel(4, 8)(2000, 3, seed(1)).numpy().reshape(-1)
    n = h.size
    assert abs(np.mean(np.abs(h) ** 2) - 1) * np.sqrt(n) < 4  # |h|² is exponential: variance 1
    assert abs(np.mean(np.abs(h) ** 4) - 2) * np.sqrt(n / 20) < 4  # E|h|^8 - 4 = 20
    for moment in (np.mean(h), np.mean(h**2) / np.sqrt(2)):  # zero mean; real and imaginary parts alike, uncorrelated
        assert np.abs(moment) * np.sqrt(n) < 5
    assert abs(np.var(h.real) - 0.5) * np.sqrt(2 * n) < 4


def test_rayleigh_entries_and_realisations_are_independent():
    h = channels.RayleighChannel(2, 2)(4000, 2, seed(2)).numpy().reshape(4000, 8)
    correlation = h.conj().T @ h / 4000
    off = correlation[~np.eye(8, dtype=bool)]
    assert np.abs(off).max() * np.sqrt(4000) < 4.5


def test_same_seed_same_matrices_and_more_realisations_extend():
    model = channels.RayleighChannel(4, 8)
    few, many = model(5, 3, seed(7)).numpy(), model(5, 9, seed(7)).numpy()
    np.testing.assert_array_equal(few, many[:, :3])
    assert not np.array_equal(few, model(5, 3, seed(8)).numpy())


def test_awgn_is_the_identity():
    h = channels.AWGNChannel(2, 3)(4, 2, seed(0)).numpy()
    assert h.shape == (4, 2, 2, 3)
    np.testing.assert_array_equal(h, np.broadcast_to(np.eye(2, 3), h.shape))


def test_the_example_of_the_documentation(tmp_path, monkeypatch):
    """The Rician model of the module's docstring, saved as a user would, serves a link and has unit power."""
    example = re.search(r"::\n\n(    import.*?)\n\nE\|h", channels.__doc__, re.DOTALL).group(1)
    assert len(example.splitlines()) <= 30
    (tmp_path / "documented_channel.py").write_text(textwrap.dedent(example) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    allow("documented_channel")
    s = settings(channel="documented_channel:RicianChannel", num_streams=1)
    h = channels.make_channel(s)(4000, 2, seed(3)).numpy()
    assert h.shape == (4000, 2, 4, 8)
    power = np.mean(np.abs(h) ** 2, axis=(1, 2, 3))
    assert abs(power.mean() - 1) / (power.std() / np.sqrt(len(power))) < 4
    link = DigitalLink(s, 256)
    bits = random_bits(16, 256)
    np.testing.assert_array_equal(link(bits, 30.0, seed(4)).bits, bits)


class OneRealisation(channels.ChannelModel):
    """A model that leaves one realisation to all channel uses."""

    def call(self, batch_size, num_realisations, seed):
        return channels.complex_normal([batch_size, 1, self.num_rx_ant, self.num_tx_ant], seed)


class WrongShape(channels.ChannelModel):
    def call(self, batch_size, num_realisations, seed):
        return channels.complex_normal([batch_size, num_realisations, self.num_tx_ant, self.num_rx_ant], seed)


def test_a_model_may_leave_one_realisation():
    link = DigitalLink(settings(channel="tests.phy.test_channels:OneRealisation", coherence="symbol"), 256)
    bits = random_bits(4, 256)
    out = link(bits, 60.0, seed(1))
    assert out.h.shape == (4, 32, 4, 8)
    assert np.ptp(out.h.numpy(), axis=1).max() == 0
    np.testing.assert_array_equal(out.bits, bits)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel": "tests.phy.test_channels:WrongShape"}, ["channel = 'tests.phy", "[batch, realisations, 4, 8]"]),
        ({"channel": "raylie"}, ["channel = 'raylie'", "awgn, rayleigh"]),
        ({"precoder": "zf"}, ["precoder = 'zf'", "dft, svd"]),
    ],
)
def test_a_model_that_cannot_work(changes, words):
    with pytest.raises(UserError) as error:
        DigitalLink(settings(**changes), 64)(random_bits(2, 64), 10.0, seed(1))
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("name", ["svd", "dft"])
@pytest.mark.parametrize("streams", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("channel", ["rayleigh", "awgn"])
def test_precoders_are_semi_unitary_with_total_power_one(name, streams, channel):
    s = settings(precoder=name, num_streams=streams, beyond_rank=True, channel=channel)
    h = channels.make_channel(s)(6, 2, seed(5))
    p = make_precoder(s)(h).numpy()
    assert p.shape == (6, 2, 8, streams)
    gram = np.swapaxes(p.conj(), -1, -2) @ p
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(streams) / streams, gram.shape), atol=2e-6)


@pytest.mark.parametrize("streams", [1, 2, 4])
def test_svd_takes_the_strongest_directions(streams):
    s = settings(num_streams=streams)
    h = channels.RayleighChannel(4, 8)(10, 1, seed(6))
    g = (h @ make_precoder(s)(h)).numpy()
    gram = np.swapaxes(g.conj(), -1, -2) @ g * streams  # diag(σ²): parallel channels, strongest first
    strongest = np.linalg.svd(h.numpy(), compute_uv=False)[..., :streams] ** 2
    np.testing.assert_allclose(gram, strongest[..., None] * np.eye(streams), atol=1e-4)


def test_dft_columns():
    p = make_precoder(settings(precoder="dft", num_streams=2))(tf.zeros([1, 1, 4, 8], tf.complex64)).numpy()[0, 0]
    np.testing.assert_allclose(p[:, 0], 1 / 4, atol=1e-6)
    np.testing.assert_allclose(p[:, 1], np.exp(-2j * np.pi * np.arange(8) / 8) / 4, atol=1e-6)
