"""The links end to end: what a user may rely on."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.phy.analog_link import AnalogLink
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.snr import noise_variance
from tests.phy.helpers import random_bits, seed, settings


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precoder": "dft", "coherence": "symbol"},
        {"modulation": "qpsk", "num_streams": 1, "coherence": 7},
        {"modulation": "64qam", "num_streams": 2, "coderate": 0.75, "crc": "CRC16"},
        {"coded": False},
        {"coded": False, "crc": "CRC11", "coherence": "symbol"},
        {"decoder": "sionna", "crc": "CRC24A", "max_block_bits": 200},
        {"channel": "awgn", "demapping": "maxlog"},
    ],
)
def test_without_noise_every_bit_arrives(changes):
    link = DigitalLink(settings(**changes), 500)
    bits = random_bits(6, 500)
    out = link(bits, 60.0, seed(1))
    np.testing.assert_array_equal(out.bits, bits)
    f = link.framing
    assert out.bits.dtype == np.int32
    assert out.block_bits.shape == (6, f.num_blocks, f.block_payload_bits)
    np.testing.assert_array_equal(f.to_payload(out.block_bits), bits)
    assert out.llr.shape == (6 * f.num_blocks, f.n)
    assert out.x_hat.shape == out.no_eff.shape == (6 * f.num_blocks, f.uses_per_block, link.settings.num_streams)
    assert (out.crc_ok is None) == (link.settings.crc == "none")
    if out.crc_ok is not None:
        assert out.crc_ok.shape == (6, f.num_blocks)
        assert out.crc_ok.all()


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32, bool])
def test_bits_of_any_type(dtype):
    link = DigitalLink(settings(), 100)
    bits = random_bits(2, 100)
    np.testing.assert_array_equal(link(bits.astype(dtype), 40.0, seed(1)).bits, bits)
    np.testing.assert_array_equal(link(tf.constant(bits.astype(dtype)), 40.0, tf.constant(seed(1))).bits, bits)


def test_block_error_rate_where_it_was_measured_with_plain_sionna():
    """svd, k = 256, one H per image: 0.89 at 3 dB and 0.05 at 6 dB, each known to half a unit of its last digit."""
    link = DigitalLink(settings(), 256)
    for snr_db, reference in ((3.0, 0.89), (6.0, 0.05)):
        bits = random_bits(2048, 256, seed=int(snr_db))
        rate = np.mean((link(bits, snr_db, seed(11, int(snr_db))).bits != bits).any(axis=1))
        assert abs(rate - reference) < 0.005 + 4 * np.sqrt(reference * (1 - reference) / 2048)


def test_same_seed_same_result_other_seed_other_result():
    link = DigitalLink(settings(), 256)
    bits = random_bits(64, 256)
    first, second, other = (link(bits, 4.0, s) for s in (seed(1, 2), seed(1, 2), seed(1, 3)))
    np.testing.assert_array_equal(first.bits, second.bits)
    np.testing.assert_array_equal(first.llr, second.llr)
    assert not np.array_equal(first.llr, other.llr)
    assert not np.array_equal(first.h, other.h)


@pytest.mark.parametrize("coherence", ["image", "symbol", 5])
def test_systems_of_different_length_share_fading_and_noise(coherence):
    short, long = (DigitalLink(settings(coherence=coherence), payload) for payload in (200, 900))
    words, no = tf.constant(seed(9)), tf.constant([0.5, 0.5, 2.0])
    a, b = short.mimo.noise(3, no, words).numpy(), long.mimo.noise(3, no, words).numpy()
    np.testing.assert_array_equal(a, b[: len(a)])
    h_a, h_b = (link(random_bits(3, link.framing.payload_bits), 5.0, words).h.numpy() for link in (short, long))
    np.testing.assert_array_equal(h_a, h_b[:, : h_a.shape[1]])


def test_noise_is_circular_with_the_set_variance():
    mimo = DigitalLink(settings(), 2000).mimo
    no = np.repeat(noise_variance([-3.0, 12.0]), 500)
    noise = mimo.noise(1000, tf.constant(no), tf.constant(seed(3))).numpy().astype(np.complex128)
    normal = (noise / np.sqrt(no)[None, :, None]).reshape(-1)
    n = normal.size
    assert abs(np.mean(np.abs(normal) ** 2) - 1) * np.sqrt(n) < 4
    assert abs(np.mean(normal.real**2) - 0.5) * np.sqrt(2 * n) < 4
    assert abs(np.mean(normal**2)) * np.sqrt(n / 2) < 5


@pytest.mark.parametrize(("coherence", "uses"), [("image", 96), ("symbol", 1), (10, 10)])
def test_coherence_is_as_long_as_set(coherence, uses):
    """Every channel use is equalised with the matrix of its own realisation, counted over the whole image."""
    link = DigitalLink(settings(coherence=coherence, max_block_bits=256, num_streams=2), 384)
    f = link.framing
    assert (f.num_blocks, f.num_channel_uses) == (2, 96)
    out = link(random_bits(5, 384), 10.0, seed(2))
    assert out.h.shape[1] == -(-96 // uses)
    no_eff = out.no_eff.numpy().reshape(5, 96, 2)
    h = out.h.numpy().astype(np.complex128)[:, np.arange(96) // uses]
    sigma = np.linalg.svd(h, compute_uv=False)[..., :2]  # svd precoding: parallel channels of power σ²/S
    np.testing.assert_allclose(no_eff, 0.1 / (sigma**2 / 2), rtol=1e-3)


def test_images_may_send_fewer_blocks():
    link = DigitalLink(settings(crc="CRC24A", max_block_bits=300, coherence=16), 1000)
    total = link.framing.num_blocks
    bits = random_bits(4, 1000)
    counts = np.array([total, 0, 1, 2])
    sent = np.arange(total) < counts[:, None]
    full, part = link(bits, 5.0, seed(3)), link(bits, 5.0, seed(3), num_blocks=counts)
    assert part.llr.shape[0] == sent.sum()
    np.testing.assert_array_equal(part.crc_ok, full.crc_ok & sent)
    np.testing.assert_array_equal(part.block_bits, full.block_bits * sent[..., None])
    # what a block meets does not depend on what else is sent
    llr = full.llr.numpy().reshape(4, total, -1)
    np.testing.assert_allclose(part.llr, llr[sent], rtol=1e-4, atol=1e-4)
    alone = link(bits, 5.0, seed(3), num_blocks=[0, 0, 1, 0])
    np.testing.assert_allclose(alone.llr, llr[2, :1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("decoder", ["layered", "sionna"])
def test_no_block_at_all(decoder):
    link = DigitalLink(settings(crc="CRC24A", decoder=decoder), 100)
    out = link(random_bits(2, 100), 5.0, seed(3), num_blocks=[0, 0])
    assert out.llr.shape == (0, link.framing.n)
    assert not out.bits.any()
    assert not out.crc_ok.any()


def test_every_image_has_its_own_snr():
    link = DigitalLink(settings(), 256)
    bits = random_bits(40, 256)
    out = link(bits, np.where(np.arange(40) < 20, 30.0, -9.0), seed(5))
    wrong = (out.bits != bits).any(axis=1)
    assert not wrong[:20].any()
    assert wrong[20:].all()


def test_interference_enters_at_the_receive_antennas_unknown_to_the_receiver():
    link = DigitalLink(settings(crc="CRC16", max_block_bits=150), 256)
    bits = random_bits(3, 256)
    clean = link(bits, 20.0, seed(6))
    uses = link.framing.num_channel_uses
    rng = np.random.default_rng(0)
    wave = (rng.standard_normal((uses, 4)) + 1j * rng.standard_normal((uses, 4))).astype(np.complex64)
    hit = link(bits, 20.0, seed(6), interference=0.1 * wave)
    np.testing.assert_array_equal(hit.no_eff, clean.no_eff)
    # svd: W = diag(√S/σ) U^H up to LMMSE's unbiasing, which makes it exactly the inverse of G
    g = (clean.h[:, 0] @ link.mimo.precoder(clean.h)[:, 0]).numpy()
    moved = np.einsum("bsr,ur->bus", np.linalg.inv(g), 0.1 * wave)
    difference = (hit.x_hat - clean.x_hat).numpy().reshape(3, uses, 4)
    np.testing.assert_allclose(difference, moved, rtol=1e-2, atol=1e-3)
    jammed = link(bits, 20.0, seed(6), interference=100 * wave[None])
    assert not jammed.crc_ok.any()


@pytest.mark.parametrize("precoder", ["svd", "dft"])
@pytest.mark.parametrize("snr_db", [-30.0, 0.0, 30.0, 60.0, 100.0])
def test_eight_streams_on_four_antennas_stay_finite_and_fail(precoder, snr_db):
    link = DigitalLink(settings(num_streams=8, beyond_rank=True, precoder=precoder), 256)
    bits = random_bits(20, 256)
    out = link(bits, snr_db, seed(7))
    for tensor in (out.x_hat, out.no_eff, out.llr):
        assert np.isfinite(tensor.numpy()).all()
    assert (out.no_eff.numpy() > 0).all()
    assert (out.bits != bits).any(axis=1).all()  # the floor: half of the streams carry nothing


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda link, b: link(b, np.nan, seed(1)), ["snr_db = nan", "finite"]),
        (lambda link, b: link(b, [1.0, 2.0, 3.0], seed(1)), ["snr_db of shape (3,)", "[2]"]),
        (lambda link, b: link(b[:, :50], 1.0, seed(1)), ["bits of shape (2, 50)", "[batch, 100]"]),
        (lambda link, b: link(b[:0], 1.0, seed(1)), ["bits of shape (0, 100)", "empty"]),
        (lambda link, b: link(b + 1, 1.0, seed(1)), ["bits = 2", "0 or 1"]),
        (lambda link, b: link(b, 1.0, seed(1), num_blocks=[1, 2]), ["num_blocks", "0 to 1"]),
        (lambda link, b: link(b, 1.0, seed(1), num_blocks=[1]), ["num_blocks", "per image"]),
    ],
)
def test_bad_input_is_one_clear_line(call, words):
    with pytest.raises(UserError) as error:
        call(DigitalLink(settings(), 100), random_bits(2, 100))
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


def test_a_typo_in_a_keyword_is_an_error():
    link = DigitalLink(settings(), 100)
    with pytest.raises(TypeError, match="interferense"):
        link(random_bits(2, 100), 1.0, seed(1), interferense=None)
    with pytest.raises(TypeError):
        DigitalLink(settings(), 100, percision="double")


def symbols(batch: int, uses: int, streams: int) -> tf.Tensor:
    z = np.random.default_rng(2).standard_normal((batch, uses, streams, 2)) / np.sqrt(2)
    return tf.constant(z[..., 0] + 1j * z[..., 1], tf.complex64)


@pytest.mark.parametrize("coherence", ["image", "symbol", 4])
def test_analog_error_has_the_reported_variance(coherence):
    link = AnalogLink(settings(coherence=coherence, precoder="dft"), 12)
    x = symbols(1500, 12, 4)
    x_hat, no_eff = link(x, 8.0, seed(4))
    per_image = (np.abs((x_hat - x).numpy()) ** 2 / no_eff.numpy()).mean(axis=(1, 2))
    assert abs(per_image.mean() - 1) / (per_image.std() / np.sqrt(1500)) < 4


def test_analog_and_digital_see_the_same_channel():
    s = settings(coded=False, coherence=3)
    digital, analog = DigitalLink(s, 160), AnalogLink(s, 10)
    bits = random_bits(5, 160)
    out = digital(bits, 7.0, seed(8))
    x_hat, no_eff = analog(digital.transmitter(bits), 7.0, seed(8))
    np.testing.assert_allclose(x_hat, out.x_hat, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(no_eff, out.no_eff, rtol=1e-5)


def test_analog_gradient_is_the_derivative():
    """x_hat = A x + noise is linear, so a finite difference of any width is the derivative."""
    link = AnalogLink(settings(coherence=2), 6)
    x, direction = symbols(3, 6, 4), symbols(3, 6, 4) * (0.3 - 0.8j)
    target = tf.constant(np.random.default_rng(5).standard_normal((3, 6, 4)), tf.float32)

    @tf.function
    def loss(x, snr_db):
        x_hat, _ = link(x, snr_db, tf.constant(seed(5)))
        return tf.reduce_sum(target * tf.math.real(x_hat) + tf.math.imag(x_hat))

    snr_db = tf.constant(6.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x, snr_db)
    gradient = tape.gradient(value, x)
    slope = np.sum((np.conj(gradient) * direction.numpy()).real)
    assert float(loss(x + direction, snr_db) - value) == pytest.approx(slope, rel=1e-3)


def test_analog_wrong_shape():
    with pytest.raises(UserError, match=r"\[batch, 6, 4\]"):
        AnalogLink(settings(), 6)(symbols(2, 6, 3), 5.0, seed(1))
    with pytest.raises(UserError, match="num_channel_uses = 0"):
        AnalogLink(settings(), 0)


def resident_pages() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_memory_does_not_grow_over_a_thousand_batches():
    """New bits, SNR, seed and number of sent blocks each time: nothing may be traced again or kept."""
    link = DigitalLink(settings(crc="CRC16", max_block_bits=96), 256)
    rng = np.random.default_rng(0)

    def batch(i: int) -> None:
        counts = rng.integers(0, link.framing.num_blocks + 1, 16)
        link(rng.integers(0, 2, (16, 256)), float(rng.uniform(0, 10)), seed(i), num_blocks=counts)

    for i in range(100):
        batch(i)
    before, traces = resident_pages(), link.mimo._graph.experimental_get_tracing_count()
    for i in range(1000):
        batch(i)
    assert link.mimo._graph.experimental_get_tracing_count() == traces == 1
    assert resident_pages() < 1.05 * before


@pytest.mark.parametrize("payload", [np.zeros((32, 200), int), None])
def test_nothing_arrives_at_minus_40_db(payload):
    """Not even zeros, which are what the decoder and the CRC take for granted."""
    bits = random_bits(32, 200) if payload is None else payload
    out = DigitalLink(settings(crc="CRC24A"), 200)(bits, -40.0, seed(1))
    assert not out.crc_ok.any()
    assert out.erased.mean() > 0.9


def test_blocks_that_were_not_sent_are_not_erased():
    out = DigitalLink(settings(crc="CRC24A", max_block_bits=124), 200)(
        random_bits(3, 200), -60.0, seed(1), num_blocks=[0, 1, 2]
    )
    np.testing.assert_array_equal(out.erased, [[False, False], [True, False], [True, True]])


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"seed": 1}, ["seed = 1", "two 32-bit integers", "rng.seed_words"]),
        ({"seed": np.array([1.5, 2.0])}, ["seed = ", "two 32-bit integers"]),
        ({"seed": np.array([1, 2, 3])}, ["seed = ", "two 32-bit integers"]),
        ({"interference": np.ones((2, 3, 4), np.complex64)}, ["interference", "(2, 3, 4)", "[2, 13, 4]"]),
        ({"interference": np.full((1, 1, 4), np.nan, np.complex64)}, ["interference", "not finite"]),
        ({"interference": np.array(["a"])}, ["interference", "complex numbers"]),
    ],
)
def test_inputs_that_cannot_be_used_are_one_line(inputs, words):
    x = np.full((2, 13, 4), 1.0, np.complex64)
    for link, sent in ((DigitalLink(settings(), 100), random_bits(2, 100)), (AnalogLink(settings(), 13), x)):
        with pytest.raises(UserError) as caught:
            link(sent, 10.0, **({"seed": seed(1)} | inputs))
        assert all(word in str(caught.value) for word in words)
        assert "\n" not in str(caught.value)


def test_interference_that_broadcasts_is_added_to_every_use():
    link, bits = DigitalLink(settings(), 100), random_bits(2, 100)
    wide = np.ones((2, 13, 4), np.complex64)
    one = link(bits, 3.0, seed(1), interference=np.ones((1, 1, 1)))
    np.testing.assert_array_equal(one.llr, link(bits, 3.0, seed(1), interference=wide).llr)
    assert (one.llr.numpy() != link(bits, 3.0, seed(1)).llr.numpy()).any()


def test_the_link_does_not_depend_on_sionnas_precision():
    from sionna.phy import config

    def outputs():
        out = DigitalLink(settings(crc="CRC24A"), 100)(random_bits(4, 100), 6.0, seed(3))
        x_hat, _ = AnalogLink(settings(precoder="dft"), 5)(np.ones((4, 5, 4), np.complex64), 6.0, seed(3))
        return out.bits, out.crc_ok, np.asarray(out.llr), np.asarray(x_hat)

    single = outputs()
    config.precision = "double"
    try:
        double = outputs()
    finally:
        config.precision = "single"
    for a, b in zip(single, double, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
