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
from sc_sionna.phy.precoding import SvdPrecoder, make_precoder
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
    """The keyhole of the module's docstring, saved as a user would, serves a link with unit power and its rank."""
    example = re.search(r"::\n\n(    import.*?)\n\nA model of Sionna", channels.__doc__, re.DOTALL).group(1)
    assert len(example.splitlines()) <= 30
    (tmp_path / "documented_channel.py").write_text(textwrap.dedent(example) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    allow("documented_channel")
    s = settings(channel="documented_channel:KeyholeChannel", channel_args={"holes": 3}, num_streams=1)
    h = channels.make_channel(s)(4000, 2, seed(3)).numpy()
    assert h.shape == (4000, 2, 4, 8)
    power = np.mean(np.abs(h) ** 2, axis=(1, 2, 3))
    assert abs(power.mean() - 1) / (power.std() / np.sqrt(len(power))) < 4
    assert (np.linalg.matrix_rank(h[:50], rtol=1e-4) == 3).all()
    link = DigitalLink(s, 256)
    bits = random_bits(16, 256)
    np.testing.assert_array_equal(link(bits, 30.0, seed(4)).bits, bits)
    with pytest.raises(UserError, match=r"channel_args: holes = 0: .* the number of openings"):
        DigitalLink(s.with_(channel_args={"holes": 0}), 256)


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
        ({"channel": "raylie"}, ["channel = 'raylie'", "awgn, cdl", "rayleigh, rician"]),
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


class ThreeDecibels(OneRealisation):
    def call(self, batch_size, num_realisations, seed):
        return tf.cast(2.0**0.5, tf.complex64) * super().call(batch_size, num_realisations, seed)


class Enormous(OneRealisation):
    def call(self, batch_size, num_realisations, seed):
        return tf.cast(1e38, tf.complex64) * super().call(batch_size, num_realisations, seed)


class Nothing(OneRealisation):
    def call(self, batch_size, num_realisations, seed):
        return 0 * super().call(batch_size, num_realisations, seed)


class NotANumber(OneRealisation):
    def call(self, batch_size, num_realisations, seed):
        h = super().call(batch_size, num_realisations, seed)
        return h / tf.cast(tf.abs(h) < 2.5, h.dtype)


class OfNumPy(OneRealisation):
    def call(self, batch_size, num_realisations, seed):
        return np.ones((int(batch_size), 1, self.num_rx_ant, self.num_tx_ant), np.complex64)


class EagerOnly(OneRealisation):
    def call(self, batch_size, num_realisations, seed):
        parts = np.random.default_rng(np.asarray(seed)).standard_normal((2, int(batch_size), 1, 4, 8)) * 0.5**0.5
        return tf.constant((parts[0] + 1j * parts[1]).astype(np.complex64))


class Forgetful(OneRealisation):
    def call(self, batch_size, num_realisations, seed):
        return super().call(
            batch_size, num_realisations, tf.constant(np.random.default_rng().integers(0, 2**30, 2), tf.int32)
        )


class Drifting(OneRealisation):
    """Another matrix for the same seed in the graph alone: what NumPy draws there is frozen."""

    def call(self, batch_size, num_realisations, seed):
        if tf.executing_eagerly():
            return super().call(batch_size, num_realisations, seed)
        return super().call(batch_size, num_realisations, seed * 0 + 7)


class Double(OneRealisation):
    def call(self, batch_size, num_realisations, seed):
        return tf.cast(super().call(batch_size, num_realisations, seed), tf.complex128)


class NoModel:
    def __init__(self, num_rx_ant, num_tx_ant):
        pass


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ThreeDecibels", ["E|h|² = ", "1 within 5 %", "+3.", "link.normalize_channel = true"]),
        ("Enormous", ["E|h|² = ", "e+76", "normalize_channel"]),
        ("Nothing", ["E|h|² = 0", "1 within 5 %"]),
        ("NotANumber", ["not finite"]),
        ("OfNumPy", ["drew ndarray", "complex64 tensor", "tf.random.stateless"]),
        ("EagerOnly", ["cannot be drawn", "tf.function"]),
        ("Forgetful", ["other matrices for the same seed", "tf.random.stateless"]),
        ("Drifting", ["other matrices for the same seed"]),
        ("Double", ["drew complex128", "complex64"]),
        ("NoModel", ["not a channel model", "ChannelModel"]),
    ],
)
def test_a_model_that_breaks_its_contract_is_refused_when_the_link_is_built(name, words):
    with pytest.raises(UserError) as caught:
        DigitalLink(settings(channel=f"tests.phy.test_channels:{name}"), 64)
    assert f"channel = 'tests.phy.test_channels:{name}'" in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ThreeDecibels", "Enormous"])
def test_a_normalised_channel_keeps_its_fading(name):
    """Scaled by one number: the energy of a realisation varies as before, and the measured mean stays on record."""
    plain = channels.make_channel(settings(channel="tests.phy.test_channels:OneRealisation"))
    scaled = channels.make_channel(settings(channel=f"tests.phy.test_channels:{name}", normalize_channel=True))
    h, reference = scaled(4000, 1, seed(8)).numpy(), plain(4000, 1, seed(8)).numpy()
    np.testing.assert_allclose(h, reference / np.sqrt(plain.mean_energy), rtol=1e-5, atol=1e-6)
    energy = np.mean(np.abs(h) ** 2, axis=(1, 2, 3))
    assert abs(energy.mean() - 1) < 0.03
    assert 0.15 < energy.std() < 0.21  # 32 independent entries: 0.177
    gain = {"ThreeDecibels": 2.0, "Enormous": 1e76}[name]
    assert scaled.mean_energy == pytest.approx(gain, rel=0.05)


@pytest.mark.parametrize("antennas", [(1, 1), (2, 2), (4, 8), (16, 4)])
@pytest.mark.parametrize("name", ["rayleigh", "awgn"])
def test_built_in_models_are_what_they_say(name, antennas):
    s = settings(channel=name, num_rx_ant=antennas[0], num_tx_ant=antennas[1], num_streams=1)
    link = DigitalLink(s, 64)
    expected = 1.0 if name == "rayleigh" else 1 / max(antennas)
    assert link.mimo.mean_energy == pytest.approx(expected, rel=0.03)


class TooMuchPower(SvdPrecoder):
    def call(self, h):
        return 1.1 * super().call(h)


class PowerOnSome(SvdPrecoder):
    """Right on average only."""

    def call(self, h):
        p = super().call(h)
        return p * tf.cast(tf.abs(h[..., :1, :1]), p.dtype)


class WrongStreams(SvdPrecoder):
    def call(self, h):
        return super().call(h)[..., :1]


class PrecoderOfNumPy(SvdPrecoder):
    def call(self, h):
        return np.eye(8, 4)[None, None].astype(np.complex64) / 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TooMuchPower", ["trace(P^H P) = 1.21", "1 is wanted"]),
        ("PowerOnSome", ["trace(P^H P) = ", "1 is wanted"]),
        ("WrongStreams", ["complex64 [8, 2, 8, 1]", "[8, 2, 8, 4] is wanted"]),
        ("PrecoderOfNumPy", ["ndarray", "[8, 2, 8, 4] is wanted"]),
    ],
)
def test_a_precoder_that_breaks_its_contract_is_refused_when_the_link_is_built(name, words):
    with pytest.raises(UserError) as caught:
        DigitalLink(settings(precoder=f"tests.phy.test_channels:{name}"), 64)
    assert f"precoder = 'tests.phy.test_channels:{name}'" in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)
