"""The link as an error pattern on index bits, for training.

The calibrated channel stands for the full link where training needs millions of transmissions: the link is run once per
SNR, its bit error rate per *image* is kept as quantiles, and an error pattern draws one of those rates per image and
flips that image's bits independently. Fading makes whole images good or bad, so the rate per image, not the mean rate,
is what makes the index error rate agree with the link's (a test compares them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna import rng
from sc_sionna.atomic import write_text
from sc_sionna.config import LinkSettings, settings_hash
from sc_sionna.errors import UserError

CALIBRATION_DIR = Path(__file__).parent / "calibration"
NUM_QUANTILES = 257
# The decoder's implementation and what only matters to other payloads do not change the error statistics kept here.
_IRRELEVANT = ("decoder", "max_block_bits")


def calibration_key(link: LinkSettings, payload_bits: int) -> str:
    """Name of a calibration: a hash of the link's settings and the payload."""
    relevant = {k: v for k, v in link.model_dump().items() if k not in _IRRELEVANT}
    return settings_hash({"link": relevant, "payload_bits": payload_bits})[:16]


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

    def flips(self, batch_size: int, num_bits: int, generator: np.random.Generator) -> np.ndarray:
        """Error pattern int32 ``[B, num_bits]``; 1 flips the bit."""
        grid = np.linspace(0.0, 1.0, len(self.quantiles))
        rate = np.interp(generator.random(batch_size), grid, self.quantiles)
        return (generator.random((batch_size, num_bits)) < rate[:, None]).astype(np.int32)


def load_calibrated(link: LinkSettings, payload_bits: int, snr_db: float, cache_dir: Path | None = None) -> Any:
    """The calibrated channel of a link at an SNR: from the package, from ``cache_dir``, or measured now.

    Raises UserError where it is in neither place and the link cannot be run (no TensorFlow and Sionna).
    """
    key = calibration_key(link, payload_bits)
    snr_key = repr(float(snr_db))
    for folder in (CALIBRATION_DIR, cache_dir):
        path = None if folder is None else folder / f"{key}.json"
        if path is not None and path.is_file():
            table = json.loads(path.read_text())
            if snr_key in table["quantiles"]:
                return CalibratedChannel(np.array(table["quantiles"][snr_key]))
    try:
        import sionna  # noqa: F401
    except ImportError:
        raise UserError(
            f"training channel = 'calibrated': no calibration {key} at {snr_db} dB is shipped and Sionna is not "
            "installed to measure one; run `python -m sc_sionna calibrate` where it is, or set channel = 'none'"
        ) from None
    quantiles = save_calibration(cache_dir or CALIBRATION_DIR, link, payload_bits, [snr_db])[snr_key]
    return CalibratedChannel(np.array(quantiles))


def save_calibration(
    folder: Path, link: LinkSettings, payload_bits: int, snrs_db: list[float], images: int = 4096
) -> dict[str, list[float]]:
    """Measure the link at each SNR and keep the quantiles in ``folder``; returns them by SNR."""
    path = folder / f"{calibration_key(link, payload_bits)}.json"
    table = json.loads(path.read_text()) if path.is_file() else {"quantiles": {}}
    for snr_db in snrs_db:
        rates = measure_rates(link, payload_bits, float(snr_db), images)
        levels = np.quantile(rates, np.linspace(0, 1, NUM_QUANTILES))
        table["quantiles"][repr(float(snr_db))] = [round(float(q), 6) for q in levels]
    table |= {"link": link.model_dump(), "payload_bits": payload_bits, "images": images}
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(table, indent=None) + "\n")
    return table["quantiles"]
