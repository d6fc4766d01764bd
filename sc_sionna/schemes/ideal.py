"""A scheme over an ideal link: the bound of separate source and channel coding."""

from __future__ import annotations

from typing import Any

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.phy.budget import Budget
from sc_sionna.phy.ideal_link import IdealLink
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
        self.scheme, self.name, self.task, self.random = scheme, scheme.name, scheme.task, scheme.random
        self.link = IdealLink(link)

    def bits(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Whole bits that the realisation of each image carries, int64 ``[B]``; it is the one that a link draws for it."""
        return self.link.bits(len(batch.labels), snr_db, batch.link_seed(snr_db))

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
        return Budget(**dict.fromkeys(Budget.model_fields, 0.0) | {"channel_uses": float(self.link.num_uses)})

    def forget(self) -> None:
        """Drop what the scheme keeps."""
        self.scheme.forget()
