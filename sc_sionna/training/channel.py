"""The link as an error on what is sent, for training: flips of index bits, or noise on analog symbols.

The calibrated channel stands for the full link where training needs millions of transmissions: the link is run once per
SNR, in steps of 1 dB where images have SNRs from a range, its bit error rate per *image* is kept as quantiles, and an
error pattern draws one of those rates per image and flips that image's bits independently. Fading makes whole images
good or bad, so the rate per image, not the mean rate, is what makes the index error rate agree with the link's (a test
compares them). Analog symbols need no calibration: after the unbiased LMMSE filter they carry Gaussian noise whose
variance follows from H in closed form.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.core import rng
from sc_sionna.core.code_identity import code_identity
from sc_sionna.core.errors import UserError
from sc_sionna.semantic.codec import SemanticCodec
from sc_sionna.settings import LinkSettings, Preset, settings_hash
from sc_sionna.training.analog import AnalogChannel
from sc_sionna.training.calibration_file import locked_calibration, read_calibration, write_calibration

CALIBRATION_DIR = Path(__file__).parent / "calibration"
NUM_QUANTILES = 257
# What only matters to longer payloads. The decoder counts: the bits of a block that neither decodes differ between them.
_IRRELEVANT = ("max_block_bits", "adaptation", "target_bler")
# Settings that are younger than the calibrations that are shipped, which are those of the defaults
_LATER = ("normalize_channel", "channel_uses", "channel_args")


def calibration_key(link: LinkSettings, payload_bits: int) -> str:
    """Name of a calibration: a hash of the link's settings, the payload and the source of plug-ins in the link."""
    relevant = {k: v for k, v in link.model_dump().items() if k not in _IRRELEVANT}
    for name in _LATER:
        if not relevant[name]:
            del relevant[name]
    own = code_identity([], [link])["plugins"]
    return settings_hash({"link": relevant, "payload_bits": payload_bits, **({"plugins": own} if own else {})})[:16]


def measure_rates(
    link: LinkSettings, payload_bits: int, snr_db: float, images: int = 4096, seed: int = 0
) -> np.ndarray:
    """Bit error rate of each of ``images`` transmissions over the real link: float64 ``[images]`` (needs Sionna)."""
    from sc_sionna.phy.link import DigitalLink

    digital_link = DigitalLink(link, payload_bits)
    rates = []
    for start in range(0, images, 512):
        count = min(512, images - start)
        bits = rng.generator(seed, "calibration bits", snr_db, start).integers(0, 2, (count, payload_bits))
        received = digital_link(bits.astype(np.int32), snr_db, rng.seed_words(seed, "calibration link", snr_db, start))
        rates.append(np.mean(np.asarray(received.bits) != bits, axis=1))
    return np.concatenate(rates)


class CalibratedChannel:
    """Draws error patterns with the link's distribution of bit error rate per image.

    quantiles : float ``[Q]``, increasing: quantiles of the bit error rate per image at the training SNR.
    """

    def __init__(self, quantiles: np.ndarray) -> None:
        self.quantiles = np.asarray(quantiles, dtype=np.float64)

    def error(self, batch_size: int, num_bits: int, generator: np.random.Generator) -> np.ndarray:
        """Error pattern int32 ``[B, num_bits]``; 1 flips the bit."""
        grid = np.linspace(0.0, 1.0, len(self.quantiles))
        rate = np.interp(generator.random(batch_size), grid, self.quantiles)
        return (generator.random((batch_size, num_bits)) < rate[:, None]).astype(np.int32)


class CalibratedRange:
    """Draws error patterns for images of different SNRs: between two calibrated ones a quantile is interpolated in dB.

    channels : the calibrated channel at each SNR in dB; images have SNRs within theirs
    """

    def __init__(self, channels: dict[float, CalibratedChannel]) -> None:
        self.snrs_db = np.array(sorted(channels))
        self.quantiles = np.stack([channels[snr].quantiles for snr in self.snrs_db])  # [G, Q]

    def error(self, snr_db: np.ndarray, num_bits: int, generator: np.random.Generator) -> np.ndarray:
        """Error pattern int32 ``[B, num_bits]`` for SNRs ``[B]``; 1 flips the bit."""
        grid = np.linspace(0.0, 1.0, self.quantiles.shape[1])
        level = generator.random(len(snr_db))
        rates = np.stack([np.interp(level, grid, row) for row in self.quantiles])  # [G, B]
        upper = np.clip(np.searchsorted(self.snrs_db, snr_db), 1, len(self.snrs_db) - 1)
        share = (snr_db - self.snrs_db[upper - 1]) / (self.snrs_db[upper] - self.snrs_db[upper - 1])
        images = np.arange(len(snr_db))
        rate = (1 - share) * rates[upper - 1, images] + share * rates[upper, images]
        return (generator.random((len(snr_db), num_bits)) < rate[:, None]).astype(np.int32)


