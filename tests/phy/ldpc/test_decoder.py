"""The layered decoder: exact on small cases, independent of batch and threads, at least as good as Sionna's."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder

from sc_sionna.core.errors import UserError
from sc_sionna.phy.ldpc import simd
from sc_sionna.phy.ldpc.decoder import LayeredLDPCDecoder, ldpc_encoder

FEW = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@functools.cache
def encoder_of(k: int, n: int, num_bits_per_symbol: int | None = None) -> LDPC5GEncoder:
    return ldpc_encoder(k, n, num_bits_per_symbol)


def draw(encoder: LDPC5GEncoder, ebno_db: float, blocks: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Information bits and BPSK logits over AWGN."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (blocks, encoder.k)).astype(np.float32)
    variance = 1 / (2 * encoder.coderate * 10 ** (ebno_db / 10))
    received = 2 * encoder(bits).numpy() - 1 + rng.standard_normal((blocks, encoder.n)) * np.sqrt(variance)
    return bits, (2 * received / variance).astype(np.float32)


def checks_and_order(encoder: LDPC5GEncoder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dense checks among punctured and sent variables, their columns, and the column of each sent position.

    Written from TS 38.212 for codes whose sent bits reach past the core parity: a check counts if all its variables do.
    """
    filler = encoder.k_ldpc - encoder.k
    num_column = encoder.n + 2 * encoder.z + filler
    pcm = encoder.pcm.toarray().astype(int)
    pcm = pcm[~pcm[:, num_column:].any(axis=1), :num_column]
    columns = np.r_[0 : encoder.k, encoder.k_ldpc : num_column]
    sent = columns[2 * encoder.z :]
    return pcm, columns, sent if encoder.num_bits_per_symbol is None else sent[encoder.out_int]


