"""JSCC: the same ViT without quantiser, its features sent as complex symbols over the analog link."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from keras import ops

from sc_sionna.attacks.jamming import UNCODED, Pattern
from sc_sionna.attacks.victim import CodecVictim, Victim
from sc_sionna.core import rng
from sc_sionna.core.backend import compile_function
from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.analog_link import AnalogLink
from sc_sionna.phy.budget import Budget
from sc_sionna.phy.layout import AirLayout
from sc_sionna.schemes.base import (
    CHANGEABLE,
    AirSurface,
    Batch,
    BatchKey,
    Gradient,
    Payload,
    Predictor,
    Surroundings,
    air_loss,
)
from sc_sionna.schemes.filling import features_and_copies
from sc_sionna.schemes.victims import AnalogVictim
from sc_sionna.semantic.codec import SemanticCodec, make_masking
from sc_sionna.settings import LinkSettings
from sc_sionna.tasks import make_task
from sc_sionna.training.analog import AnalogChannel

if TYPE_CHECKING:
    from sc_sionna.schemes.spec import SchemeSpec


class JsccScheme:
    """JSCC with the ViT architecture (Sec. V; Bourtsoulatze et al. 2019, doi:10.1109/TCCN.2019.2919300).

    image → features of all patches → power normalised per image → symbols → link → symbols → features → class.

    Where ``link.channel_uses`` is set, as many features are sent as these uses hold symbols, drawn anew for every image by
    both ends; all of them several times over where there is room, and the receiver weighs the copies by their noise.
    """

    gradient: ClassVar[Gradient] = "exact"
    payload: ClassVar[Payload] = "analog"
    over_the_air: ClassVar[bool] = True
    trained: ClassVar[bool] = True
    changeable: ClassVar[tuple[str, ...]] = CHANGEABLE
    jammed_by: ClassVar[tuple[Pattern, ...]] = UNCODED

    def __init__(self, name: str, codec: SemanticCodec, link: LinkSettings) -> None:
        self.name, self.codec = name, codec
        self.masking = make_masking(codec.settings, codec.candidate_positions())
        self._encode = compile_function(codec.encode)
        self.task = make_task(codec.settings)
        self._predict = Predictor(self.task, codec.decode)
        self._connect(link)

    def _connect(self, link: LinkSettings) -> None:
        """Choose how many features the link carries and how often, and build it."""
        self.settings = link
        self.num_sent, self.copies = features_and_copies(self.codec, link)
        self.uses_per_copy = self.num_sent * self.codec.settings.code_dim // (2 * link.num_streams)
        self.link = AnalogLink(link, self.copies * self.uses_per_copy)
        self._sent: dict[BatchKey, tuple[np.ndarray, np.ndarray]] = {}
        self._error_free: dict[tuple[BatchKey, float], np.ndarray] = {}

    def on(self, link: LinkSettings) -> JsccScheme:
        """The same codec over another link."""
        other = copy.copy(self)
        other._connect(link)
        return other

    @classmethod
    def build(cls, spec: SchemeSpec, surroundings: Surroundings) -> JsccScheme:
        """The codec that the value names on the analog link of the surroundings."""
        return cls(spec.label, surroundings.codec(spec), surroundings.link)

    @property
    def random(self) -> bool:
        """Whether the kept patches are drawn; noise on the air is no part of the pass."""
        return self.num_sent < len(self.codec.candidate_positions())

    def forget(self) -> None:
        """Drop features and error-free predictions of the batches so far."""
        self._sent.clear()
        self._error_free.clear()

    def _source(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        if batch.key not in self._sent:
            keep = self.masking(len(batch.labels), rng.generator(batch.run_seed, "mask", batch.index))
            features, _ = self._encode(batch.images, keep, np.zeros(len(keep), np.float32))
            if self.num_sent < keep.shape[1]:
                order = np.broadcast_to(np.arange(keep.shape[1]), keep.shape)
                order = rng.generator(batch.run_seed, "order", batch.index).permuted(order, axis=1)[:, : self.num_sent]
                keep = np.take_along_axis(keep, order, axis=1)
                features = np.take_along_axis(np.asarray(features), order[..., None], axis=1)
            self._sent[batch.key] = keep, np.asarray(features)
        return self._sent[batch.key]

    def error_free_predictions(self, batch: Batch, snr_db: float) -> np.ndarray:
        """Predictions ``[B]`` from the features as sent; a decoder that knows the SNR is told this one."""
        told = snr_db if self.codec.settings.decoder.knows_snr else 0.0
        key = batch.key, told
        if key not in self._error_free:
            keep, features = self._source(batch)
            self._error_free[key] = self._predict(features, keep, np.full(len(keep), told, np.float32))
        return self._error_free[key]

    def transmit(self, batch: Batch, snr_db: float, interference: np.ndarray | None = None) -> dict[str, Any]:
        """Send the features of the kept patches as complex symbols ``[B, U, S]``, and classify from the noisy ones."""
        keep, features = self._source(batch)  # images -> [B, N, D]
        x = self._symbols(features)  # -> [B, U, S]
        x_hat, no_eff = self.link(x, snr_db, batch.link_seed(snr_db), interference)  # -> [B, U, S]
        received = self.codec.from_symbols(self._combined(x_hat, no_eff))  # -> [B, N, D]
        predictions = self._predict(received, keep, np.full(len(keep), snr_db, np.float32))
        return {"predictions": predictions, "x": x, "x_hat": np.asarray(x_hat), "no_eff": np.asarray(no_eff)}

    def _symbols(self, features: np.ndarray) -> np.ndarray:
        """All copies of the features as symbols ``[B, U, S]``."""
        return np.tile(self.codec.to_symbols(features, self.settings.num_streams), (1, self.copies, 1))

    def _combined(self, x_hat: Tensor, no_eff: Tensor) -> np.ndarray:
        """The mean of the copies ``[B, U, S]``, weighed by their noise: maximum ratio combining."""
        if self.copies == 1:
            return np.asarray(x_hat)
        shape = (len(x_hat), self.copies, self.uses_per_copy, self.settings.num_streams)
        weight = 1.0 / np.asarray(no_eff).reshape(shape)
        return (np.asarray(x_hat).reshape(shape) * weight).sum(axis=1) / weight.sum(axis=1)

    def counts(self, batch: Batch, outputs: dict[str, Any]) -> dict[str, int]:
        """Counts of the task alone: no bit is sent."""
        return self.task.counts(outputs["predictions"], batch.targets(self.task))

    def budget(self, images: np.ndarray) -> Budget:
        """Two features to a symbol, the same for every image; nothing is coded."""
        symbols = self.link.mimo.num_uses * self.settings.num_streams
        nothing = dict.fromkeys(("payload_bits", "side_bits", "crc_bits", "padding_bits", "coded_bits"), 0.0)
        return Budget(
            **nothing, symbols=symbols, channel_uses=symbols / self.settings.num_streams, uncoded_symbols=symbols
        )

    # ------------------------------------------------------------------ what an attacker may use

    def victim(self, **values: Any) -> CodecVictim:
        """The differentiable pass from image to class, without noise on the air."""
        return CodecVictim(self.codec, self.masking, snr_db=values.pop("snr_db", 18.0), **values)

    def adaptive_victims(self, snr_db: float, cache_dir: Path) -> dict[str, Victim]:
        """The scheme as it runs, with the noise that features have after the link at ``snr_db``."""
        reals, analog = self.codec.payload_length, AnalogChannel(self.settings, snr_db)
        victim = AnalogVictim(
            self.codec, self.masking, snr_db=snr_db, noise=lambda count, g: analog.error(count, reals, g)
        )
        return {"straight-through": victim}

    def air_surface(self, batch: Batch, snr_db: float) -> AirSurface:
        """The received symbols, and the task's loss through the equaliser and the decoder: an exact gradient."""
        if self.copies > 1:
            raise UserError(
                f"over-the-air attack on {self.name!r} with link.channel_uses = {self.settings.channel_uses}: the gradient "
                "is written for one copy of the symbols; take fewer uses"
            )
        keep, features = self._source(batch)
        y, w = self.link.received(self._symbols(features), snr_db, batch.link_seed(snr_db))
        codec, task_loss = self.codec, air_loss(self)

        def loss(
            y: Tensor, w_real: Tensor, w_imag: Tensor, labels: Tensor, keep: Tensor, snr: Tensor, clean: Tensor
        ) -> Tensor:
            real, imag = y[..., 0][:, :, None, :], y[..., 1][:, :, None, :]  # [B, U, 1, rx]
            pair = [ops.sum(w_real * real - w_imag * imag, -1), ops.sum(w_real * imag + w_imag * real, -1)]
            received = ops.reshape(ops.stack(pair, -1), (-1, keep.shape[1], codec.settings.code_dim))
            return task_loss(codec.decode(received, keep, snr), labels, clean)

        w, snr = np.asarray(w), np.full(len(keep), snr_db, np.float32)
        return AirSurface(np.asarray(y), loss, (w.real.copy(), w.imag.copy(), batch.labels, keep, snr, batch.images))

    def air_layouts(self, batch: Batch) -> list[AirLayout]:
        """Uses without code words, as many for every image."""
        return [AirLayout(self.link.mimo.num_uses)] * len(batch.labels)
