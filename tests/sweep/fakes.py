"""Records with realistic counts, made without a sweep."""

from __future__ import annotations

from math import exp
from typing import Any

from sc_sionna.core import rng
from sc_sionna.sweep import Point, PointResult, Record, make_record, point_records
from sc_sionna.sweep.metrics import METRICS, Metric

SNRS = [float(s) for s in range(-9, 19, 3)]


def result(point: Point, counts: dict[str, int] | None, **changes: Any) -> PointResult:
    values = {
        "batches": 0 if counts is None else 1,
        "first_batch": counts,
        "stop": None if counts is None else "maximum",
    }
    return PointResult(point, counts, **{**values, **changes})


def accuracy_record(name: str = "accuracy", images: int = 797, **changes: Any) -> Record:
    """Two systems and a threat; the last two points of the threat were not run."""
    random = rng.generator(1, "fake", name)
    results = []
    for system, middle, slope, top, threat in (
        ("masked-vqvae", -4.0, 0.5, 0.96, None),
        ("masked-vqvae", 2.0, 0.35, 0.90, "semantic noise 0.008"),
        ("jpeg-ldpc", 9.0, 1.2, 0.97, None),
    ):
        for snr_db in SNRS:
            accuracy = 0.1 + (top - 0.1) / (1 + exp(-slope * (snr_db - middle)))
            counts = {"images": images, "correct": int(random.binomial(images, accuracy))}
            not_run = threat is not None and snr_db > 12
            results.append(result(Point(system, snr_db, threat), None if not_run else counts))
    settings: dict[str, Any] = {"kind": "accuracy", "snr_db": SNRS, "seed": changes.get("seed", 1)}
    values = {"settings": settings, "seed": 1, "data_set": "digits", "duration_s": 12.3456, "notes": {"chance": 0.1}}
    return make_record(name, points=point_records(results, METRICS["accuracy"]), **{**values, **changes})


def link_record(names: tuple[str, ...], metric: Metric = METRICS["block_error_rate"]) -> Record:
    """Error rates that fall with the SNR until none is seen."""
    random = rng.generator(2, "fake link")
    results = []
    images, bits = 4000, 192
    for number, system in enumerate(names):
        for snr_db in SNRS:
            block_rate = min(0.999, 10 ** (-(snr_db - 1.5 * number) / 4))
            failed = int(random.binomial(images, block_rate))
            bit_errors = random.binomial(bits, 0.08, size=failed)
            counts = {"images": images, "blocks": images, "block_errors": failed, "bits": images * bits}
            counts |= {"bit_errors": int(bit_errors.sum()), "bit_errors_sq": int((bit_errors.astype(int) ** 2).sum())}
            if "jpeg" not in system:
                counts |= {"indices": images * 32, "index_errors": min(images * 32, int(bit_errors.sum() * 0.8))}
            results.append(result(Point(system, snr_db), counts))
    settings = {"kind": "link", "snr_db": SNRS, "seed": 2}
    points = point_records(results, metric)
    return make_record("link", settings=settings, seed=2, data_set="none", duration_s=1.0, points=points)