def reference_layered(encoder: LDPC5GEncoder, logits: np.ndarray, num_iter: int) -> np.ndarray:
    """The decoder of one frame in plain Python integers; the posteriors in units of all columns."""
    pcm, columns, order = checks_and_order(encoder)
    post = np.zeros(pcm.shape[1], int)
    scaled = -simd.SCALE * logits.astype(float)
    limit = simd.CHANNEL_MAX
    post[order] = np.clip(np.trunc(scaled + np.copysign(0.5, scaled)), -limit, limit)
    keep = np.zeros(pcm.shape[1], bool)
    keep[columns] = True
    checks = [np.flatnonzero(row & keep) for row in pcm]
    message = [np.zeros(len(check), int) for check in checks]
    for _ in range(num_iter):
        for check, old in zip(checks, message, strict=True):
            q = np.clip(post[check] - old, -128, 127)
            for i in range(len(check)):
                magnitude = np.minimum(np.abs(q), simd.MSG_MAX)
                least, second = (
                    np.sort(np.r_[magnitude, simd.MSG_MAX])[:2] if len(check) == 1 else np.sort(magnitude)[:2]
                )
                if abs(q[i]) <= least:
                    size = max(0, second - simd.offset(len(check)))
                else:
                    size = max(0, least - simd.offset(len(check)) - max(0, 1 - (second - least) // 2))
                negative = np.sum(np.delete(q, i) < 0) % 2
                old[i] = -size if negative else size
            post[check] = np.clip(q + old, -128, 127)
    return post


@pytest.mark.parametrize(("k", "n", "qam"), [(24, 60, None), (40, 96, 4), (30, 120, 2)])
def test_equals_plain_integer_reference(k, n, qam):
    encoder = encoder_of(k, n, qam)
    _, llr = draw(encoder, 1.0, 3)
    llr[0] *= 8  # into saturation
    for num_iter in (1, 2, 5):
        decoder = LayeredLDPCDecoder(encoder, num_iter=num_iter, early_stop=False)
        result = decoder.decode(llr, soft=True)
        for frame in range(len(llr)):
            post = reference_layered(encoder, llr[frame], num_iter)
            np.testing.assert_array_equal(result.soft[frame] * -simd.SCALE, post[:k])
            np.testing.assert_array_equal(result.bits[frame], post[:k] < 0)


@FEW
@given(
    k=st.integers(12, 1500), rate=st.floats(0.21, 0.92), batch=st.integers(1, 70), qam=st.sampled_from([None, 2, 4, 6]),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_noiseless_is_exact_for_any_code(k, rate, batch, qam, seed):
    n = int(k / rate)
    n -= n % (qam or 1)
    if k / n > 0.925:
        return
    encoder = ldpc_encoder(k, n, qam)
    bits = np.random.default_rng(seed).integers(0, 2, (batch, k)).astype(np.float32)
    sent = encoder(bits).numpy()
    result = LayeredLDPCDecoder(encoder).decode(8 * sent - 4, soft=True)
    np.testing.assert_array_equal(result.bits, bits)
    np.testing.assert_array_equal(result.soft > 0, bits)
    assert result.parity_ok.all()
    assert result.iterations.max() <= 6
    np.testing.assert_array_equal(LayeredLDPCDecoder(encoder, return_infobits=False)(8 * sent - 4), sent)


@FEW
@given(
    k=st.integers(12, 400), rate=st.floats(0.22, 0.9), batch=st.integers(1, 150), ebno_db=st.floats(-1, 6),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_frame_depends_on_itself_alone(k, rate, batch, ebno_db, seed):
    encoder = ldpc_encoder(k, int(k / rate))
    _, llr = draw(encoder, ebno_db, batch, seed)
    one, two = (LayeredLDPCDecoder(encoder, num_iter=12, num_threads=t) for t in (1, 2))
    whole = one.decode(llr, soft=True)
    order = np.random.default_rng(seed).permutation(batch)
    for other, frames in ((two.decode(llr, soft=True), slice(None)), (two.decode(llr[order], soft=True), order)):
        np.testing.assert_array_equal(other.soft, whole.soft[frames])
        np.testing.assert_array_equal(other.bits, whole.bits[frames])
        np.testing.assert_array_equal(other.parity_ok, whole.parity_ok[frames])
        np.testing.assert_array_equal(other.iterations, whole.iterations[frames])
    for frame in order[:4]:
        alone = two.decode(llr[frame], soft=True)
        np.testing.assert_array_equal(alone.soft, whole.soft[frame])
        assert alone.iterations == whole.iterations[frame]
    # the sign of the soft output is the hard output; 0 counts as bit 0
    np.testing.assert_array_equal(whole.soft > 0, whole.bits)


@pytest.mark.parametrize(("k", "n", "qam"), [(64, 128, None), (100, 204, 4), (96, 400, 2), (520, 780, 6)])
def test_verdict_is_true_if_and_only_if_the_parity_checks_hold(k, n, qam):
    encoder = encoder_of(k, n, qam)
    pcm, _, order = checks_and_order(encoder)
    _, llr = draw(encoder, 2.0 if n < 3 * k else 0.5, 300)
    result = LayeredLDPCDecoder(encoder, num_iter=8).decode(llr)
    sent = LayeredLDPCDecoder(encoder, num_iter=8, return_infobits=False).decode(llr).bits
    word = np.zeros((len(llr), pcm.shape[1]), int)
    word[:, order] = sent
    word[:, : encoder.k] = result.bits
    holds = ~np.any(word @ pcm.T % 2, axis=1)
    np.testing.assert_array_equal(result.parity_ok, holds)
    assert 10 < holds.sum() < 290  # the point tells the two apart
    systematic = order < encoder.k
    np.testing.assert_array_equal(sent[:, systematic], result.bits[:, order[systematic]])


def test_frame_is_frozen_where_its_checks_first_hold():
    encoder = encoder_of(64, 128)
    _, llr = draw(encoder, 2.0, 200)
    whole = LayeredLDPCDecoder(encoder, num_iter=20).decode(llr, soft=True)
    for stop in range(1, 20):
        part = LayeredLDPCDecoder(encoder, num_iter=stop).decode(llr, soft=True)
        np.testing.assert_array_equal(part.parity_ok, whole.parity_ok & (whole.iterations <= stop))
        np.testing.assert_array_equal(part.soft[part.parity_ok], whole.soft[part.parity_ok])
    assert len(set(whole.iterations)) > 5


@pytest.mark.parametrize("size", [2.0, 8.0, 8.25, 1e3, 3e38])
def test_any_single_wrong_bit_is_corrected_at_any_confidence(size):
    """Saturated channel values must not outweigh what a check can say, or a wrong parity bit never yields."""
    encoder = encoder_of(100, 200)
    bits = np.random.default_rng(0).integers(0, 2, (1, 100)).astype(np.float32)
    llr = np.repeat((2 * encoder(bits).numpy() - 1) * np.float32(size), 200, axis=0)
    llr[np.arange(200), np.arange(200)] *= -1
    result = LayeredLDPCDecoder(encoder).decode(llr)
    assert result.parity_ok.all()
    np.testing.assert_array_equal(result.bits, np.repeat(bits, 200, axis=0))


def test_not_worse_than_sionna():
    encoder = encoder_of(64, 128)
    reference = tf.function(LDPC5GDecoder(encoder, num_iter=20))
    bits, llr = draw(encoder, 2.0, 3000)
    ours = np.any(LayeredLDPCDecoder(encoder)(llr).numpy() != bits, axis=1)
    theirs = np.any(reference(tf.constant(llr)).numpy() != bits, axis=1)
    discordant = np.sum(ours != theirs)
    assert theirs.sum() > 200
    assert ours.sum() - theirs.sum() < 4 * np.sqrt(discordant)
    assert theirs.sum() - ours.sum() < 4 * np.sqrt(discordant) + 0.3 * theirs.sum()  # far better would be a leak


def test_drops_into_a_tf_function():
    encoder = encoder_of(100, 204, 4)
    bits, llr = draw(encoder, 6.0, 12)
    llr, bits = llr.reshape(3, 4, 204), bits.reshape(3, 4, 100)
    reference = LDPC5GDecoder(encoder)
    decoder = LayeredLDPCDecoder(encoder)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 204], tf.float32)])
    def graph(x):
        y = decoder(x)
        traces.append(y.shape.as_list())
        return y

    for part in (llr, llr[:1]):
        out = graph(tf.constant(part))
        assert out.dtype == reference(tf.constant(part)).dtype
        np.testing.assert_array_equal(out, reference(tf.constant(part)))
        np.testing.assert_array_equal(out, decoder(tf.constant(part)))
    assert traces == [[None, 4, 100]]
    np.testing.assert_array_equal(decoder(llr), bits)
    soft = LayeredLDPCDecoder(encoder, hard_out=False)(llr).numpy()
    np.testing.assert_array_equal(soft > 0, bits)
    full = LayeredLDPCDecoder(encoder, hard_out=False, return_infobits=False)(llr)
    np.testing.assert_array_equal(full.numpy() > 0, encoder(bits).numpy())
    assert LayeredLDPCDecoder(encoder, precision="double")(llr).dtype == tf.float64
    strided = np.asfortranarray(llr.reshape(12, 204))[::2]
    np.testing.assert_array_equal(decoder.decode(strided).bits, bits.reshape(12, 100)[::2])


