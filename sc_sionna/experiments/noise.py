"""Semantic noise of a sweep: crafted once per (system, threat, batch), reused at every SNR."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sc_sionna.attacks.objective import Objective
from sc_sionna.attacks.over_the_air import OverTheAirAttack
from sc_sionna.attacks.source import SourceAttack, random_sign_noise
from sc_sionna.attacks.threats import Threat
from sc_sionna.core import rng
from sc_sionna.data.common import Images, to_float
from sc_sionna.schemes import Batch, Scheme

RATIO_DRAWS = 1024  # of the attacker's channel, over which the realised ratio is measured


class SemanticNoise:
    """The attackers of a sweep.

    threats : by the name in the record
    collected : gives the images whose received signals the attacker over the air has collected, with labels; from the
        training set, so that the test images stay unseen
    """

    def __init__(self, threats: dict[str, Threat], run_seed: int, collected: Callable[[int], Images]) -> None:
        self.threats, self.run_seed, self._collected = threats, run_seed, collected
        self._objectives: dict[tuple[Any, ...], Objective] = {}  # one compiled pass serves every ε
        self._attacks: dict[tuple[str, str], SourceAttack] = {}
        self._images: dict[tuple[str, str, int], np.ndarray] = {}
        self._air: dict[tuple[str, str], OverTheAirAttack] = {}

    def images(self, system: Scheme, name: str, batch: Batch) -> np.ndarray:
        """The batch's images as the transmitter gets them, float32 ``[B, H, W, 3]``."""
        threat = self.threats[name]
        if threat.source is None:
            return batch.images
        key = system.name, name, batch.index
        if key not in self._images:
            generator = rng.generator(self.run_seed, "semantic noise", name, batch.index)
            if threat.kind == "random-sign":
                self._images[key] = random_sign_noise(batch.images, threat.source.epsilon, generator)
            else:
                if key[:2] not in self._attacks:
                    s = threat.source
                    same = system.name, s.loss, s.draws, s.batch_size
                    self._attacks[key[:2]] = SourceAttack(system.victim(), s, self._objectives.get(same))
                    self._objectives[same] = self._attacks[key[:2]].objective
                self._images[key] = self._attacks[key[:2]](batch.images, batch.labels, generator)
        return self._images[key]

    def interference(self, system: Scheme, name: str, batch: Batch, snr_db: float) -> np.ndarray | None:
        """H_a Δx with a fresh H_a per image, complex ``[B, U, rx]``; None for noise at the transmitter."""
        if self.threats[name].air is None:
            return None
        generator = rng.generator(self.run_seed, "attacker channel", snr_db, batch.index)
        return self._attack_over_the_air(system, name)(len(batch.labels), generator)

    def realised_ssnr_db(self, system: Scheme, name: str) -> float | None:
        """Signal-to-semantic-noise ratio in dB over fresh channels of the attacker; None for noise at the transmitter."""
        if self.threats[name].air is None:
            return None
        attack = self._attack_over_the_air(system, name)
        added = attack(RATIO_DRAWS, rng.generator(self.run_seed, "realised ratio", name))
        return round(float(attack.realised_ssnr_db(added)), 3)

    def _attack_over_the_air(self, system: Scheme, name: str) -> OverTheAirAttack:
        key = system.name, name
        if key not in self._air:
            self._air[key] = self._craft(system, name)
        return self._air[key]

    def _craft(self, system: Scheme, name: str) -> OverTheAirAttack:
        settings = self.threats[name].air
        assert settings is not None
        images = self._collected(settings.samples)
        # a batch of its own: its masks, fading and noise have streams that no test batch has
        own_seed = rng.seed_int(self.run_seed, "collected", name)
        batch = Batch(to_float(images.pixels), images.labels, 0, own_seed)
        surface = system.air_surface(batch, settings.snr_db)
        noise_power = 10 ** (-settings.snr_db / 10)
        power = float(np.mean(np.abs(surface.received) ** 2)) - noise_power
        _, num_uses, num_rx_ant = surface.received.shape
        attack = OverTheAirAttack(settings, num_uses, num_rx_ant, power)
        attack.craft(surface.received, surface.loss, surface.inputs, rng.generator(own_seed, "craft"))
        return attack
