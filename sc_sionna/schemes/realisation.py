"""A scheme over a link that adapts its rate to the realisation of every image, which the transmitter knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.phy.awgn_table import load_curves
from sc_sionna.phy.budget import Budget
from sc_sionna.phy.mode_choice import most_carried, most_worth
from sc_sionna.phy.modes import Mode
from sc_sionna.phy.realisation import Realisations, capacities
from sc_sionna.schemes.adaptive import AdaptiveScheme
from sc_sionna.schemes.base import AirSurface, Batch, Scheme
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.metrics import merge

LEAST_SHARE = 0.01  # of the realisations, to which a mode is the best: rarer ones are not offered
HIGHEST_DB = 18.0  # the SNR whose usual mode stands for the cost of an image, which is the same in all


class Part(NamedTuple):
    """The images of a batch that were sent in one mode: their rows, and the outputs of the scheme for these rows."""

    scheme: Scheme
    rows: np.ndarray
    outputs: dict[str, Any]


class RealisationScheme(AdaptiveScheme):
    """A scheme in the mode that its transmitter chooses for each image, always with the same power and channel uses.

    The rules are those of :class:`~sc_sionna.schemes.adaptive.AdaptiveScheme`, with the block error rates of the modes on
    the realisation of the image in place of those over all realisations: those of their code words over AWGN at the
    effective SNR, see :mod:`~sc_sionna.phy.awgn_table`. Offered at an SNR are the modes that at least one in a hundred of
    1,024 realisations of their own would choose, so that all are built before a sweep starts; they share the networks.
    A batch is sent in each mode that some of its images chose, and these images alone count: the fading of an image is the
    same in every mode. Analog symbols have as many streams as have most capacity on the realisation.

    Parameters and errors are those of the base class.
    """

    def __init__(self, scheme: Any, link: LinkSettings) -> None:
        super().__init__(scheme, link)
        assert link.channel_uses is not None
        self._realisations = Realisations(link, link.channel_uses)
        self.offered = cache(self._offered)  # by SNR

    def _load(self, link: LinkSettings, num_uses: int) -> Any:
        return load_curves(link, num_uses)

    def _best(self, stream_snrs: dict[int, np.ndarray], offered: np.ndarray | None) -> np.ndarray:
        """The numbers of the best modes on realisations, int64 ``[B]``, among those offered or all."""
        if self._table is None:
            found = capacities(stream_snrs)
            if offered is not None:
                found = np.where(offered[:, None], found, -np.inf)
            return found.argmax(axis=0)
        numbers = np.arange(len(self._table.modes)) if offered is None else np.flatnonzero(offered)
        rates, above = self._table.predict(stream_snrs)
        rates, above = rates[numbers], above[numbers]
        if self.settings.target_bler is not None:
            carried = np.minimum(self._table.num_bits, self.scheme.wanted_bits())[numbers]
            return numbers[most_carried(rates, above, carried, self.settings.target_bler)]
        if self._worth is None:
            raise self._not_measured()
        return numbers[most_worth(rates, above, *(part[numbers] for part in self._worth))]

    @property
    def modes(self) -> tuple[Mode, ...]:
        """All modes, by their numbers; of analog symbols only the number of streams is meant."""
        if self._table is None:
            return tuple(Mode(rank, "qpsk", "1/2") for rank in self._realisations.ranks)
        modes: tuple[Mode, ...] = self._table.modes
        return modes

    def _offered(self, snr_db: float) -> np.ndarray:
        """Which modes the transmitter has at an SNR, bool ``[M]``."""
        usual = self._best(self._realisations.usual(snr_db), None)
        shares = np.bincount(usual, minlength=len(self.modes)) / len(usual)
        return np.asarray(shares >= min(LEAST_SHARE, shares.max()))

    def _mode(self, snr_db: float) -> Mode:
        """The mode that most realisations have at an SNR."""
        usual = self._best(self._realisations.usual(snr_db), self.offered(snr_db))
        return self.modes[int(np.bincount(usual).argmax())]

    def chosen_modes(self, batch: Batch, snr_db: float) -> np.ndarray:
        """The numbers of the modes of the images, int64 ``[B]``."""
        snrs = self._realisations.stream_snrs(len(batch.labels), snr_db, batch.link_seed(snr_db))
        return self._best(snrs, self.offered(snr_db))

    def prepare(self, snrs_db: Sequence[float], validation: Callable[[], Batch]) -> None:
        """Build the scheme in all modes that are offered at these SNRs; ``validation`` as in the base class."""
        self._weigh(validation)
        for snr_db in snrs_db:
            for number in np.flatnonzero(self.offered(snr_db)):
                self.built(self.modes[number])

    def chosen(self, snr_db: float, batches: Callable[[], Iterable[Batch]]) -> Any:
        """The share of each mode among the images at an SNR, the most frequent first."""
        numbers = np.concatenate([self.chosen_modes(batch, snr_db) for batch in batches()])
        counts = np.bincount(numbers, minlength=len(self.modes))
        order = np.argsort(-counts, kind="stable")
        return {str(self.modes[number]): float(counts[number] / len(numbers)) for number in order if counts[number]}

    def _parts(self, batch: Batch, snr_db: float) -> list[tuple[Scheme, np.ndarray]]:
        """The scheme in each mode of the batch, and the rows of the images that have it."""
        chosen = self.chosen_modes(batch, snr_db)
        return [(self.built(self.modes[number]), np.flatnonzero(chosen == number)) for number in np.unique(chosen)]

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """``predictions`` ``[B]`` and ``parts``, the outputs by mode; UserError for interference."""
        if interference is not None:
            raise self._refused()
        sent = [(scheme, rows, scheme.transmit(batch, snr_db)) for scheme, rows in self._parts(batch, snr_db)]
        first = sent[0][2]["predictions"]
        predictions = np.empty_like(first)
        for _, rows, outputs in sent:
            predictions[rows] = outputs["predictions"][rows]
        parts = [Part(scheme, rows, _of_rows(outputs, rows)) for scheme, rows, outputs in sent]
        return {"predictions": predictions, "parts": parts}

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Predictions ``[B]`` where what the mode of each image carries arrives."""
        found = [(rows, scheme.error_free_predictions(batch, snr_db)) for scheme, rows in self._parts(batch, snr_db)]
        predictions = np.empty_like(found[0][1])
        for rows, answers in found:
            predictions[rows] = answers[rows]
        return predictions

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """The counts of every image in its own mode."""
        return merge(*(part.scheme.counts(batch.rows(part.rows), part.outputs) for part in outputs["parts"]))

    def budget(self, images: np.ndarray) -> Budget:
        """Cost in the mode that most realisations have at 18 dB; the uses are the same in all."""
        return self.at(HIGHEST_DB).budget(images)

    # ------------------------------------------------------------------ what an attacker may use

    def _refused(self) -> UserError:
        return UserError(
            f"attack on {self.name!r} with link.adaptation = {self.settings.adaptation!r}: every image has a framing of its "
            f"own, which no attacker here knows; set adaptation = {self.settings.adapts!r}, or leave the threat out"
        )

    def victim(self) -> Victim:
        """UserError: no attack is written for framings that change with the image."""
        raise self._refused()

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """UserError, as :meth:`victim`."""
        raise self._refused()

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """UserError, as :meth:`victim`."""
        raise self._refused()


def _of_rows(outputs: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """The outputs for some images: arrays have a row for each; what has a method ``rows`` gives its own part.

    Others, such as the symbols of all code blocks, are left out; no count asks for them.
    """
    found = {}
    for name, value in outputs.items():
        if isinstance(value, np.ndarray):
            found[name] = value[rows]
        elif hasattr(value, "rows"):
            found[name] = value.rows(rows)
    return found