def test_two_callers_at_once():
    encoder = encoder_of(256, 512)
    decoder = LayeredLDPCDecoder(encoder, num_threads=2)
    frames = [draw(encoder, 1.5, 200, seed)[1] for seed in range(4)]
    alone = [decoder.decode(llr).bits for llr in frames]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for got, want in zip(pool.map(lambda llr: decoder.decode(llr).bits, frames), alone, strict=True):
                np.testing.assert_array_equal(got, want)


def test_empty_batch_gives_an_empty_result():
    decoder = LayeredLDPCDecoder(encoder_of(64, 128))
    result = decoder.decode(np.zeros((0, 3, 128), np.float32), soft=True)
    assert result.bits.shape == result.soft.shape == (0, 3, 64)
    assert result.parity_ok.shape == result.iterations.shape == (0, 3)
    assert decoder(tf.zeros([0, 128])).shape == (0, 64)
    assert tf.function(decoder)(tf.zeros([0, 128])).shape == (0, 64)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_names_the_first_non_finite_value(bad):
    decoder = LayeredLDPCDecoder(encoder_of(64, 128))
    llr = np.ones((100, 128), np.float32)
    llr[77, 5] = bad
    with pytest.raises(UserError, match=r"llr\[77, 5\] = -?(nan|inf)") as error:
        decoder.decode(llr)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="finite"):
        decoder(tf.constant(llr))
    with pytest.raises(Exception, match="finite"):
        tf.function(decoder)(tf.constant(llr))
    assert decoder.decode(-np.ones((100, 128))).parity_ok.all()  # the decoder is usable after an error


@pytest.mark.parametrize("shape", [(127,), (4, 129), (128, 4), ()])
def test_wrong_length_is_named(shape):
    decoder = LayeredLDPCDecoder(encoder_of(64, 128))
    with pytest.raises(UserError, match="n = 128"):
        decoder.decode(np.ones(shape, np.float32))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ldpc_encoder(11, 30), "k = 11"),
        (lambda: ldpc_encoder(8449, 20000), "k = 8449"),
        (lambda: ldpc_encoder(100, 101), "n = 101"),
        (lambda: ldpc_encoder(100, 501), "n = 501"),
        (lambda: ldpc_encoder(100, 0), "n = 0"),
        (lambda: ldpc_encoder(100, 202, 4), "num_bits_per_symbol = 4"),
        (lambda: LayeredLDPCDecoder(encoder_of(64, 128), num_iter=0), "num_iter = 0"),
        (lambda: LayeredLDPCDecoder(encoder_of(64, 128), num_threads=0), "num_threads = 0"),
        (lambda: LayeredLDPCDecoder("encoder"), "encoder = 'encoder'"),
    ],
)
def test_settings_outside_the_standard_are_named(make, says):
    with pytest.raises(UserError, match=says) as error:
        make()
    assert "\n" not in str(error.value)