class TrainingChannel:
    """The channel of a training run: what a link does to the codec's payload, as the codec's ``error`` input.

    cache_dir : where a calibration that is not shipped is measured into
    alone : entered while one is measured, since the folder may be another's
    """

    def __init__(
        self,
        preset: Preset,
        model: SemanticCodec,
        cache_dir: Path,
        alone: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.model, self.kind, self.snr_db = model, preset.train.channel, preset.train.snr_db
        self.range_db = preset.train.snr_range_db
        self.payload = model.payload_length
        analog = model.settings.bottleneck == "analog"
        self._channel: Any = None
        if self.payload == 0 or self.kind == "none":
            return
        if self.kind == "calibrated":
            if analog:
                self._channel = AnalogChannel(preset.link, self.snr_db)
                return
            snrs_db = [self.snr_db] if self.range_db is None else calibrated_snrs(self.range_db)
            if missing_snrs(preset.link, self.payload, snrs_db, cache_dir):
                with alone():
                    ensure_calibration(preset.link, self.payload, snrs_db, cache_dir)
            self._channel = (
                load_calibrated(preset.link, self.payload, self.snr_db, cache_dir)
                if self.range_db is None
                else load_range(preset.link, self.payload, self.range_db, cache_dir)
            )
            return
        from sc_sionna.phy.analog_link import AnalogLink
        from sc_sionna.phy.link import DigitalLink

        num_streams = preset.link.num_streams
        self._channel = (
            AnalogLink(preset.link, self.payload // (2 * num_streams))
            if analog
            else DigitalLink(preset.link, self.payload)
        )

    @property
    def calibration_sha256(self) -> str | None:
        """Of the rates that errors are drawn from, hex; None for a channel that is not calibrated."""
        if not isinstance(self._channel, CalibratedChannel | CalibratedRange):
            return None
        return hashlib.sha256(self._channel.quantiles.tobytes()).hexdigest()

    def draw_snr(self, batch_size: int, generator: np.random.Generator) -> np.ndarray:
        """SNR of each image in dB, float32 ``[B]``: uniform in the range of the settings, or their one SNR."""
        if self.range_db is None:
            return np.full(batch_size, self.snr_db, np.float32)
        return generator.uniform(*self.range_db, batch_size).astype(np.float32)

    def error(
        self,
        images: np.ndarray,
        keep: np.ndarray,
        snr_db: np.ndarray,
        generator: np.random.Generator,
        error_free: bool = False,
    ) -> np.ndarray | None:
        """Error of each image ``[B, payload]`` at its SNR from :meth:`draw_snr`: drawn, or measured on the real link with
        the payload of ``images``.

        None for a codec without a link.
        """
        if self.payload == 0:
            return None
        if self._channel is None or error_free:
            dtype = np.float32 if self.model.settings.bottleneck == "analog" else np.int32
            return np.zeros((len(images), self.payload), dtype)
        if isinstance(self._channel, CalibratedRange):
            return self._channel.error(snr_db, self.payload, generator)
        if isinstance(self._channel, AnalogChannel):
            own = None if self.range_db is None else snr_db
            return self._channel.error(len(images), self.payload, generator, own)
        if self.kind == "calibrated":
            return self._channel.error(len(images), self.payload, generator)
        seed = generator.integers(-(2**31), 2**31, 2).astype(np.int32)
        features, indices = self.model.encode(images, keep, snr_db)
        if indices is not None:
            bits = np.asarray(self.model.index_mapper.to_bits(indices))
            return np.asarray(self._channel(bits, self.snr_db, seed).bits).astype(np.int32) ^ bits
        symbols = self.model.to_symbols(features, self._channel.settings.num_streams)
        received = np.asarray(self._channel(symbols, self.snr_db, seed)[0])
        noise = (received - symbols).reshape(len(images), -1)
        return np.stack([noise.real, noise.imag], -1).reshape(len(images), -1).astype(np.float32)


def random_arrivals(batch_size: int, num_kept: int, share: float, generator: np.random.Generator) -> np.ndarray | None:
    """Which features reach the decoder, bool ``[B, N]``: all, but for a ``share`` of the images N·2^-u at random places.

    u is uniform in [0, 3], so that N/8 to N arrive and every halving is as likely as the next. None where the share is 0.
    """
    if share == 0:
        return None
    fewer = np.ceil(num_kept * 2.0 ** -generator.uniform(0, 3, batch_size))
    count = np.where(generator.random(batch_size) < share, fewer, num_kept)
    rank = generator.random((batch_size, num_kept)).argsort(axis=1).argsort(axis=1)
    return rank < count[:, None]


def load_calibrated(
    link: LinkSettings, payload_bits: int, snr_db: float, cache_dir: Path | None = None
) -> CalibratedChannel:
    """The calibrated channel of a link at an SNR, from the package or from ``cache_dir``. Nothing is measured or written.

    Raises
    ------
    UserError
        It is in neither place, or its file is damaged.
    """
    quantiles = _find(link, payload_bits, snr_db, cache_dir)
    if quantiles is None:
        raise UserError(
            f"calibration {calibration_key(link, payload_bits)} at {snr_db:g} dB: neither shipped nor in "
            f"{cache_dir or 'another folder'}; measure it with `python -m sc_sionna calibrate`, in Python with "
            "ensure_calibration"
        )
    return CalibratedChannel(np.array(quantiles))


def load_range(
    link: LinkSettings, payload_bits: int, range_db: tuple[float, float], cache_dir: Path | None = None
) -> CalibratedRange:
    """The calibrated channel over a range of SNRs, at every whole dB in it and at those just outside."""
    return CalibratedRange(
        {snr: load_calibrated(link, payload_bits, snr, cache_dir) for snr in calibrated_snrs(range_db)}
    )


def calibrated_snrs(range_db: tuple[float, float]) -> list[float]:
    """Every whole dB in a range of SNRs and those just outside."""
    return [float(snr) for snr in range(math.floor(range_db[0]), math.ceil(range_db[1]) + 1)]


def missing_snrs(link: LinkSettings, payload_bits: int, snrs_db: list[float], cache_dir: Path) -> list[float]:
    """The SNRs at which neither the package nor ``cache_dir`` has a link's calibration."""
    return [snr for snr in snrs_db if _find(link, payload_bits, snr, cache_dir) is None]


def ensure_calibration(link: LinkSettings, payload_bits: int, snrs_db: list[float], cache_dir: Path) -> None:
    """Measure into ``cache_dir`` what neither the package nor that folder has of a link's calibration.

    Raises
    ------
    UserError
        Something is missing and the link cannot be run (no TensorFlow and Sionna), or the folder cannot be written.
    """
    missing = missing_snrs(link, payload_bits, snrs_db, cache_dir)
    if not missing:
        return
    try:
        import sionna  # noqa: F401
    except ImportError:
        raise UserError(
            f"training channel = 'calibrated': no calibration {calibration_key(link, payload_bits)} at {missing[0]:g} dB is "
            f"in the package or in {cache_dir}, and Sionna is not installed to measure one; run "
            f"`python -m sc_sionna calibrate --out {cache_dir}` where it is, or set channel = 'none'"
        ) from None
    save_calibration(cache_dir, link, payload_bits, missing)


def _find(link: LinkSettings, payload_bits: int, snr_db: float, cache_dir: Path | None) -> list[float] | None:
    """Quantiles at an SNR from the package or from ``cache_dir``; None where neither has them."""
    for folder in (CALIBRATION_DIR, cache_dir):
        path = None if folder is None else folder / f"{calibration_key(link, payload_bits)}.json"
        if path is not None and path.is_file():
            levels = read_calibration(path)["quantiles"].get(repr(float(snr_db)))
            if levels is not None:
                return levels
    return None


def save_calibration(
    folder: Path, link: LinkSettings, payload_bits: int, snrs_db: list[float], images: int = 4096
) -> dict[str, list[float]]:
    """Measure the link at each SNR and keep the quantiles in ``folder``; returns them by SNR."""
    path = folder / f"{calibration_key(link, payload_bits)}.json"
    with locked_calibration(path):
        table = read_calibration(path) if path.is_file() else {"quantiles": {}}
        for snr_db in snrs_db:
            rates = measure_rates(link, payload_bits, float(snr_db), images)
            levels = np.quantile(rates, np.linspace(0, 1, NUM_QUANTILES))
            table["quantiles"][repr(float(snr_db))] = [round(float(q), 6) for q in levels]
        write_calibration(path, table | {"link": link.model_dump(), "payload_bits": payload_bits, "images": images})
    return table["quantiles"]
