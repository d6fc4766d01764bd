"""Semantic noise of a sweep: crafted once per (scheme, threat, batch), reused at every SNR, and then dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from sc_sionna.attacks.jamming import Jammer, Plan, best_plan, candidates
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
        self._jammers: dict[tuple[str, str], Jammer] = {}

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
        """H_a Δx with a fresh H_a per image, complex ``[B, U, rx]``; None for noise at the transmitter.

        Its draws have streams of their own: no realisation of the link's fading and noise goes into it.
        """
        if threat.where != "receiver":
            return None
        generator = rng.generator(self.run_seed, "attacker channel", snr_db, batch.index)
        if threat.needs_layout:
            return self.jammer(scheme, threat)(scheme.air_layouts(batch), self._places(threat, batch), generator)
        return self._attack_over_the_air(scheme, threat)(len(batch.labels), generator)

    def sha256(self, scheme: Scheme, threat: Any, batch: Batch) -> str:
        """Names what was crafted for a batch: the images, or the uses that are jammed, or the one Δx sent over the air."""
        if threat.needs_layout:
            made = self.jammer(scheme, threat).uses(scheme.air_layouts(batch), self._places(threat, batch))
        elif threat.where == "receiver":
            made = np.asarray(self._attack_over_the_air(scheme, threat).noise)
        else:
            made = self.images(scheme, threat, batch)
        return hashlib.sha256(np.ascontiguousarray(made).tobytes()).hexdigest()

    def realised_ssnr_db(self, scheme: Scheme, threat: Any) -> float | None:
        """Signal-to-semantic-noise ratio in dB over fresh channels of the attacker; None for noise at the transmitter."""
        if threat.where != "receiver":
            return None
        if threat.needs_layout:
            jammer, trial = self.jammer(scheme, threat), self._trial_batch(threat)
            layouts = (scheme.air_layouts(trial) * -(-RATIO_DRAWS // len(trial.labels)))[:RATIO_DRAWS]
            generators = (rng.generator(self.run_seed, "realised ratio", threat.stream, of) for of in ("uses", "air"))
            return round(jammer.realised_ssnr_db(layouts, jammer(layouts, *generators)), 3)
        attack = self._attack_over_the_air(scheme, threat)
        added = attack(RATIO_DRAWS, rng.generator(self.run_seed, "realised ratio", threat.stream))
        return round(float(attack.realised_ssnr_db(added)), 3)

    def _attack_over_the_air(self, scheme: Scheme, threat: Any) -> OverTheAirAttack:
        key = scheme.name, threat.stream
        if key not in self._air:
            self._air[key] = self._craft(scheme, threat)
        return self._air[key]

    def _collected_batch(self, settings: Any, *name: str) -> Batch:
        """Training images in a batch of its own: its masks, fading and noise have streams that no test batch has."""
        images = self._collected(settings.samples)
        return Batch(to_float(images.pixels), images.labels, 0, rng.seed_int(self.run_seed, *name))

    def _craft(self, scheme: Scheme, threat: Any) -> OverTheAirAttack:
        settings = threat.attack
        batch = self._collected_batch(settings, "collected", threat.stream)
        surface = scheme.air_surface(batch, settings.snr_db)
        _, num_uses, num_rx_ant = surface.received.shape
        attack = OverTheAirAttack(settings, num_uses, num_rx_ant, _signal_power(surface.received, settings.snr_db))
        attack.craft(surface.received, surface.loss, surface.inputs, rng.generator(batch.run_seed, "craft"))
        return attack

    # ------------------------------------------------------------------ jamming of coded payloads

    def jammer(self, scheme: Scheme, threat: Any) -> Jammer:
        """The attacker with the pattern and the share that it has settled on; its control has as many uses."""
        key = scheme.name, threat.stream
        if key not in self._jammers:
            settings = threat.attack
            if settings.shuffled:
                aimed = self.jammer(scheme, threat.with_(attack={"shuffled": False}))
                self._jammers[key] = Jammer(settings, aimed.plan, aimed.num_rx_ant, aimed.signal_power)
            else:
                self._jammers[key] = self._settled(scheme, threat)
        return self._jammers[key]

    def jammed_uses(self, scheme: Scheme, threat: Any) -> dict[str, Any] | None:
        """The pattern and the share that an attacker has settled on; None for another kind of noise."""
        if not threat.needs_layout:
            return None
        return self.jammer(scheme, threat).plan._asdict()

    def _settled(self, scheme: Scheme, threat: Any) -> Jammer:
        """Try what the settings leave open on training images, over fading and noise that no test batch has."""
        settings, batch = threat.attack, self._trial_batch(threat)
        received = scheme.air_surface(batch, settings.snr_db).received
        power, num_rx_ant = _signal_power(received, settings.snr_db), received.shape[-1]
        layouts = scheme.air_layouts(batch)

        def survived(plan: Plan) -> tuple[float, ...]:
            """The task's score, and among equals the blocks without errors; every plan meets the same draws."""
            generators = (rng.generator(batch.run_seed, of) for of in ("uses", "air"))
            interference = Jammer(settings, plan, num_rx_ant, power)(layouts, *generators)
            outputs = scheme.transmit(batch, settings.snr_db, interference)
            score = scheme.task.score(outputs["predictions"], batch.targets(scheme.task)).mean()
            return float(score), -scheme.counts(batch, outputs).get("block_errors", 0)

        plan = best_plan(candidates(settings, layouts), survived)
        scheme.forget()
        return Jammer(settings, plan, num_rx_ant, power)

    def _trial_batch(self, threat: Any) -> Batch:
        return self._collected_batch(threat.attack, "jamming trials")

    def _places(self, threat: Any, batch: Batch) -> np.random.Generator:
        return rng.generator(self.run_seed, "jammed uses", threat.stream, batch.index)


def _signal_power(received: np.ndarray, snr_db: float) -> float:
    """Mean signal power per receive antenna of signals collected at ``snr_db``, without the noise in them."""
    return float(np.mean(np.abs(received) ** 2)) - 10 ** (-snr_db / 10)