def test_memory_does_not_grow_over_1000_calls():
    encoder = encoder_of(256, 512)
    decoder = LayeredLDPCDecoder(encoder, num_threads=2)
    graph = tf.function(decoder)
    llr = tf.constant(draw(encoder, 3.0, 96)[1])

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(100):
        graph(llr)
        decoder(llr)
    before = resident()
    for _ in range(500):
        graph(llr)
        decoder(llr)
    assert resident() - before < 8e6  # one leaked output per call would be 98 MB


@pytest.mark.slow
def test_works_without_a_writable_cache(tmp_path):
    """Numba's only allowed cache folder lies below a file, so it can be neither made nor written."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    program = (
        "import numpy as np\n"
        "from sc_sionna.core.startup import start_backend; start_backend()\n"
        "from sc_sionna.phy.ldpc.decoder import LayeredLDPCDecoder, ldpc_encoder\n"
        "from sc_sionna.phy.ldpc.kernels import decode_frames_kernel\n"
        "e = ldpc_encoder(64, 128)\n"
        "assert LayeredLDPCDecoder(e).decode(8 * e(np.ones((2, 64), np.float32)).numpy() - 4).bits.all()\n"
        "print(type(decode_frames_kernel()._cache).__name__)\n"
    )
    environment = {
        **os.environ, "NUMBA_CACHE_DIR": str(blocked / "cache"), "NUMBA_CACHE_LOCATOR_CLASSES": "_UserProvidedCacheLocator",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["NullCache"]


@pytest.mark.parametrize(("k", "n", "qam"), [(100, 200, None), (784, 1568, 4), (12, 60, 2), (1000, 1100, None)])
def test_an_erased_frame_is_no_codeword(k, n, qam):
    """The all-zero word satisfies every check: a decoder that sees nothing must not take it for what was sent."""
    encoder = encoder_of(k, n, qam)
    below_a_unit = np.random.default_rng(0).uniform(-0.12, 0.12, (40, n))  # quantised to 0
    one_end = np.zeros((1, n))
    one_end[0, : n // 4] = -8.0  # a quarter of the all-zero word; the rest is lost
    llr = np.concatenate([np.zeros((3, n)), below_a_unit, one_end]).astype(np.float32)
    for early_stop in (True, False):
        result = LayeredLDPCDecoder(encoder, num_iter=5, early_stop=early_stop).decode(llr)
        assert not result.parity_ok.any()
        assert not result.decided.any()
    sent = LayeredLDPCDecoder(encoder).decode(np.full((1, n), -4.0, np.float32))
    assert sent.parity_ok.all()
    assert sent.decided.all()
    assert not sent.bits.any()


def test_erasures_that_the_checks_fill_in_are_decided():
    encoder = encoder_of(100, 200)
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 2, (200, 100)).astype(np.float32)
    llr = 8 * encoder(bits).numpy() - 4
    for row in llr:
        row[rng.choice(200, 20, replace=False)] = 0.0
    result = LayeredLDPCDecoder(encoder).decode(llr)
    np.testing.assert_array_equal(result.bits, bits)
    assert result.parity_ok.all()
    assert result.decided.all()
    result = LayeredLDPCDecoder(encoder).decode(np.where(rng.random(llr.shape) < 0.8, 0.0, llr))
    assert not (result.parity_ok & (result.bits != bits).any(axis=1)).any()  # 40 of 200 bits name no word of 100
    assert not result.parity_ok.any()


def test_the_compiled_loop_is_found_again_by_the_next_process(tmp_path):
    """And compiled anew where the vector instructions, which are compiled into it, have changed."""
    program = (
        "import zlib\n"
        "from sc_sionna.phy.ldpc import kernels\n"
        "changed = {changed}\n"
        "if changed:\n"
        "    kernels.zlib = type('edited', (), {{'crc32': staticmethod(lambda data: zlib.crc32(data) ^ 1)}})\n"
        "print(len(kernels.decode_frames_kernel().stats.cache_hits))\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    hits = [
        subprocess.run(
            [sys.executable, "-c", program.format(changed=changed)],
            env=environment, capture_output=True, text=True, check=True, timeout=240,
        ).stdout.strip()
        for changed in (False, False, True)
    ]  # fmt: skip
    assert hits == ["0", "1", "0"]
