"""Tables of single studies as lines of Markdown: features, codebooks, parts, the audit, LDPC decoders."""

from __future__ import annotations

from sc_sionna.figures.decoders import gaps, public_rates
from sc_sionna.figures.differences import basis_note, differences
from sc_sionna.figures.maps import frequencies, similarity_numbers, uniformity
from sc_sionna.report.tables import change, percent, threats_of
from sc_sionna.sweep import Record
from sc_sionna.sweep.paired import Spread


def spread(record: Record) -> list[str]:
    """Activation of frequent and rare features, clean and noisy."""
    lines = [
        "",
        f"{record.notes['activation']}.",
        "",
        "| scheme | frequent half, % | rare half, % | Gini | magnitude | weights of Eq. (14), from and to |",
        "|---|---|---|---|---|---|",
    ]
    for name, scheme in record.notes["schemes"].items():
        clean, noisy = frequencies(scheme)
        half = len(clean) // 2
        frequent, rare = ([100 * x[part].mean() for x in (clean, noisy)] for part in (slice(half), slice(half, None)))
        gini = [uniformity(scheme[which])["gini"] for which in ("clean", "noisy")]
        size, weights = scheme["mean_magnitude"], scheme["importance_weights"]
        lines.append(
            f"| {name} | {frequent[0]:.1f} → {frequent[1]:.1f} | {rare[0]:.1f} → {rare[1]:.1f} | "
            f"{gini[0]:.3f} → {gini[1]:.3f} | {size['clean']:.2f} → {size['noisy']:.2f} | "
            + (f"{weights[0]:.2f}, {weights[1]:.2f} |" if weights else "– |")
        )
    return [*lines, "", "Clean → noisy; halves of the features by clean frequency."]


def similarity(record: Record) -> list[str]:
    """Mean, root mean square and largest |cos| of two codebook vectors."""
    lines = [
        "",
        "| scheme | weight of the term | mean | rms | max | Welch bound of rms and max |",
        "|---|---|---|---|---|---|",
    ]
    for name, vectors in record.values["codebooks"].items():
        n = similarity_numbers(vectors)
        weight = record.values["orthogonality_weight"][name]
        lines.append(f"| {name} | {weight:g} | {n['mean']:.3f} | {n['rms']:.3f} | {n['max']:.3f} | {n['welch']:.3f} |")
    return lines


def parts(record: Record) -> list[str]:
    """What each part adds, in points of accuracy with intervals, and what an image costs."""
    found = list(differences(record))
    places = sorted({(d.snr_db, d.threat) for d in found}, key=lambda place: (-place[0], place[1] or ""))
    heads = [f"{snr_db:g} dB, {threat or 'clean'}" for snr_db, threat in places]
    lines = ["", "| part | with it | without it | " + " | ".join(heads) + " |", "|---" * (len(heads) + 3) + "|"]
    for part, (with_it, without) in record.notes["pairs"].items():
        by_place = {(d.snr_db, d.threat): d for d in found if d.part == part}
        cells = [
            "–" if d is None else change(d.value, d.low, d.high) + seeds(d.spread)
            for d in (by_place.get(place) for place in places)
        ]
        lines.append(f"| {part} | {with_it} | {without} | " + " | ".join(cells) + " |")
    lines += ["", f"Differences in points, with 95 % {basis_note(d.basis for d in found)}."]
    budgets = {p.system: p.budget for p in record.points if p.budget}
    streams = any(budget["side_bits"] and budget["crc_bits"] for budget in budgets.values())  # they have a header
    told = "sent in front of the indices, the header's length field among it" if streams else "taken as error-free"
    lines += [
        "",
        f"Accuracy in %, and per image the mean source bits, bits of side information ({told}), and channel uses.",
        "",
        f"| scheme | {' | '.join(heads)} | source bits | side bits | channel uses |",
        "|---" * (len(heads) + 4) + "|",
    ]
    points = {(p.system, p.snr_db, p.threat): p for p in record.points}
    for system, budget in budgets.items():
        cells = [percent(points.get((system, *place))) for place in places]
        source = f"{budget['payload_bits']:.1f}" if budget["payload_bits"] else "analog"
        shown = f"{source} | {budget['side_bits']:.1f} | {round(budget['channel_uses'], 1):g}"
        lines.append(f"| {system} | " + " | ".join(cells) + f" | {shown} |")
    return lines


def seeds(spread: Spread | None) -> str:
    """The mean and standard deviation over training seeds, in points, to stand beside an interval over images."""
    if spread is None:
        return ""
    return f"; {spread.seeds} seeds: {100 * spread.mean:+.1f} ± {100 * spread.deviation:.1f}"


def audit(record: Record) -> list[str]:
    """Robust images by attack, and what the checks found."""
    systems = list(dict.fromkeys(p.system for p in record.points))
    lines = ["", "| robust, % | " + " | ".join(systems) + " |", "|---" * (len(systems) + 1) + "|"]
    points = {(p.system, p.threat): p for p in record.points}
    for threat in threats_of(record):
        cells = [percent(points.get((system, threat))) for system in systems]
        lines.append(f"| {threat or 'clean'} | " + " | ".join(cells) + " |")
    lines += ["", f"{record.notes['robust']}. Checks for masked gradients:"]
    for system, found in record.notes["checks"].items():
        failed = [f"{check['name']} ({check['detail']})" for check in found if not check["passed"]]
        lines.append(f"- {system}: " + ("; ".join(failed) if failed else f"all {len(found)} passed"))
    return lines


def decoder_section(record: Record) -> list[str]:
    """Eb/N0 of both decoders by code, and their rates where others have published one."""
    lines = ["## LDPC decoders", "", "![](figures/ldpc_decoders.png)", ""]
    lines += [
        "| code (k, n) | block error rate | layered, dB | Sionna, dB | layered minus Sionna, dB |",
        "|---|---|---|---|---|",
    ]
    for row in gaps(record):
        if row.gap_db is not None:
            lines.append(
                f"| ({row.k}, {row.n}) | {row.rate} | {row.layered_db:.3f} | {row.sionna_db:.3f} | {row.gap_db:+.3f} |"
            )
    public, points = record.settings["public"], public_rates(record)
    if points:
        rates = {
            name: f"{point.value:.5f} [{point.ci95[0]:.5f}, {point.ci95[1]:.5f}]"
            for name, point in points.items()
            if point.ci95 is not None
        }
        lines += [
            "",
            f"Eb/N0 in dB at which the block error rate is reached, {record.settings['num_iter']} iterations each, at least "
            f"{record.settings['stop']['errors']} block errors a point. The code ({public['k']}, {public['n']}) at "
            f"{public['ebno_db']:g} dB has the public frame error rate {public['fer']} ({public['source']}): "
            + ", ".join(f"{'Sionna' if name == 'sionna' else name} {rates[name]}" for name in ("sionna", "layered"))
            + ".",
        ]
    return lines
