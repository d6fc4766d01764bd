"""Clustered delay lines of TR 38.901."""

from __future__ import annotations

from typing import Any

from sionna.phy.channel.tr38901 import CDL, AntennaArray

from sc_sionna.core.errors import UserError
from sc_sionna.phy.channels.ofdm import SionnaChannel
from sc_sionna.settings.channel import CdlSettings


class CdlChannel(SionnaChannel):
    """Clustered delay line CDL-A to E of TR 38.901 over OFDM, Sionna's, with its antenna arrays.

    The clusters of Table 7.7.1-1 to 5 with their angles; an image draws the coupling of the rays, their phases and the
    direction of travel. Gains of patterns and losses between polarisations are within: E|h|² is 1 for single polarisation
    and omnidirectional elements alone. See :mod:`sc_sionna.phy.channels.ofdm`.
    """

    Settings = CdlSettings

    def make_paths(self) -> Any:
        """Sionna's model with the arguments of the settings."""
        s = self.settings
        tx, rx = self._array("tx", self.num_tx_ant), self._array("rx", self.num_rx_ant)
        terminal, base = (rx, tx) if s.direction == "downlink" else (tx, rx)
        return CDL(
            s.profile,
            s.delay_spread_ns * 1e-9,
            s.carrier_ghz * 1e9,
            terminal,
            base,
            s.direction,
            min_speed=s.speed_m_s,
            precision="single",
        )

    def _array(self, side: str, num_ant: int) -> AntennaArray:
        """The array of one side; UserError where the antennas do not fill its rows."""
        array = getattr(self.settings, side)
        dual = array.polarization == "dual"
        columns, rest = divmod(num_ant, array.rows * (1 + dual))
        if rest or not columns:
            raise UserError(
                f"channel_args.{side}.rows = {array.rows}: num_{side}_ant = {num_ant} antennas do not divide evenly into "
                f"{array.rows} rows of {array.polarization} polarization; set rows to a divisor of {num_ant // (1 + dual)}"
            )
        return AntennaArray(
            num_rows=array.rows,
            num_cols=columns,
            polarization=array.polarization,
            polarization_type="cross" if dual else "V",
            antenna_pattern=array.pattern,
            carrier_frequency=self.settings.carrier_ghz * 1e9,
            precision="single",
        )
