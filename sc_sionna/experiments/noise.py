"""Semantic noise of a sweep: crafted once per (scheme, threat, batch), reused at every SNR, and then dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from sc_sionna.attacks.over_the_air import OverTheAirAttack
from sc_sionna.attacks.threats import Crafter, Shared
from sc_sionna.core import rng
from sc_sionna.data.common import Images, to_float
from sc_sionna.schemes import Batch, Scheme

RATIO_DRAWS = 1024  # of the attacker's channel, over which the realised ratio is measured


class SemanticNoise:
    """The attackers of a sweep. Every draw follows from the run seed, the threat's settings and the batch.

    collected : gives the images whose received signals the attacker over the air has collected, with labels; from the
        training set, so that the test images stay unseen
    """

    def __init__(self, run_seed: int, collected: Callable[[int], Images]) -> None:
        self.run_seed, self._collected = run_seed, collected
        self._shared: dict[str, Shared] = {}  # by scheme: one compiled pass serves every ε
        self._crafters: dict[tuple[str, str], Crafter] = {}
        self._images: dict[tuple[str, str, int], np.ndarray] = {}
        self._air: dict[tuple[str, str], OverTheAirAttack] = {}

    def images(self, scheme: Scheme, threat: Any, batch: Batch) -> np.ndarray:
        """The batch's images as the transmitter gets them, float32 ``[B, H, W, 3]``."""
        if threat.where != "source":
            return batch.images
        key = scheme.name, threat.stream, batch.index
        if key not in self._images:
            if key[:2] not in self._crafters:
                shared = self._shared.setdefault(scheme.name, {})
                self._crafters[key[:2]] = threat.crafter(scheme.victim, scheme.random, shared)
            generator = rng.generator(self.run_seed, "semantic noise", threat.stream, batch.index)
            self._images[key] = self._crafters[key[:2]](batch.images, batch.labels, generator)
        return self._images[key]

    def forget(self) -> None:
        """Drop the images crafted so far; what an attacker over the air sends stays, since it is made once for all."""
        self._images.clear()

    def interference(self, scheme: Scheme, threat: Any, batch: Batch, snr_db: float) -> np.ndarray | None:
        """H_a Δx with a fresh H_a per image, complex ``[B, U, rx]``; None for noise at the transmitter."""
        if threat.where != "receiver":
            return None
        generator = rng.generator(self.run_seed, "attacker channel", snr_db, batch.index)
        return self._attack_over_the_air(scheme, threat)(len(batch.labels), generator)

    def sha256(self, scheme: Scheme, threat: Any, batch: Batch) -> str:
        """Names what was crafted for a batch: the images, or the one Δx that an attacker over the air sends."""
        if threat.where == "receiver":
            made = np.asarray(self._attack_over_the_air(scheme, threat).noise)
        else:
            made = self.images(scheme, threat, batch)
        return hashlib.sha256(np.ascontiguousarray(made).tobytes()).hexdigest()

    def realised_ssnr_db(self, scheme: Scheme, threat: Any) -> float | None:
        """Signal-to-semantic-noise ratio in dB over fresh channels of the attacker; None for noise at the transmitter."""
        if threat.where != "receiver":
            return None
        attack = self._attack_over_the_air(scheme, threat)
        added = attack(RATIO_DRAWS, rng.generator(self.run_seed, "realised ratio", threat.stream))
        return round(float(attack.realised_ssnr_db(added)), 3)

    def _attack_over_the_air(self, scheme: Scheme, threat: Any) -> OverTheAirAttack:
        key = scheme.name, threat.stream
        if key not in self._air:
            self._air[key] = self._craft(scheme, threat)
        return self._air[key]

    def _craft(self, scheme: Scheme, threat: Any) -> OverTheAirAttack:
        settings = threat.attack
        images = self._collected(settings.samples)
        # a batch of its own: its masks, fading and noise have streams that no test batch has
        own_seed = rng.seed_int(self.run_seed, "collected", threat.stream)
        batch = Batch(to_float(images.pixels), images.labels, 0, own_seed)
        surface = scheme.air_surface(batch, settings.snr_db)
        noise_power = 10 ** (-settings.snr_db / 10)
        power = float(np.mean(np.abs(surface.received) ** 2)) - noise_power
        _, num_uses, num_rx_ant = surface.received.shape
        attack = OverTheAirAttack(settings, num_uses, num_rx_ant, power)
        attack.craft(surface.received, surface.loss, surface.inputs, rng.generator(own_seed, "craft"))
        return attack
