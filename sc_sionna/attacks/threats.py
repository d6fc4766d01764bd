"""A threat of a sweep as a value: where noise enters, how strong it is, and how it is made.

A threat names itself: its label contains everything that tells it from another threat. Its random draws follow from its
settings, never from the label, so that words can be improved without a changed count. What the attacker of each kind knows
is in ``knowledge``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, computed_field, model_validator

from sc_sionna.attacks.ball import Norm, random_sign_noise
from sc_sionna.attacks.jamming import JammerSettings
from sc_sionna.attacks.objective import Objective
from sc_sionna.attacks.over_the_air import OverTheAirSettings
from sc_sionna.attacks.source import SourceAttack, SourceAttackSettings
from sc_sionna.attacks.victim import Victim
from sc_sionna.core.plugins import make
from sc_sionna.settings import Settings, settings_hash

# Makes images [I, H, W, 3] in [0, 1] of images, labels [I] and a generator
Crafter = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
# Compiled passes that the threats of a sweep share, by what they are compiled for; one set for each scheme
Shared = dict[tuple[Any, ...], Objective]
NORMS: dict[Norm, str] = {"linf": "ℓ∞", "l2": "ℓ2"}
COMPUTED = {"batch_size"}  # of an attack: how it is computed, not what


class _Threat(Settings):
    """Common to all: a label that follows from the settings, in what is dumped as well."""

    knowledge: ClassVar[str]
    needs_gradient: ClassVar[bool]
    # whether the attacker has to know what the channel uses carry, which a scheme's air_layouts says
    needs_layout: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _label_follows(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if k != "label"} if isinstance(values, dict) else values

    @computed_field  # type: ignore[prop-decorator]
    @property
    def label(self) -> str:
        """The name in records and figures."""
        return self._words()

    def _words(self) -> str:
        raise NotImplementedError

    @property
    def stream(self) -> str:
        """Names the random draws: a hash of the settings, without how they are computed."""
        return settings_hash(self.model_dump(mode="json", exclude={"label": True, "attack": COMPUTED}))


class _AtSource(_Threat):
    """Noise that is added to the image, before the transmitter."""

    where: ClassVar[Literal["source", "receiver"]] = "source"

    def crafter(self, victim: Callable[[], Victim], random: bool, shared: Shared) -> Crafter:
        """Makes the noisy images for one scheme.

        Parameters
        ----------
        victim
            Gives the scheme as the attacker differentiates it; a scheme without gradient has none to give.
        random
            Whether the victim draws anything.
        shared
            Compiled passes of that scheme, to be used again and added to.
        """
        raise NotImplementedError


class SourceThreat(_AtSource):
    """Semantic noise at the transmitter, Eq. (7), crafted for each image anew.

    Draws: a gradient is averaged over ``attack.draws`` draws of what the attacker does not know. Against a scheme that
    draws nothing they would be the same pass again and again, so there it is one.
    """

    knowledge: ClassVar[str] = "weights and code; of masks and channel the statistics only"
    needs_gradient: ClassVar[bool] = True

    kind: Literal["source"] = "source"
    attack: SourceAttackSettings = Field(description="budget and effort of the attack")

    def _words(self) -> str:
        a = self.attack
        named = {"norm", "epsilon", "steps", "draws"}
        words = [f"semantic noise, {NORMS[a.norm]} ε = {a.epsilon:.6g}", _several(a.steps, "step")]
        words += [_several(a.draws, "draw"), *_unusual(a, named), "white box, draws unknown"]
        return ", ".join(words)

    def crafter(self, victim: Callable[[], Victim], random: bool, shared: Shared) -> Crafter:
        """Eq. (7) on ``victim()``; attacks that differ in strength alone share their compiled passes in ``shared``."""
        settings = self.attack if random else self.attack.with_(draws=1)
        key = settings.loss, settings.draws, settings.batch_size
        attack = SourceAttack(victim(), settings, shared.get(key))
        shared[key] = attack.objective
        return lambda images, labels, generator: attack.craft(images, labels, generator).images


class RandomSignThreat(_AtSource):
    """The control of :class:`SourceThreat`: ±ε in every pixel, with random signs."""

    knowledge: ClassVar[str] = "nothing"
    needs_gradient: ClassVar[bool] = False

    kind: Literal["random-sign"] = "random-sign"
    epsilon: float = Field(ge=0, le=1, allow_inf_nan=False, description="the ℓ∞ budget on the [0, 1] scale")

    def _words(self) -> str:
        return f"random signs, ℓ∞ ε = {self.epsilon:.6g}, blind"

    def crafter(self, victim: Callable[[], Victim], random: bool, shared: Shared) -> Crafter:
        """Random signs, for which neither labels nor victim are needed."""
        return lambda images, _, generator: random_sign_noise(images, self.epsilon, generator)


class CustomThreat(_AtSource):
    """An attack of the user's own at the source.

    The class is built as ``Class(victim, **options)``, where ``victim()`` gives the scheme as an attacker differentiates it,
    and then called as a :data:`Crafter`. All its random draws are of the generator that it is called with.
    """

    knowledge: ClassVar[str] = "as its class says"
    needs_gradient: ClassVar[bool] = False  # if it asks a scheme for one that has none, that scheme says so

    kind: Literal["custom"] = "custom"
    attack: str = Field(description="module:Class")
    options: dict[str, Any] = Field(default_factory=dict, description="the keyword arguments of the class")

    def _words(self) -> str:
        return ", ".join([self.attack, *(f"{name} = {value}" for name, value in self.options.items())])

    def crafter(self, victim: Callable[[], Victim], random: bool, shared: Shared) -> Crafter:
        """The user's class, built with ``victim`` and ``options``; UserError where it cannot be resolved or built."""
        made: Crafter = make(self.attack, {}, "attack", victim, **self.options)
        return made

    @property
    def stream(self) -> str:
        """Hash of all settings except the label, which names the random draws."""
        return settings_hash(self.model_dump(mode="json", exclude={"label"}))


