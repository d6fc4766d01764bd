"""Sample-independent semantic noise at the receiver, Eq. (8) and Algorithm 1: one Δx for every image.

Complex numbers live on the host; only the gradient of the receiver runs in the Keras backend, on real and imaginary parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from keras import ops
from pydantic import Field, model_validator

from sc_sionna.core.backend import compile_function, value_and_input_grad
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.settings import Settings

Loss = Callable[..., Tensor]


class OverTheAirSettings(Settings):
    """The attacker at the receiver: its strength, its antennas and channel, and how Algorithm 1 is run."""

    ssnr_db: float = Field(
        10.0, ge=-60, le=100, description="received signal power over received semantic noise power in dB"
    )
    num_ant: int = Field(8, ge=1, le=64, description="the attacker's antennas; as many as the receiver's if identity")
    channel: Literal["rayleigh", "identity"] = Field(
        "rayleigh", description="H_a: flat Rayleigh, fresh for every image, or identity for hardware impairments"
    )
    samples: int = Field(
        256, ge=1, le=1_000_000, description="the number N of received signals that the attacker has collected"
    )
    snr_db: float = Field(
        3.0,
        ge=-60,
        le=100,
        description="the SNR of the collected signals in dB; a decoder without errors has no gradient",
    )
    steps: int = Field(8, ge=1, le=100_000, description="the number K of ascent steps per sample")
    step_size: float | None = Field(
        None, gt=0, le=1e6, description="α over ε; K·α must exceed 1 to use the whole power; null for 2.5/K"
    )
    rho: float = Field(
        0.1, gt=0, le=1, description="the weight ρ of a sample over ε: about 2/ρ² samples are remembered"
    )
    kind: Literal["semantic", "gaussian"] = Field(
        "semantic", description="Algorithm 1, or as a control Gaussian noise of the same power"
    )

    @property
    def alpha(self) -> float:
        """Step size α as a share of the noise budget; 2.5 / steps unless ``step_size`` sets it."""
        return 2.5 / self.steps if self.step_size is None else self.step_size

    @model_validator(mode="after")
    def _check(self) -> OverTheAirSettings:
        if self.steps * self.alpha <= 1.0:
            raise ValueError(
                f"step_size = {self.step_size}: {self.steps} steps reach {self.steps * self.alpha:g} of the power limit "
                f"and must exceed it (K·α > ε); set step_size > {1 / self.steps:g}"
            )
        return self


class OverTheAirAttack:
    """Holds one Δx ``[U, A]`` (uses, attacker antennas) and adds H_a Δx with a fresh H_a per image.

    :meth:`craft` is Algorithm 1. For every collected signal x̃ with its label and its attacker channel, in parallel::

        δ_norm = H_a^H ∇L(x̃_k) / ||H_a^H ∇L(x̃_k)||,   x̃_{k+1} = x̃_k + α H_a δ_norm,   δ_{k+1} = δ_k + α δ_norm

    then over the samples in turn Δx ← Δx + ρ·ε·δ_K/||δ_K||, scaled back to ||Δx|| = ε. The paper writes H_a*; the
    matched filter of a matrix channel is its conjugate transpose. ``attack(batch_size, generator)`` gives the interference
    complex64 ``[B, U, rx]`` that :class:`~sc_sionna.phy.link.DigitalLink` takes.

    A procedure on the host, not a layer: the signals that it adds to live on the simulated air, outside every network.

    num_uses, num_rx_ant : U, and antennas of the receiver
    signal_power : mean received signal power per antenna, from which ``ssnr_db`` sets the strength
    """

    def __init__(self, settings: OverTheAirSettings, num_uses: int, num_rx_ant: int, signal_power: float) -> None:
        self.settings, self.num_uses, self.num_rx_ant = settings, num_uses, num_rx_ant
        self.num_ant = num_rx_ant if settings.channel == "identity" else settings.num_ant
        self.signal_power = signal_power
        received = signal_power / 10 ** (settings.ssnr_db / 10)  # per receive antenna and use
        # E|h|² = 1: a receive antenna gets the sum over the attacker's antennas, through the identity only its own part
        per_use = received * (num_rx_ant if settings.channel == "identity" else 1)
        self.epsilon = float(np.sqrt(num_uses * per_use))  # ||Δx||
        self.noise = np.zeros((num_uses, self.num_ant), np.complex64)  # Δx, zero before it is crafted

    def draw_channel(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """H_a complex ``[count, rx, A]``."""
        if self.settings.channel == "identity":
            return np.tile(np.eye(self.num_rx_ant, dtype=np.complex128), (count, 1, 1))
        parts = generator.standard_normal((2, count, self.num_rx_ant, self.num_ant)) * 0.5**0.5
        return parts[0] + 1j * parts[1]

    def craft(
        self, received: np.ndarray, loss: Loss, inputs: tuple[Tensor, ...], generator: np.random.Generator
    ) -> float:
        """Algorithm 1; returns by how much the mean loss rose on the collected signals.

        received : x̃, complex ``[N, U, rx]``
        loss : ``loss(y [N, U, rx, 2], *inputs)`` gives the loss per sample ``[N]``, differentiable in y
        """
        if received.shape[1:] != (self.num_uses, self.num_rx_ant):
            raise UserError(
                f"received signals of shape {received.shape}: [samples, {self.num_uses}, {self.num_rx_ant}] is wanted"
            )
        if self.settings.kind == "gaussian":
            parts = generator.standard_normal((self.num_uses, self.num_ant, 2))
            self._set(parts[..., 0] + 1j * parts[..., 1])
            return 0.0
        h = self.draw_channel(len(received), generator)
        gradient = compile_function(lambda y, *rest: _loss_and_gradient(loss, y, rest))
        delta = np.zeros((len(received), self.num_uses, self.num_ant), np.complex128)
        y, losses = received.astype(np.complex128), []
        for _ in range(self.settings.steps):  # Algorithm 1, lines 3 to 7, for all samples n at once
            value, slope = gradient(np.stack([y.real, y.imag], -1).astype(np.float32), *inputs)
            slope = ops.convert_to_numpy(slope).astype(np.float64)
            losses.append(float(ops.convert_to_numpy(value)))
            step = np.einsum("nra,nur->nua", h.conj(), slope[..., 0] + 1j * slope[..., 1])
            # Algorithm 1, line 4: from here on ``step`` is α δ_norm
            step *= self.epsilon * self.settings.alpha / np.maximum(_norm(step), 1e-30)
            y = y + np.einsum("nra,nua->nur", h, step)  # Algorithm 1, line 5
            delta = delta + step  # Algorithm 1, line 6
        if not np.any(delta):
            raise UserError("over-the-air attack: the receiver has no gradient; attack a system with a learned decoder")
        total = np.zeros((1, self.num_uses, self.num_ant), np.complex128)
        moved = _norm(delta)[:, 0, 0] > 0  # a signal that is decoded beyond doubt says nothing
        for direction in delta[moved] / _norm(delta[moved]):
            total = total + self.settings.rho * self.epsilon * direction  # Algorithm 1, line 8
            total = total * (self.epsilon / _norm(total))  # Algorithm 1, line 9
        self._set(total[0])
        return losses[-1] - losses[0]

    def _set(self, noise: np.ndarray) -> None:
        self.noise = (noise * (self.epsilon / np.linalg.norm(noise))).astype(np.complex64)

    def __call__(self, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        """H_a Δx for a batch, complex64 ``[B, U, rx]``."""
        h = self.draw_channel(batch_size, generator)
        return np.einsum("bra,ua->bur", h, self.noise).astype(np.complex64)  # Eq. (8): H_a Δx

    def realised_ssnr_db(self, interference: np.ndarray) -> float:
        """Signal power over the power of what was really added, in dB."""
        return float(10 * np.log10(self.signal_power / np.mean(np.abs(interference) ** 2)))


def _norm(x: np.ndarray) -> np.ndarray:
    """Norm per sample ``[N, 1, 1]`` of ``[N, U, A]``."""
    return np.linalg.norm(x, axis=(1, 2), keepdims=True)


def _loss_and_gradient(loss: Loss, y: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    def total(y: Tensor) -> tuple[Tensor, Tensor]:
        per_sample = loss(y, *inputs)
        return ops.sum(per_sample), ops.mean(per_sample)

    (_, mean), gradient = value_and_input_grad(total, y)
    return mean, gradient
