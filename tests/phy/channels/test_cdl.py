"""Clustered delay lines over OFDM: energy, delay profile and geometry against the tables of TR 38.901."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.phy.link import DigitalLink
from sc_sionna.settings import LinkSettings
from tests.phy.channels.helpers import check_repeatable, check_sweep, model, z_score
from tests.phy.helpers import random_bits, seed

SYMBOL = {"coherence": "symbol"}
PANELS = {"tx": {"polarization": "dual", "pattern": "38.901"}, "rx": {"polarization": "dual", "pattern": "38.901"}}
# TR 38.901 V16.1, Table 7.7.1-5: normalised delays and powers in dB of CDL-E, the line of sight first
DELAYS = np.array(
    [0, 0, 0.5133, 0.5440, 0.5630, 0.5440, 0.7112, 1.9092, 1.9293, 1.9589, 2.6426, 3.7136, 5.4524, 12.0034, 20.6419]
)
POWERS_DB = np.array(
    [-0.03, -22.03, -15.8, -18.1, -19.8, -22.9, -22.4, -18.6, -20.8, -22.6, -22.3, -25.6, -20.2, -29.8, -29.2]
)


def test_frequency_correlation_against_the_delay_profile() -> None:
    spread, spacing = 300e-9, 60e3
    h = model("cdl", 1, 1, SYMBOL, profile="E", delay_spread_ns=300, subcarrier_khz=60, fft_size=64)(4000, 64, seed(1))
    h = h.numpy()[:, :, 0, 0].astype(np.complex128)
    powers = 10 ** (POWERS_DB / 10)
    powers /= powers.sum()
    for first, lag in ((0, 0), (5, 1), (20, 12), (3, 33), (0, 63)):
        wanted = (powers * np.exp(2j * np.pi * lag * spacing * spread * DELAYS)).sum()
        product = h[:, first] * h[:, first + lag].conj()
        assert abs(z_score(product.real, wanted.real)) < 4
        if lag:
            assert abs(z_score(product.imag, wanted.imag)) < 4


@pytest.mark.parametrize("side", ["tx", "rx"])
def test_the_line_of_sight_comes_from_its_angles(side: str) -> None:
    """CDL-E leaves at zenith 99.6° and azimuth 0°, and arrives at 80.4° and the terminal's broadside: a column of elements
    sees π cos of that between neighbours, a row of them no difference.
    """
    antennas = (1, 4) if side == "tx" else (4, 1)
    zenith = np.radians(99.6 if side == "tx" else 80.4)
    for rows, wanted in ((4, -np.pi * np.cos(zenith)), (1, 0.0)):
        h = (
            model("cdl", *antennas, SYMBOL, profile="E", **{side: {"rows": rows}})(2000, 1, seed(2))
            .numpy()
            .reshape(-1, 4)
        )
        turns = (h[:, 1:] * h[:, :-1].conj()).mean()
        assert np.angle(turns) == pytest.approx(wanted, abs=0.05)
        assert abs(turns) > 0.85


@pytest.mark.slow
def test_38901_panels_are_normalised_over_the_ensemble() -> None:
    """Element gains and polarisation losses are measured; without normalize_channel they are refused as dB nobody earned."""
    with pytest.raises(UserError, match=r"channel = 'cdl': E\|h\|² = .* within 5 % .* link.normalize_channel = true"):
        model("cdl", 2, 4, SYMBOL, profile="C", **PANELS)
    built = model("cdl", 2, 4, {**SYMBOL, "normalize_channel": True}, profile="C", **PANELS)
    assert built.mean_energy > 2
    energy = (np.abs(built(4000, 1, seed(3)).numpy()) ** 2).mean(axis=(1, 2, 3))
    assert energy.mean() == pytest.approx(1, abs=0.04)
    assert energy.std() > 0.2  # the fading is still there


def test_uplink_is_the_other_way_round() -> None:
    """The terminal transmits along the line of sight by which it receives in the downlink, at zenith 80.4°."""
    h = model("cdl", 1, 4, SYMBOL, profile="E", direction="uplink", tx={"rows": 4})(2000, 1, seed(4)).numpy()[:, 0, 0]
    turns = (h[:, 1:] * h[:, :-1].conj()).mean()
    assert np.angle(turns) == pytest.approx(-np.pi * np.cos(np.radians(80.4)), abs=0.05)
    assert abs(turns) > 0.85


def test_repeatable() -> None:
    check_repeatable(model("cdl", 2, 2, SYMBOL, profile="E", speed_m_s=30), atol=1e-4)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"tx": {"rows": 3}}, ["channel_args.tx.rows = 3", "num_tx_ant = 8", "divisor of 8"]),
        ({"rx": {"rows": 4, "polarization": "dual"}}, ["channel_args.rx.rows = 4", "num_rx_ant = 4", "divisor of 2"]),
        ({"tx": {"rows": 0}}, ["channel_args.tx.rows = 0", "1"]),
        ({"tx": {"columns": 2}}, ["channel_args.tx", "unknown setting 'columns'", "rows"]),
        ({"profile": "F"}, ["channel_args.profile = 'F'"]),
    ],
)
def test_what_cannot_be(args: dict, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        DigitalLink(LinkSettings(channel="cdl", coherence="symbol", channel_args=args), 64)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_sweep_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = {"channel": "cdl", "coherence": 12, "num_streams": 1, "num_rx_ant": 2, "num_tx_ant": 2}
    links = {
        "omni": LinkSettings(**common, channel_args={"profile": "E"}),
        "panels": LinkSettings(**common, channel_args={"profile": "E", **PANELS}, normalize_channel=True),
    }
    rate = check_sweep(links, "cdl", tmp_path, capsys)
    assert rate["omni", 15] == 0 == rate["panels", 15]


def test_bits_arrive() -> None:
    link = DigitalLink(
        LinkSettings(channel="cdl", coherence="symbol", num_streams=1, channel_args={"profile": "D"}), 256
    )
    bits = random_bits(16, 256)
    np.testing.assert_array_equal(link(bits, 30.0, seed(5)).bits, bits)