class _AtReceiver(_Threat):
    """Noise that is added at the receive antennas."""

    where: ClassVar[Literal["source", "receiver"]] = "receiver"

    attack: Any

    def _power(self) -> list[str]:
        a = self.attack
        return [f"{a.ssnr_db:.6g} dB", f"{a.num_ant} antennas", f"{a.channel} channel"]


class OverTheAirThreat(_AtReceiver):
    """Semantic noise at the receiver, Algorithm 1: the same Δx for every image."""

    knowledge: ClassVar[str] = "weights and code, received signals with labels, channel statistics"
    needs_gradient: ClassVar[bool] = True

    kind: Literal["over-the-air"] = "over-the-air"
    attack: OverTheAirSettings = Field(description="the attacker's strength, antennas and channel, and its effort")

    @model_validator(mode="after")
    def _check(self) -> OverTheAirThreat:
        if self.attack.kind != "semantic":
            raise ValueError(f"attack.kind = {self.attack.kind!r}: this threat is 'semantic'; name kind = 'gaussian'")
        return self

    def _words(self) -> str:
        a = self.attack
        named = {"ssnr_db", "num_ant", "channel", "steps", "samples", "snr_db", "kind"}
        effort = [_several(a.steps, "step"), f"{_several(a.samples, 'signal')} collected at {a.snr_db:.6g} dB"]
        return ", ".join(["over the air", *self._power(), *effort, *_unusual(a, named), "white box"])


