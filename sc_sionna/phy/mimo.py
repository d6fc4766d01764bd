"""The MIMO channel that the digital and the analog link share: precoder, fading, noise, and the LMMSE filter."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import tensorflow as tf
from sionna.phy import Object

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor
from sc_sionna.phy.air.loop import Channel
from sc_sionna.phy.channels import complex_normal, make_channel
from sc_sionna.phy.channels.contract import check_draw
from sc_sionna.phy.precoding import make_precoder
from sc_sionna.phy.receiver import lmmse_filter
from sc_sionna.settings import LinkSettings


class MimoChannel(Object):
    """Precoder, fading, noise and LMMSE of both links: everything between unit-power streams and their estimates.

    settings : of the link; num_uses : channel uses of an image

    Raises
    ------
    UserError for a channel model or a precoder that breaks its contract, see :func:`~sc_sionna.phy.channels.make_channel`
    and :func:`~sc_sionna.phy.precoding.make_precoder`.
    """

    def __init__(self, settings: LinkSettings, num_uses: int) -> None:
        super().__init__(precision="single")
        self.settings, self.num_uses = settings, num_uses
        self.channel = make_channel(settings)
        self.channel.check_uses(num_uses)
        self.precoder = make_precoder(settings, self.channel)
        uses = {"image": num_uses, "symbol": 1}.get(str(settings.coherence), settings.coherence)
        self.uses_per_realisation = min(int(uses), num_uses)
        self.num_realisations = -(-num_uses // self.uses_per_realisation)
        # a partial of its own: TensorFlow counts traces per code object and would warn of several links as of one
        self._graph = tf.function(partial(self._keyed_draw), autograph=False)
        self._compiled_draw = cache(
            lambda: self._graph.get_concrete_function(tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32))
        )  # called as it is, it costs a third of a millisecond less than by way of the function that traces

    @property
    def mean_energy(self) -> float:
        """E|h|² of the channel model as measured when it was built, before any normalisation."""
        return self.channel.mean_energy

    def matrices(self, batch_size: int | Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Fading of B images: h ``[B, R, rx, tx]`` and precoded g = H P ``[B, R, rx, S]``."""
        h = self.channel(batch_size, self.num_realisations, tf.random.experimental.stateless_fold_in(seed, 0))
        antennas = (self.settings.num_rx_ant, self.settings.num_tx_ant)
        check_draw(self.settings.channel, h, *antennas)
        check_finite(self.settings.channel, h)
        h = tf.broadcast_to(h, [batch_size, self.num_realisations, *antennas])  # a model may leave one realisation
        return h, tf.matmul(h, self.precoder(h))

    def draw(
        self, batch_size: int | Tensor, no: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Fading of B images at noise variances ``no [B]``: h, g as :meth:`matrices`, filter and no_eff."""
        h, g = self.matrices(batch_size, seed)
        w, no_eff = lmmse_filter(g, tf.broadcast_to(no[:, None], tf.shape(g)[:2]))
        return h, g, w, no_eff

    def meet(self, no: Tensor, seed: tf.Tensor, interference: Tensor | None = None) -> tuple[tf.Tensor, Channel]:
        """The same draws for the compiled loop: h ``[B, R, rx, tx]``, and what B images at noise variances no ``[B]`` meet.

        seed : int32 ``[2]``; interference : complex64, broadcastable to ``[B, num_uses, rx]``, or None
        """
        no = np.ascontiguousarray(no, np.float32)
        h, g, key, counter = self._compiled_draw()(tf.constant(len(no)), seed)
        check_finite(self.settings.channel, h)
        if interference is not None:
            values = np.asarray(interference, np.complex64)
            interference = np.ascontiguousarray(values.reshape((1,) * (3 - values.ndim) + values.shape))
        words = np.concatenate([key.numpy(), counter.numpy()])
        return h, Channel(g.numpy(), no, words, self.uses_per_realisation, interference)

    def _keyed_draw(self, batch_size: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Matrices h and g, and the key and the counter that the seed of :meth:`noise` stands for."""
        noise_seed = tf.random.experimental.stateless_fold_in(seed, 1)
        return *self.matrices(batch_size, seed), *tf.raw_ops.StatelessRandomGetKeyCounter(seed=noise_seed)

    def noise(self, batch_size: int | Tensor, no: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Noise ``[num_uses, B, rx]``, drawn use by use: a shorter payload sees a prefix of it."""
        shape = [self.num_uses, batch_size, self.settings.num_rx_ant]
        unit = complex_normal(shape, tf.random.experimental.stateless_fold_in(seed, 1))
        return unit * tf.cast(tf.sqrt(no), unit.dtype)[None, :, None]

    def realisation_of(self, use: tf.Tensor) -> tf.Tensor:
        """Fading realisation of a channel use."""
        return use // self.uses_per_realisation


def check_finite(channel: str, h: Tensor) -> None:
    """UserError where drawn matrices are not finite; nothing inside ``tf.function``, where they have no values yet."""
    if hasattr(h, "numpy") and not np.isfinite(h.numpy()).all():
        raise UserError(f"channel = {channel!r}: drew a matrix that is not finite; check the model for divisions by 0")


def no_per_image(no: Tensor, batch_size: int | Tensor) -> Tensor:
    """One noise variance for each image ``[B]`` from a scalar or ``[B]``."""
    if len(no.shape) > 1 or (len(no.shape) == 1 and isinstance(batch_size, int) and no.shape[0] != batch_size):
        raise UserError(f"snr_db of shape {tuple(no.shape)}: a number, or one per image, [{batch_size}], is wanted")
    if isinstance(batch_size, int) and not tf.is_tensor(no):
        return np.broadcast_to(no, [batch_size])
    return tf.broadcast_to(tf.convert_to_tensor(no, tf.float32), [batch_size])


def seed_of_link(seed: Tensor) -> tf.Tensor:
    """The two 32-bit words that name a transmission's fading and noise, as int32 ``[2]``; UserError for anything else."""
    if tf.is_tensor(seed) and not hasattr(seed, "numpy"):
        return tf.cast(seed, tf.int32)
    words = np.asarray(seed)
    if words.shape != (2,) or words.dtype.kind not in "iu" or (np.abs(words.astype(np.float64)) > 2.0**32).any():
        raise UserError(
            f"seed = {seed!r}: two 32-bit integers are wanted; make them with "
            "sc_sionna.core.rng.seed_words(run_seed, ...)"
        )
    return tf.constant(words.astype(np.int64).astype(np.int32))


def interference_of_link(interference: Tensor | None, shape: tuple[int | None, ...]) -> Tensor | None:
    """Interference as complex64, or None; UserError unless it is finite and broadcasts to ``shape`` [B, uses, rx]."""
    if interference is None:
        return None
    if tf.is_tensor(interference) and not hasattr(interference, "numpy"):
        return tf.cast(interference, tf.complex64)
    values = np.asarray(interference)
    known = tuple(1 if size is None else int(size) for size in shape)
    try:
        fits = values.dtype.kind in "fc" and np.broadcast_shapes(values.shape, known) == known
    except ValueError:
        fits = False
    if not fits:
        raise UserError(
            f"interference: {values.dtype} of shape {values.shape}; complex numbers that broadcast to [batch, channel uses, "
            f"receive antennas] = {list(known)} are wanted"
        )
    if not np.isfinite(values).all():
        raise UserError("interference: a value is not finite; scale it to the power that the threat allows")
    return tf.constant(values.astype(np.complex64))
