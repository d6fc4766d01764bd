"""The analog link in closed form, for training."""

from __future__ import annotations

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.settings import LinkSettings


class AnalogChannel:
    """Draws the noise that :class:`~sc_sionna.phy.analog_link.AnalogLink` adds to symbols, one fading realisation per image.

    With y = G x + n, G = H P, the unbiased LMMSE estimate is x + noise of variance no_eff = 1/c - 1 per stream, where c is
    the diagonal of (G^H G + no·I)^{-1} G^H G. Along singular vectors that noise is Gaussian exactly, without residual
    interference; a test compares with the link.
    """

    def __init__(self, link: LinkSettings, snr_db: float) -> None:
        if (link.channel, link.coherence, link.precoder) != ("rayleigh", "image", "svd"):
            raise UserError(
                f"training channel = 'calibrated': analog noise in closed form is for channel 'rayleigh', coherence 'image' "
                f"and precoder 'svd', not {link.channel!r}, {link.coherence!r}, {link.precoder!r}; "
                "set train.channel = 'link'"
            )
        self.link, self.no = link, 10.0 ** (-snr_db / 10.0)

    def error(
        self, batch_size: int, num_reals: int, generator: np.random.Generator, snr_db: np.ndarray | None = None
    ) -> np.ndarray:
        """Noise float32 ``[B, num_reals]``: real and imaginary part of symbol 0, of symbol 1, ...; streams take turns.

        snr_db : ``[B]``, each image's own SNR, or None for that of the channel
        """
        no = self.no if snr_db is None else 10.0 ** (-snr_db[:, None] / 10.0)
        link = self.link
        shape = (batch_size, link.num_rx_ant, link.num_tx_ant)
        h = (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)) * 0.5**0.5
        gains = np.linalg.svd(h, compute_uv=False)[:, : link.num_streams] ** 2 / link.num_streams
        no_eff = no / gains  # [B, S]
        stream = (np.arange(num_reals) // 2) % link.num_streams
        noise = generator.standard_normal((batch_size, num_reals)) * np.sqrt(no_eff[:, stream] / 2)
        return noise.astype(np.float32)
