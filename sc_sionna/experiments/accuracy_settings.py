"""Settings of accuracy sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from sc_sionna.attacks.threats import Threat
from sc_sionna.experiments.base import SweepSettings
from sc_sionna.schemes import Scheme, Spec, specs
from sc_sionna.settings import LARGEST, Decibel, LinkSettings
from sc_sionna.sweep import StopRule


def can_attack(threat: Any, scheme: type[Scheme]) -> bool:
    """Whether a scheme has what a threat needs: a gradient, to the image or at the receiver, or the layout of its uses."""
    if threat.needs_layout:
        patterns = getattr(scheme, "jammed_by", ())
        return threat.attack.pattern in patterns or bool(patterns and threat.attack.pattern == "best")
    if not threat.needs_gradient:
        return True
    return scheme.over_the_air if threat.where == "receiver" else scheme.gradient != "none"


class AccuracySettings(SweepSettings):
    """Everything that the counts of an accuracy sweep depend on, besides the weights (named by their SHA-256)."""

    kind: Literal["accuracy"] = "accuracy"
    preset: str = Field("digits", description="the preset whose trained schemes are compared")
    dataset: str = Field("digits", description="the data set of the test images")
    schemes: tuple[Spec, ...] = Field(
        specs(("masked-vqvae", "jpeg-ldpc")),
        min_length=1,
        description="the schemes that are compared: SCHEME, SCHEME@VARIANT or SCHEME[setting=value,...]",
    )
    snr_db: tuple[Decibel, ...] = Field(
        (-9, -6, -3, 0, 3, 6, 9, 12, 15, 18), min_length=1, description="the SNRs in dB"
    )
    max_images: int | None = Field(None, ge=1, le=LARGEST, description="the number of test images; null for all")
    batch_size: int = Field(128, ge=1, le=4096, description="images per Monte-Carlo batch")
    link: LinkSettings = Field(default_factory=LinkSettings)
    decoding: Literal["hard", "soft"] = Field(
        "hard", description="codebook vectors of hard indices, or posterior means from the decoder's soft output"
    )
    clean: bool = Field(True, description="false to leave out the points without semantic noise")
    threats: tuple[Threat, ...] = Field((), description="semantic noise, each a curve of its own beside the clean one")
    stop: StopRule = Field(default_factory=StopRule)
    seed: int = Field(1, ge=0, le=LARGEST, description="the run seed")

    @model_validator(mode="before")
    @classmethod
    def _other_words(cls, values: Any) -> Any:
        """``systems`` is ``schemes``; settings of earlier records had threats by name, and who was left out."""
        values = dict(values)
        if "systems" in values:
            values["schemes"] = values.pop("systems")
        if isinstance(values.get("threats"), Mapping):
            if values["threats"]:
                raise ValueError(
                    "threats: are listed by name, as an earlier version did whose draws followed from these names; run the "
                    "sweep again"
                )
            values["threats"] = ()
        if values.get("left_out") == {}:
            del values["left_out"]
        return values

    @model_validator(mode="after")
    def _check(self) -> AccuracySettings:
        for what, labels in (("systems", self.labels), ("threats", tuple(t.label for t in self.threats))):
            if len(set(labels)) < len(labels):
                raise ValueError(f"{what} = {', '.join(labels)}: one occurs twice; name each once")
        if not self.clean and not self.threats:
            raise ValueError(
                "clean = False: without threats nothing is left to run; name a threat, or set clean = true"
            )
        self._check_gradients()
        if self.threats and self.link.by_realisation:
            raise ValueError(
                f"threats = {self.threats[0].label}: every image has a framing of its own with link.adaptation = "
                f"{self.link.adaptation!r}, which no attacker here knows; set adaptation = {self.link.adapts!r}"
            )
        blind = [threat.label for threat in self.threats if threat.needs_layout]
        if blind and self.link.adaptation != "none":
            raise ValueError(
                f"threats = {blind[0]}: knows the framing of one mode, and link.adaptation = {self.link.adaptation!r} "
                "changes it with the SNR; set adaptation = 'none'"
            )
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The schemes' names in records and figures."""
        return tuple(spec.label for spec in self.schemes)

    def _check_gradients(self) -> None:
        """ValueError where the link leaves no gradient with respect to the received signals that a threat needs."""
        needed = [t.label for t in self.threats if t.where == "receiver" and t.needs_gradient]
        if needed and self.link.crc != "none" and any(s.scheme_class.payload == "indices" for s in self.schemes):
            raise ValueError(
                f"link.crc = {self.link.crc!r}: the gradient of threat {needed[0]!r} needs index payloads without a CRC; "
                "set crc = 'none', or use the control 'gaussian'"
            )
