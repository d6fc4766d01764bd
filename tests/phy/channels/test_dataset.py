"""Channels from a file: which rows are used, impulse responses against single paths, and files that cannot be."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.phy.channels import make_channel
from sc_sionna.phy.channels.dataset import read_arrays
from sc_sionna.phy.link import DigitalLink
from sc_sionna.settings import LinkSettings
from tests.phy.channels.helpers import check_repeatable, check_sweep
from tests.phy.helpers import random_bits, seed

ROWS = 400


def normal(*shape: int) -> np.ndarray:
    parts = np.random.default_rng(1).standard_normal((2, *shape)) * 0.5**0.5
    return parts[0] + 1j * parts[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """data/channels of a working folder, empty."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data" / "channels"
    path.mkdir(parents=True)
    return path


def save(folder: Path, **arrays: Any) -> dict[str, str]:
    """The arguments that name a file of these arrays."""
    np.savez(folder / "own.npz", **arrays)
    return named(folder / "own.npz")


def named(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_realisations_are_rows_and_every_row_comes(folder: Path) -> None:
    rows = normal(ROWS, 4, 8)
    built = make_channel(LinkSettings(channel="dataset", channel_args=save(folder, h=rows)))
    h = built(3000, 2, seed(1)).numpy().reshape(-1, 4, 8)
    place = {row.tobytes(): number for number, row in enumerate(rows.astype(np.complex64))}
    count = np.bincount([place[matrix.tobytes()] for matrix in h], minlength=ROWS)
    chi_square = ((count - 15) ** 2 / 15).sum()
    assert abs(chi_square - (ROWS - 1)) < 4 * (2 * (ROWS - 1)) ** 0.5
    assert built.mean_energy == pytest.approx((np.abs(rows) ** 2).mean(), rel=0.01)
    check_repeatable(built)


def test_impulse_responses(folder: Path) -> None:
    """Two paths, the second later by τ and turning from symbol to symbol: H = (1 + exp(j(θ s - 2πfτ)))/√2."""
    fft_size, spacing, turn = 8, 15e3, 0.3
    tau = np.stack([np.zeros(ROWS), np.linspace(1e-6, 30e-6, ROWS)], 1)
    a = np.ones((ROWS, 2, 3, 2, 4), complex) / 2**0.5
    a[:, :, :, 1] *= np.exp(1j * turn * np.arange(4))
    args = save(folder, a=a, tau=tau) | {"fft_size": fft_size, "subcarrier_khz": 15}
    link = LinkSettings(
        channel="cir-dataset", channel_args=args, coherence="symbol", num_rx_ant=2, num_tx_ant=3, num_streams=1,
        normalize_channel=True,
    )  # fmt: skip
    built = make_channel(link).model
    h = built(50, 32, seed(2)).numpy()
    f = (np.arange(32) % fft_size - fft_size // 2) * spacing
    wanted = (
        1 + np.exp(1j * (turn * (np.arange(32) // fft_size) - 2 * np.pi * f * tau[:, 1:]))
    ) / 2**0.5  # [rows, uses]
    row = np.abs(h[:, None, :, 0, 0] - wanted).max(axis=2).argmin(axis=1)
    np.testing.assert_allclose(h, np.broadcast_to(wanted[row][:, :, None, None], h.shape), atol=1e-4)
    assert len(set(row)) > 40
    check_repeatable(built, atol=1e-5)
    built.check_uses(32)
    with pytest.raises(
        UserError, match="4 times, and 33 channel uses take 5 OFDM symbols of 8 subcarriers; raise fft_size"
    ):
        built.check_uses(33)


def test_one_time_serves_every_symbol(folder: Path) -> None:
    args = save(folder, a=normal(ROWS, 4, 8, 1, 1), tau=np.zeros((ROWS, 1))) | {"fft_size": 8}
    link = DigitalLink(LinkSettings(channel="cir-dataset", channel_args=args, coherence="symbol", num_streams=2), 256)
    bits = random_bits(8, 256)
    out = link(bits, 30.0, seed(3))
    np.testing.assert_array_equal(out.bits, bits)
    assert np.ptp(np.abs(out.h.numpy()), axis=1).max() < 1e-6


GOOD = {"h": normal(ROWS, 4, 8)}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"h": normal(ROWS, 2, 8)}, ["h has shape [400, 2, 8]", "[rows, 4, 8] is wanted", "num_rx_ant"]),
        ({"h": normal(ROWS, 4)}, ["h has shape [400, 4]", "[rows, 4, 8]"]),
        ({"h": normal(63, 4, 8)}, ["63 rows", "at least 64"]),
        ({"h": np.where(np.arange(8) == 3, np.nan, GOOD["h"])}, ["h of complex128", "no finite number"]),
        ({"h": np.array(["x"] * ROWS)}, ["h of <U1", "no finite number"]),
        ({"h": 2 * GOOD["h"]}, ["E|h|² = ", "within 5 %", "normalize_channel"]),
        ({"g": GOOD["h"]}, ["not arrays h", "no array 'h'"]),
        ({"h": np.array([{}] * ROWS, object)}, ["not arrays h", "allow_pickle=False"]),
    ],
)
def test_arrays_that_cannot_be(folder: Path, arrays: dict[str, np.ndarray], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        DigitalLink(LinkSettings(channel="dataset", channel_args=save(folder, **arrays)), 64)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("h.npy", "w") as member:
        for _ in range(1025):
            member.write(bytes(2**20))


def _claims_too_much(path: Path) -> None:
    header = b"{'descr': '<c8', 'fortran_order': False, 'shape': (1099511627776, 4, 8), }"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("h.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_bytes(b""), ["not arrays h"]),
        (lambda path: path.write_bytes(pickle.dumps([1])), ["not arrays h"]),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(200)), ["not arrays h"]),
        (_bomb, ["more than 1073741824 bytes"]),
        (_claims_too_much, ["not arrays h"]),
    ],
)
def test_files_that_cannot_be(folder: Path, write: Any, words: list[str]) -> None:
    write(folder / "own.npz")
    with pytest.raises(UserError) as caught:
        make_channel(LinkSettings(channel="dataset", channel_args=named(folder / "own.npz")))
    assert all(word in str(caught.value) for word in ["own.npz", *words]), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_is_one_line_or_no_harm(folder: Path) -> None:
    """Whoever writes a file can state its hash: the reader itself stays to its one line."""
    save(folder, h=GOOD["h"][:64])
    content = (folder / "own.npz").read_bytes()
    generator = np.random.default_rng(4)
    refused = 0
    for place in [*range(120), *range(len(content) - 150, len(content))]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(generator.integers(8))
        (folder / "own.npz").write_bytes(damaged)
        try:
            read_arrays(Path("data/channels/own.npz"), named(folder / "own.npz")["sha256"], ("h",))
        except UserError:
            refused += 1
    assert refused > 50


def test_the_file_is_named_and_its_hash(folder: Path) -> None:
    args = save(folder, **GOOD)
    for changed, words in (
        ({"sha256": ""}, f"channel_args.sha256 = '': data/channels/own.npz has {args['sha256']}"),
        ({"sha256": "0" * 64}, "bring the file that is meant"),
        ({"file": "other.npz"}, "data/channels/other.npz: cannot be read"),
    ):
        with pytest.raises(UserError) as caught:
            make_channel(LinkSettings(channel="dataset", channel_args=args | changed))
        assert words in str(caught.value)
    for name in ("../own.npz", "/etc/passwd", "a/b.npz", "own.pkl", ".own.npz"):
        with pytest.raises(UserError, match=r"channel_args.file = '.*': .* a file in data/channels"):
            LinkSettings(channel="dataset", channel_args=args | {"file": name})
    with pytest.raises(UserError, match=r"channel_args\.file"):
        LinkSettings(channel="dataset")


def test_a_sweep_replays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    links = {"own": LinkSettings(channel="dataset", channel_args=save(folder, **GOOD), num_streams=2)}
    rate = check_sweep(links, "dataset", folder, capsys)
    assert rate["own", -9] > 0.5
    assert rate["own", 15] == 0
