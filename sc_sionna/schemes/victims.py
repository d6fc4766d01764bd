"""The systems as the audit's adaptive suite attacks them: with the channel that the attacker takes the expectation over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from sc_sionna.attacks.victim import CodecVictim, Relaxation, Sampler, Victim
from sc_sionna.schemes import JsccScheme, MaskedVqvaeScheme, Scheme
from sc_sionna.settings import LinkSettings
from sc_sionna.training.channel import AnalogChannel, load_calibrated


@dataclass(frozen=True, eq=False)
class AnalogVictim(CodecVictim):
    """An analog codec whose noise the attacker takes the expectation over: draws are keep and noise ``[B, N·D]``."""

    noise: Sampler | None = None

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, ...]:
        assert self.noise is not None
        return *super().draw(count, generator), self.noise(count, generator)

    def outputs(self, images: Any, keep: Any, flips: Any = None) -> dict[str, Any]:
        snr_db = ops.full((ops.shape(images)[0],), self.snr_db or 0.0, dtype="float32")
        return self.codec(images, keep, snr_db, flips, training=False)


def adaptive_victims(system: Scheme, link: LinkSettings, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
    """A system by the passes that the adaptive suite attacks, the one that runs first; its channel at ``snr_db``.

    cache_dir : where the error rates of the link at an SNR are kept that the package has none for
    """
    if isinstance(system, MaskedVqvaeScheme):
        payload = system.codec.payload_length
        channel = load_calibrated(link, payload, snr_db, cache_dir)
        relaxations: tuple[Relaxation, ...] = ("straight-through", "soft", "unquantised")
        return {
            name: system.victim(snr_db=snr_db, relaxation=name, flips=lambda count, g: channel.error(count, payload, g))
            for name in relaxations
        }
    if isinstance(system, JsccScheme):
        reals, analog = system.codec.payload_length, AnalogChannel(link, snr_db)
        victim = AnalogVictim(
            system.codec, system.masking, snr_db=snr_db, noise=lambda count, g: analog.error(count, reals, g)
        )
        return {"straight-through": victim}
    return {"straight-through": system.victim()}
