"""Tapped delay lines of TR 38.901."""

from __future__ import annotations

from typing import Any

from sionna.phy.channel.tr38901 import TDL

from sc_sionna.phy.channels.ofdm import SionnaChannel
from sc_sionna.settings.channel import TdlSettings


class TdlChannel(SionnaChannel):
    """Tapped delay line TDL-A to E of TR 38.901 over OFDM, Sionna's, independent between antennas.

    The taps of Table 7.7.2-1 to 5, delays scaled to the delay spread; each fades as a sum of sinusoids with the Doppler
    spectrum of the speed, in D and E with a line of sight on the first. See :mod:`sc_sionna.phy.channels.ofdm`.
    """

    Settings = TdlSettings

    def make_paths(self) -> Any:
        """Sionna's model with the arguments of the settings."""
        s = self.settings
        return TDL(
            s.profile,
            s.delay_spread_ns * 1e-9,
            s.carrier_ghz * 1e9,
            min_speed=s.speed_m_s,
            num_rx_ant=self.num_rx_ant,
            num_tx_ant=self.num_tx_ant,
            precision="single",
        )
