"""A scheme over a link that adapts its rate to the SNR."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.attacks.victim import Victim
from sc_sionna.core.errors import UserError
from sc_sionna.phy.budget import Budget
from sc_sionna.phy.mode_choice import best_mode, choose_mode
from sc_sionna.phy.mode_table import load_table
from sc_sionna.phy.modes import Mode, mode_link
from sc_sionna.phy.realisation import rank_of_most_capacity
from sc_sionna.schemes.base import AirSurface, Batch, Scheme
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep.scores import summarised

CLOSE = 1.06  # numbers of bits nearer than this factor are worth the same
LOST_AT = 8  # numbers of bits, between which what is left of a lost block is interpolated over their logarithm


class AdaptiveScheme:
    """A scheme in the mode that its link chooses at each SNR, always with the same power in the same channel uses.

    The mode follows from the long-term SNR and from block error rates that this package measured. Where
    ``link.target_bler`` is set it is the mode of :func:`~sc_sionna.phy.mode_choice.choose_mode`, which carries most of what
    the scheme has to say at this rate, of several the most robust. Otherwise it is the one of most expected score,
    (1 - p) w(k) + p v(k): p is its block error rate, k the bits that it carries, w what they are worth and v what is left
    where their block fails, which :meth:`prepare` measures on images that neither train nor test a scheme.
    ``link.adaptation="rank"`` changes the number of streams alone. Analog symbols have no block error rate; their number of
    streams is the one of most capacity.

    Parameters
    ----------
    scheme
        The scheme in any mode. It is asked for ``on(link)``, itself over another link; digital ones also for
        ``least_bits()`` and ``wanted_bits()``, the fewest bits with which it can say anything and the most that it has, and
        ``answers_in(batch, num_bits, lost)``, its answers where so many bits of an image arrive, or their block fails.
    link
        Settings of the link, with ``adaptation`` and ``channel_uses``.

    Raises
    ------
    UserError
        A scheme that cannot change its link, channel uses without a table of modes, and modes that carry too little.
    """

    def __init__(self, scheme: Any, link: LinkSettings) -> None:
        if not hasattr(scheme, "on"):
            raise UserError(
                f"link.adaptation = {link.adaptation!r}: {scheme.name} cannot change its link; write a method on(link), or "
                "set adaptation = 'none'"
            )
        assert link.channel_uses is not None
        self.scheme, self.settings = scheme, link
        self.name, self.task = scheme.name, scheme.task
        self._table = None if scheme.payload == "analog" else self._modes_of(self._load(link, link.channel_uses))
        self._built: dict[Mode, Scheme] = {}
        self.mode = cache(
            self._mode
        )  # by SNR: every batch asks for it, and that of analog symbols takes draws of the channel
        # of the bits of each mode of the table, [M], where they arrive and where their block fails
        self._worth: tuple[np.ndarray, np.ndarray] | None = None

    def _load(self, link: LinkSettings, num_uses: int) -> Any:
        """The modes of the link with what is known of their errors."""
        return load_table(link, num_uses)

    def _modes_of(self, table: Any) -> Any:
        """The modes that carry the least that the scheme can say, of the link's modulation and rate if the rank adapts."""
        keep = table.num_bits >= self.scheme.least_bits()
        if self.settings.adapts == "rank":
            same = (self.settings.modulation, self.settings.coderate)
            keep &= np.array([(mode.modulation, mode.rate) == same for mode in table.modes])
            if not keep.any():
                raise UserError(
                    f"link.coderate = {self.settings.coderate:g}: no mode of the table has this rate, {same[0]} and room "
                    f"for {self.scheme.least_bits()} bits in {table.num_uses} channel uses; take another rate, or set "
                    "adaptation = 'mcs'"
                )
        if not keep.any():
            raise UserError(
                f"link.channel_uses = {table.num_uses}: no mode carries the {self.scheme.least_bits()} bits that "
                f"{self.name} needs to say anything; take more uses"
            )
        return table.only(keep)

    def _mode(self, snr_db: float) -> Mode:
        """The mode at an SNR."""
        if self._table is None:
            rank = rank_of_most_capacity(self.settings, snr_db)
            return Mode(rank, "qpsk", "1/2")  # of which analog symbols know the rank alone
        if self.settings.target_bler is not None:
            return choose_mode(self._table, snr_db, self.scheme.wanted_bits(), self.settings.target_bler).mode
        if self._worth is None:
            raise self._not_measured()
        return best_mode(self._table, snr_db, *self._worth)

    def _not_measured(self) -> UserError:
        return UserError(
            f"link.target_bler = None: what bits are worth to {self.name} is not measured yet; call prepare(snrs_db, "
            "validation), or set a target"
        )

    def at(self, snr_db: float) -> Scheme:
        """The scheme in the mode of an SNR; :meth:`prepare` builds those of a sweep before it starts."""
        return self.built(self.mode(snr_db))

    def built(self, mode: Mode) -> Scheme:
        """The scheme in a mode: another link for the same networks."""
        if mode not in self._built:
            self._built[mode] = self.scheme.on(mode_link(self.settings, mode).with_(adaptation="none"))
        return self._built[mode]

    def prepare(self, snrs_db: Sequence[float], validation: Callable[[], Batch]) -> None:
        """Build the scheme in the modes of these SNRs.

        validation : gives images that neither train nor test a scheme, on which it is measured what bits are worth; asked
            only where that decides
        """
        self._weigh(validation)
        for snr_db in snrs_db:
            self.at(snr_db)

    def chosen(self, snr_db: float, batches: Callable[[], Iterable[Batch]]) -> Any:
        """What a record says of the modes at an SNR: the one that all images have."""
        return str(self.mode(snr_db))

    def _weigh(self, validation: Callable[[], Batch]) -> None:
        """Measure what bits are worth, where that decides."""
        if self._table is not None and self.settings.target_bler is None and self._worth is None:
            batch = validation()
            self._worth = self._measure(self._table, batch, lost=False), self._measure(self._table, batch, lost=True)
            self.scheme.forget()

    def _measure(self, table: Any, batch: Batch, lost: bool) -> np.ndarray:
        """What the bits of each mode are worth, ``[M]``: the score of their answers, never less than that of fewer bits.

        What arrives rises in steps, since a picture or an index fits or does not: it is measured at the numbers of bits that
        modes really carry, and one a little larger than another is worth as much. What a lost block leaves changes
        gradually, and is interpolated.
        """
        most = max(self.scheme.least_bits(), min(self.scheme.wanted_bits(), int(table.num_bits.max())))
        carried = np.minimum(table.num_bits, most)
        if lost:
            grid = np.unique(np.geomspace(self.scheme.least_bits(), most, LOST_AT).round().astype(int)).tolist()
        else:
            grid = _thinned(np.unique(carried))
        scores = []
        for num_bits in grid:
            answers, targets = self.scheme.answers_in(batch, int(num_bits), lost), batch.targets(self.task)
            found = {**self.task.counts(answers, targets), **summarised(self.task.scores(answers, targets))}
            scores.append(self.task.metric.value(found))
        rising = np.maximum.accumulate(np.array(scores, np.float64))
        if lost:
            return np.interp(np.log(carried), np.log(grid), rising)
        return np.asarray(rising[np.searchsorted(grid, carried, side="right") - 1])

    @property
    def random(self) -> bool:
        """As the scheme."""
        return bool(self.scheme.random)

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """The outputs of the scheme in this SNR's mode, and the scheme itself as ``sent_by``."""
        scheme = self.at(snr_db)
        return {**scheme.transmit(batch, snr_db, interference), "sent_by": scheme}

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Predictions ``[B]`` where what this SNR's mode carries arrives."""
        return self.at(snr_db).error_free_predictions(batch, snr_db)

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """The counts of the scheme that sent the batch."""
        counts: dict[str, int] = outputs["sent_by"].counts(batch, outputs)
        return counts

    def budget(self, images: np.ndarray) -> Budget:
        """Cost in the mode of the highest SNR, in which most is said."""
        return self.at(self.highest).budget(images)

    @property
    def highest(self) -> float:
        """The highest SNR of the table."""
        return 18.0 if self._table is None else float(self._table.snr_db[-1])

    def victim(self) -> Victim:
        """The pass that an attacker at the source differentiates, in the mode of the highest SNR."""
        return self.at(self.highest).victim()

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """Those of the scheme in this SNR's mode."""
        return self.at(snr_db).adaptive_victims(snr_db, cache_dir)

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """That of the scheme in this SNR's mode."""
        return self.at(snr_db).air_surface(batch, snr_db)

    def forget(self) -> None:
        """Drop what every mode keeps of the batches so far."""
        for scheme in self._built.values():
            scheme.forget()


def _thinned(rising: np.ndarray) -> np.ndarray:
    """Of rising numbers the first, and each that is well above the one before it."""
    kept: list[int] = []
    for number in rising:
        if not kept or number > CLOSE * kept[-1]:
            kept.append(int(number))
    return np.array(kept)
