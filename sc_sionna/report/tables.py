"""Tables of accuracy and of error rates as lines of Markdown, from a record alone."""

from __future__ import annotations

from sc_sionna.figures.differences import basis_note, from_reference
from sc_sionna.figures.half_power import half_powers, panels, shown
from sc_sionna.figures.modes import TARGETS, best_bits, rates_by_mode
from sc_sionna.sweep import PointRecord, Record
from sc_sionna.sweep.metrics import METRICS


def percent(point: PointRecord | None) -> str:
    """Value with its interval, in percent."""
    if point is None or point.value is None or point.ci95 is None:
        return "–"
    return f"{100 * point.value:.1f} [{100 * point.ci95[0]:.1f}, {100 * point.ci95[1]:.1f}]"


def change(value: float, low: float, high: float) -> str:
    """A difference with its interval, in points."""
    return f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def value_at(record: Record, system: str, snr_db: float, threat: str | None = None) -> float | None:
    """Value of the point of a system at an SNR in dB under a threat; None where the record has no such point."""
    found = [p.value for p in record.points if (p.system, p.snr_db, p.threat) == (system, snr_db, threat)]
    return found[0] if found else None


def threats_of(record: Record) -> list[str | None]:
    """Labels of the threats of a record, each once and in its order; None stands for no semantic noise."""
    return list(dict.fromkeys(point.threat for point in record.points))


def by_snr(record: Record, threat: str | None) -> list[str]:
    """Accuracy by system and SNR as a Markdown table."""
    points = {(p.system, p.snr_db): p for p in record.points if p.threat == threat}
    systems, snrs = (list(dict.fromkeys(key[i] for key in points)) for i in (0, 1))
    lines = ["| SNR dB | " + " | ".join(f"{snr:g}" for snr in snrs) + " |", "|---" * (len(snrs) + 1) + "|"]
    for system in systems:
        values = [points[system, snr].value for snr in snrs]  # type: ignore[index]
        lines.append(f"| {system} | " + " | ".join("–" if v is None else f"{100 * v:.1f}" for v in values) + " |")
    return lines