class GaussianThreat(_AtReceiver):
    """The control of :class:`OverTheAirThreat`: Gaussian noise of the same power through the same attacker channel."""

    knowledge: ClassVar[str] = "nothing"
    needs_gradient: ClassVar[bool] = False

    kind: Literal["gaussian"] = "gaussian"
    attack: OverTheAirSettings = Field(description="the attacker's strength, antennas and channel, and its effort")

    @model_validator(mode="after")
    def _check(self) -> GaussianThreat:
        if self.attack.kind != "gaussian":
            raise ValueError(
                f"attack.kind = {self.attack.kind!r}: this threat is 'gaussian'; name kind = 'over-the-air'"
            )
        return self

    def _words(self) -> str:
        named = {"ssnr_db", "num_ant", "channel", "steps", "step_size", "rho", "kind"}  # Algorithm 1 is not run
        samples = [] if self.attack.samples == 256 else [f"power over {self.attack.samples} signals"]
        return ", ".join(
            ["Gaussian over the air", *self._power(), *samples, *_unusual(self.attack, named | {"samples"}), "blind"]
        )


class JammingThreat(_AtReceiver):
    """Noise on some channel uses, fresh for every image: against coded payloads, which have no gradient."""

    knowledge: ClassVar[str] = "code, framing and length; of channels, noise and data the statistics only"
    needs_gradient: ClassVar[bool] = False
    needs_layout: ClassVar[bool] = True

    kind: Literal["jamming"] = "jamming"
    attack: JammerSettings = Field(description="the attacker's strength, antennas and channel, and the uses it takes")

    def _words(self) -> str:
        a = self.attack
        uses = {"best": "best pattern", "header": "header"}.get(a.pattern, a.pattern)
        if a.pattern != "header":
            uses += ", best share" if a.share is None else f", {100 * a.share:.6g} % of the uses"
        words = ["jamming", *self._power(), uses]
        if a.pattern == "best" or (a.share is None and a.pattern != "header"):
            words.append(f"tried on {_several(a.samples, 'image')} at {a.snr_db:.6g} dB")
        named = {"ssnr_db", "num_ant", "channel", "pattern", "share", "shuffled", "samples", "snr_db"}
        words += _unusual(a, named if words[-1].startswith("tried") else named - {"samples", "snr_db"})
        return ", ".join([*words, *(["as many random uses"] if a.shuffled else []), "code and framing known"])


Threat = Annotated[
    SourceThreat | RandomSignThreat | OverTheAirThreat | GaussianThreat | JammingThreat | CustomThreat,
    Field(discriminator="kind"),
]


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count != 1 else "")


def _unusual(attack: Settings, named: set[str]) -> list[str]:
    """Settings that differ from their default and that the label has not named yet, each as ``name = value``."""
    fields = type(attack).model_fields
    values = {name: getattr(attack, name) for name in fields if name not in named | COMPUTED}
    return [f"{name} = {value}" for name, value in values.items() if value != fields[name].default]


def source_threat(epsilon: float, **values: Any) -> SourceThreat:
    """Eq. (7) with a budget ε on the [0, 1] scale."""
    return SourceThreat(attack=SourceAttackSettings(epsilon=epsilon, **values))


def random_sign_threat(epsilon: float) -> RandomSignThreat:
    """The control of :func:`source_threat`."""
    return RandomSignThreat(epsilon=epsilon)


def air_threat(ssnr_db: float, gaussian: bool = False, **values: Any) -> OverTheAirThreat | GaussianThreat:
    """Algorithm 1 at a signal-to-semantic-noise ratio in dB, or Gaussian noise of the same power."""
    if gaussian:
        return GaussianThreat(attack=OverTheAirSettings(ssnr_db=ssnr_db, kind="gaussian", **values))
    return OverTheAirThreat(attack=OverTheAirSettings(ssnr_db=ssnr_db, **values))


def jamming_threat(ssnr_db: float, shuffled: bool = False, **values: Any) -> JammingThreat:
    """Jamming of some uses at a ratio in dB over all of them, or of as many random ones."""
    return JammingThreat(attack=JammerSettings(ssnr_db=ssnr_db, shuffled=shuffled, **values))


def paper_attack(draws: int) -> str:
    """The name that an audit gives Eq. (7) with gradients averaged over so many draws."""
    return f"eq7, {_several(draws, 'draw')}"
