"""How strong noise over the air has to be for the loss of half the accuracy, from a record alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from sc_sionna.sweep import PointRecord, Record

PANELS = {"over-the-air": "semantic noise over the air", "gaussian": "Gaussian noise of the same power"}
JAMMED = {"best": "the uses that hurt most", "header": "the header"}


class HalfPower(NamedTuple):
    """The ratio in dB at which half of the accuracy is left: above it there is more, below it less.

    value : interpolated linearly between the two ratios that were run beside it; None where accuracy is always on one side
    low, high : where the upper and the lower ends of the 95 % intervals cross the half; None where they do not
    beside : the two ratios between which ``value`` lies; where it is None one of them is None, and the crossing lies beyond
        the other
    """

    value: float | None
    low: float | None
    high: float | None
    beside: tuple[float | None, float | None]


def half_power(points: Sequence[tuple[float, float, float, float]], level: float) -> HalfPower:
    """The crossing of ``level`` by (ratio in dB, accuracy, lower, upper end of its interval), in any order.

    Where a curve crosses more than once the highest ratio counts, at which an attacker needs least power.
    """
    rows = sorted(points)
    value, low, high = (_crossing([(row[0], row[column]) for row in rows], level) for column in (1, 3, 2))
    ratios = [row[0] for row in rows]
    if value is not None:
        below = max(r for r in ratios if r <= value)
        return HalfPower(value, low, high, (below, min((r for r in ratios if r > value), default=below)))
    lost_everywhere = rows[-1][1] < level
    return HalfPower(None, low, high, (ratios[-1], None) if lost_everywhere else (None, ratios[0]))


def _crossing(curve: Sequence[tuple[float, float]], level: float) -> float | None:
    found = None
    for (x, y), (next_x, next_y) in pairwise(curve):
        if y <= level < next_y:
            found = x + (level - y) / (next_y - y) * (next_x - x)
    return found


def half_powers(record: Record, family_of: dict[str, str]) -> dict[str, dict[str, HalfPower]]:
    """By family of threats and by scheme; half of what the scheme reaches without semantic noise at the same SNR.

    family_of : the family of each threat by its label; a family's threats differ in ``attack.ssnr_db`` alone
    """
    ratios: dict[str, Any] = {t["label"]: t["attack"]["ssnr_db"] for t in record.settings["threats"]}
    clean = {point.system: point.value for point in record.points if point.threat is None}
    curves: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for point in record.points:
        row = _row(point, ratios)
        if row is not None and clean.get(point.system) is not None:
            curves.setdefault((family_of[str(point.threat)], point.system), []).append(row)
    found: dict[str, dict[str, HalfPower]] = {}
    for (family, system), rows in curves.items():
        found.setdefault(family, {})[system] = half_power(rows, 0.5 * float(clean[system] or 0.0))
    return found


def panels(record: Record) -> dict[str, str]:
    """The panel of each threat by its label."""
    return {threat["label"]: _panel(threat) for threat in record.settings["threats"]}


def _panel(threat: dict[str, Any]) -> str:
    if threat["kind"] in PANELS:
        return PANELS[threat["kind"]]
    pattern = threat["attack"]["pattern"]
    jammed = "jamming of " + JAMMED.get(pattern, f"uses by the pattern {pattern}")
    return f"{jammed}: the control on as many random uses" if threat["attack"]["shuffled"] else jammed


def _row(point: PointRecord, ratios: dict[str, Any]) -> tuple[float, float, float, float] | None:
    if point.threat is None or point.counts is None:
        return None
    value, interval = point.measure.value(point.found), point.measure.interval(point.found)
    return None if value is None or interval is None else (ratios[point.threat], value, *interval)


def shown(half: HalfPower | None) -> str:
    """The ratio with its interval, or beyond which of those that were run it lies; a dash for what was not run."""
    if half is None:
        return "–"
    low, high = half.beside
    if half.value is None:
        return f"below {high:g}" if low is None else f"above {low:g}"
    ends = ", ".join("beyond" if end is None else f"{end:.1f}" for end in (half.low, half.high))
    return f"{half.value:.1f} [{ends}]"


def print_half_powers(found: dict[str, dict[str, HalfPower]]) -> None:
    """A row per family and scheme: the ratio in dB, the interval, and the ratios that were run beside it."""
    print("ratio in dB at which half of the accuracy is lost (larger: less power is enough)")
    for family, systems in found.items():
        print(family)
        for system, half in systems.items():
            low, high = half.beside
            beside = "" if half.value is None else f", between {low:g} and {high:g}"
            print(f"  {system:40s}  {shown(half)}{beside}")