def by_threat(record: Record) -> list[str]:
    """Accuracy with interval by system and threat at the highest SNR."""
    top = max(point.snr_db for point in record.points)
    points = {(p.system, p.threat): p for p in record.points if p.snr_db == top}
    systems, threats = (list(dict.fromkeys(key[i] for key in points)) for i in (0, 1))
    names = ["none" if threat is None else str(threat) for threat in threats]
    lines = ["", f"| semantic noise, {top:g} dB | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for system in systems:
        cells = [percent(points.get((system, threat))) for threat in threats]  # type: ignore[arg-type]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return lines


def over_the_air(record: Record) -> list[str]:
    """Ratio in dB at which half of the accuracy is lost, by scheme and attacker, with its interval.

    Of a record that does not say what a scheme reaches without noise, the accuracies themselves.
    """
    found = half_powers(record, panels(record))
    if not found:
        return by_threat(record)
    systems = list(dict.fromkeys(system for by_system in found.values() for system in by_system))
    lines = [
        "",
        "Signal-to-noise ratio in dB at which half of the accuracy is lost (larger: less power is enough):",
        "",
    ]
    lines += ["| scheme | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
    for system in systems:
        cells = [shown(by_system.get(system)) for by_system in found.values()]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return lines


def accuracy_tables(record: Record) -> list[str]:
    """Markdown lines: a table of accuracies by SNR per threat, then what an image costs on the air."""
    lines: list[str] = []
    for threat in threats_of(record):
        lines += ["", "Without semantic noise, accuracy in %:" if threat is None else f"{threat}, accuracy in %:", ""]
        lines += by_snr(record, threat)
    budgets = {p.system: p.budget for p in record.points if p.budget}
    lines += ["", "| system | symbols per image | channel uses | error-free on the air, % |", "|---|---|---|---|"]
    for system, budget in budgets.items():
        error_free = record.notes.get("error_free_accuracy", {}).get(system)
        shown = "–" if error_free is None else f"{100 * error_free:.1f}"
        lines.append(f"| {system} | {budget['symbols']:,.0f} | {budget['channel_uses']:,.0f} | {shown} |")
    return lines


def contest(record: Record) -> list[str]:
    """As :func:`accuracy_tables`, and without semantic noise what every scheme gains or loses against one, by SNR."""
    reference, found = from_reference(record)
    systems = dict.fromkeys(system for by_system in found.values() for system in by_system)
    lines = accuracy_tables(record)
    bases = {d.basis for by_system in found.values() for d in by_system.values()}
    lines += ["", f"Accuracy minus that of {reference}, in points, with 95 % {basis_note(bases)}:", ""]
    lines += ["| SNR dB | " + " | ".join(f"{snr:g}" for snr in found) + " |", "|---" * (len(found) + 1) + "|"]
    for system in systems:
        row = [by_system.get(system) for by_system in found.values()]
        cells = ["–" if d is None else change(d.value, d.low, d.high) for d in row]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return lines


def by_uses(record: Record) -> list[str]:
    """Accuracy with interval by SNR of every scheme and setting, the cheapest first."""
    cheapest = sorted({p.system: p for p in record.points if p.budget}.values(), key=lambda p: p.budget["channel_uses"])  # type: ignore[index]
    points = {(p.system, p.snr_db): p for p in record.points}
    snrs = sorted({p.snr_db for p in record.points})
    heads = ["scheme", "symbols", "channel uses", *(f"{snr:g} dB, %" for snr in snrs)]
    lines = ["", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for first in cheapest:
        assert first.budget is not None
        cost = [f"{first.budget[name]:,.0f}" for name in ("symbols", "channel_uses")]
        lines.append(
            f"| {' | '.join([first.system, *cost, *(percent(points.get((first.system, s))) for s in snrs)])} |"
        )
    return lines


def link_tables(record: Record) -> list[str]:
    """Markdown lines: block and index error rates of every link by SNR."""
    lines: list[str] = []
    snrs = list(dict.fromkeys(p.snr_db for p in record.points))
    for metric in ("block_error_rate", "index_error_rate"):
        lines += ["", f"{metric.replace('_', ' ').capitalize()}:", ""]
        lines += ["| SNR dB | " + " | ".join(f"{snr:g}" for snr in snrs) + " |", "|---" * (len(snrs) + 1) + "|"]
        for system in dict.fromkeys(p.system for p in record.points):
            rates = {p.snr_db: METRICS[metric].value(p.counts or {}) for p in record.points if p.system == system}
            cells = ["–" if rates[snr] is None else f"{rates[snr]:.3f}" for snr in snrs]
            lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return lines


def cliff(record: Record) -> str:
    """What the main figure says about graceful degradation, in numbers."""
    parts = []
    for system in ("masked-vqvae", "jpeg-ldpc"):
        values = {snr: value_at(record, system, snr) for snr in (0.0, 3.0, 6.0, 18.0)}
        if None not in values.values():
            shown = ", ".join(f"{100 * v:.1f} % at {snr:g} dB" for snr, v in values.items() if v is not None)
            parts.append(f"`{system}` {shown}")
    return "; ".join(parts) + "."


def mode_tables(record: Record) -> list[str]:
    """By target block error rate and SNR the mode that carries most, and its information bits per channel use."""
    uses = record.settings["channel_uses"]
    snrs = [snr for snr in sorted({p.snr_db for p in record.points}) if snr % 3 == 0]
    lines: list[str] = []
    for target in TARGETS:
        best = best_bits(record, target)
        lines += ["", f"Block error rate of at most {target:g}, in {uses} channel uses:", ""]
        lines += ["| SNR dB | " + " | ".join(f"{snr:g}" for snr in snrs) + " |", "|---" * (len(snrs) + 1) + "|"]
        lines.append("| bits per use | " + " | ".join(f"{best[snr] / uses:.1f}" for snr in snrs) + " |")
        rates = rates_by_mode(record)
        names = []
        for snr in snrs:
            found = [n for n in rates if record.notes["modes"][n]["bits"] == best[snr] and rates[n][snr] <= target]
            names.append(min(found, key=lambda name: rates[name][snr], default="–"))
        lines.append("| mode | " + " | ".join(names) + " |")
    return lines
