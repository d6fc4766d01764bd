"""A scheme over an ideal link: the bound of separate source and channel coding."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from sc_sionna.core.errors import UserError
from sc_sionna.phy.bounds import ideal_bits
from sc_sionna.phy.budget import Budget
from sc_sionna.phy.mimo import MimoChannel, seed_of_link
from sc_sionna.phy.snr import noise_variance
from sc_sionna.schemes.base import Batch
from sc_sionna.settings import LinkSettings


class IdealScheme:
    """The answers of a scheme whose bits arrive without error, as many as the capacity of each image's realisation.

    Both ends know the realisation, power is filled into its eigenmodes as water, and the code is ideal: no header, no CRC,
    no error. With the same source codec no scheme of separate source and channel coding over a block that one realisation
    lasts does better on average; a learned scheme, or one that decides at the transmitter, is no such scheme.

    scheme : offers ``ideal_predictions(batch, bits [B])``
    link : with ``channel_uses``

    Raises
    ------
    UserError for a scheme that this does not bound.
    """

    def __init__(self, scheme: Any, link: LinkSettings) -> None:
        if not hasattr(scheme, "ideal_predictions"):
            raise UserError(
                f"link.adaptation = 'ideal': {scheme.name} does not separate source and channel coding, or does not say "
                "what it makes of a number of bits; name schemes that send streams or the label"
            )
        assert link.channel_uses is not None
        self.scheme, self.name, self.task = scheme, scheme.name, scheme.task
        self.num_uses, self.random = link.channel_uses, scheme.random
        self._mimo = MimoChannel(link, self.num_uses)

    def bits(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Whole bits that the realisation of each image carries, int64 ``[B]``; it is the one that a link draws for it."""
        count, no = len(batch.labels), float(noise_variance(snr_db))
        h, *_ = self._mimo.draw(
            count, tf.fill([count], tf.constant(no, tf.float32)), seed_of_link(batch.link_seed(snr_db))
        )
        return np.floor(ideal_bits(np.asarray(h), no, self.num_uses).mean(axis=1)).astype(np.int64)

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """``predictions`` and ``bits``; UserError for interference, of which the bound knows nothing."""
        if interference is not None:
            raise UserError(
                "link.adaptation = 'ideal': the bound is one without noise of an attacker; leave the threat out"
            )
        bits = self.bits(batch, snr_db)
        return {"predictions": self.scheme.ideal_predictions(batch, bits), "bits": bits}

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        """The same: nothing goes wrong."""
        return np.asarray(self.transmit(batch, snr_db)["predictions"])

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """Counts of the task alone."""
        counts: dict[str, int] = self.task.counts(outputs["predictions"], batch.targets(self.task))
        return counts

    def budget(self, images: np.ndarray) -> Budget:
        """The channel uses alone: an ideal code has no symbols."""
        return Budget(**dict.fromkeys(Budget.model_fields, 0.0) | {"channel_uses": float(self.num_uses)})

    def forget(self) -> None:
        """Drop what the scheme keeps."""
        self.scheme.forget()
