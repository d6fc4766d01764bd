"""Agreement of two records of the same sweep, for example of a stored one and its replay at a reduced size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sc_sionna.sweep.point_record import PointRecord
from sc_sionna.sweep.record import Record

Z_LIMIT = 4.0


@dataclass(frozen=True)
class Comparison:
    """One point that both records ran.

    z : of the difference of the two values. A replay repeats a part of the stored batches, so the two are positively
        correlated and z is smaller than for independent runs: the test is mild, ``exact`` is the sharp one
    exact : whether the counts and scores of the batches that both have are equal, and the outcomes of the images that both
        have one by one; None where they are not the same batches
    agree : |z| <= 4, and exactly equal where exact equality is due
    """

    point: PointRecord
    other: PointRecord
    z: float
    exact: bool | None
    agree: bool


def exactness(a: Record, b: Record) -> tuple[bool, str]:
    """Whether equal batches of two records must have equal counts, and why or why not, in words.

    They must where both were made by the same versions on the same processor class. Elsewhere rounding may change a
    decision, above all behind an attack, whose sign step amplifies the last bit.
    """
    made, other = a.device.get("processors"), b.device.get("processors")
    if not made or not other:
        return False, "the record does not name its processor class"
    if made != other:
        return False, f"made on {'; '.join(map(str, made))}, here on {'; '.join(map(str, other))}"
    for name in sorted(set(a.versions) | set(b.versions)):
        old, new = (r.versions.get(name, "none") for r in (a, b))
        if old != new:
            return False, f"made with {name} {old}, here {new}"
    return True, f"same processor class ({'; '.join(map(str, made))}) and versions"


def compare(a: Record, b: Record, exact: bool = True) -> list[Comparison]:
    """Compare the points that both records ran; points of one alone, or not run in one, are left out.

    The same batches are: all of them if both ran equally many, otherwise the first; always provided that the seeds and the
    data sets are the same and the batches equally large. ``exact`` demands that they are equal, but only where
    :func:`exactness` does; elsewhere |z| <= 4 decides.
    """
    same_draws = (a.seed, a.data_set) == (b.seed, b.data_set)
    demanded = exact and exactness(a, b)[0]
    others = {point.key: point for point in b.points}
    comparisons = []
    for point in a.points:
        other = others.get(point.key)
        if other is None or point.counts is None or other.counts is None:
            continue
        z = point.measure.difference_z(point.found, other.found)
        if z is None:
            continue
        equal = _same_batches(point, other) if same_draws else None
        agree = abs(z) <= Z_LIMIT and not (demanded and equal is False)
        comparisons.append(Comparison(point, other, z, equal, agree))
    return comparisons


def _same_batches(a: PointRecord, b: PointRecord) -> bool | None:
    denominator = a.measure.denominator
    first_a, first_b = a.first_batch, b.first_batch
    if first_a is None or first_b is None or first_a.get(denominator) != first_b.get(denominator):
        return None
    equal = (first_a, a.first_scores) == (first_b, b.first_scores)
    if a.batches == b.batches and a.counts and b.counts and a.counts.get(denominator) == b.counts.get(denominator):
        equal = equal and (a.counts, a.scores) == (b.counts, b.scores)
    both = a.outcomes.keys() & b.outcomes.keys()  # a record made before there were any is compared by its counts
    return equal and all(_same_images(a, b, name) for name in both)


def _same_images(a: PointRecord, b: PointRecord, name: str) -> bool:
    one, other = a.per_image(name), b.per_image(name)
    images = min(len(one), len(other))
    return np.array_equal(one[:images], other[:images])
