"""results/README.md from the records: for every figure what the paper claims, the numbers, and whether they agree.

Claim: none of its own; every number in the report is read from a record under results/records.
Run:   python sims/report.py        (a second; after any other script has renewed its record)
Expect results/README.md with a section for each record that is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sc_sionna.cli.main import run_command, run_script
from sc_sionna.core.atomic import write_text
from sc_sionna.sweep import PointRecord, Record, read_record
from sc_sionna.sweep.metrics import METRICS


def percent(point: PointRecord | None) -> str:
    """Value with its interval, in percent."""
    if point is None or point.value is None or point.ci95 is None:
        return "–"
    return f"{100 * point.value:.1f} [{100 * point.ci95[0]:.1f}, {100 * point.ci95[1]:.1f}]"


def value_at(record: Record, system: str, snr_db: float, threat: str | None = None) -> float | None:
    found = [p.value for p in record.points if (p.system, p.snr_db, p.threat) == (system, snr_db, threat)]
    return found[0] if found else None


def threats_of(record: Record) -> list[str | None]:
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


def accuracy_tables(record: Record) -> list[str]:
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


def link_tables(record: Record) -> list[str]:
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


def spread(record: Record) -> list[str]:
    """Activation of frequent and rare features, clean and noisy."""
    from sc_sionna.figures.maps import frequencies, uniformity

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
    from sc_sionna.figures.maps import similarity_numbers

    lines = [
        "",
        "| scheme | weight of the term | mean | rms | max | Welch bound of rms and max |",
        "|---|---|---|---|---|---|",
    ]
    for name, vectors in record.notes["codebooks"].items():
        n = similarity_numbers(vectors)
        weight = record.notes["orthogonality_weight"][name]
        lines.append(f"| {name} | {weight:g} | {n['mean']:.3f} | {n['rms']:.3f} | {n['max']:.3f} | {n['welch']:.3f} |")
    return lines


def parts(record: Record) -> list[str]:
    """What each part adds, in points of accuracy with intervals, and what an image costs."""
    from sc_sionna.figures.differences import differences

    found = list(differences(record))
    places = sorted({(d.snr_db, d.threat) for d in found}, key=lambda place: (-place[0], place[1] or ""))
    heads = [f"{snr_db:g} dB, {threat or 'clean'}" for snr_db, threat in places]
    lines = ["", "| part | with it | without it | " + " | ".join(heads) + " |", "|---" * (len(heads) + 3) + "|"]
    for part, (with_it, without) in record.notes["pairs"].items():
        by_place = {(d.snr_db, d.threat): d for d in found if d.part == part}
        cells = [
            f"{100 * d.value:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]" if d is not None else "–"
            for d in (by_place.get(place) for place in places)
        ]
        lines.append(f"| {part} | {with_it} | {without} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Accuracy in %, and per image the source bits, the bits of side information (taken as error-free), and the channel "
        "uses. Where thresholds leave features out, this link fills the rest of its fixed block with padding: the uses are "
        "those of the full payload.",
        "",
        f"| scheme | {' | '.join(heads)} | source bits | side bits | channel uses |",
        "|---" * (len(heads) + 4) + "|",
    ]
    points = {(p.system, p.snr_db, p.threat): p for p in record.points}
    budgets = {p.system: p.budget for p in record.points if p.budget}
    for system, budget in budgets.items():
        cells = [percent(points.get((system, *place))) for place in places]
        source = f"{budget['payload_bits']:.1f}" if budget["payload_bits"] else "analog"
        shown = f"{source} | {budget['side_bits']:.1f} | {budget['channel_uses']:g}"
        lines.append(f"| {system} | " + " | ".join(cells) + f" | {shown} |")
    return lines


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


# record → (title, what the paper claims, its tables)
SECTIONS: dict[str, tuple[str, str, Callable[[Record], list[str]]]] = {
    "accuracy_vs_snr_digits": (
        "Main job: all schemes on the digits",
        "The learned schemes degrade gracefully with the SNR and hold up against semantic noise once trained against it; "
        "JPEG+LDPC fails at low SNR.",
        accuracy_tables,
    ),
    "accuracy_vs_snr_cifar10": (
        "The same on CIFAR-10 (JPEG copy)",
        "As above. First models, trained for a few epochs on two cores: far from what the architecture can do.",
        accuracy_tables,
    ),
    "ber_vs_snr": (
        "Error rates of the link",
        "None; the paper states neither rank nor precoder.",
        link_tables,
    ),
    "fig4_schemes_vs_snr_digits": (
        "Fig. 4: schemes against SNR",
        "`masked-vqvae+fim+at` is best under semantic noise, then `masked-vqvae+at`, then the others; clean, "
        "`masked-vqvae+fim` is close to the upper bound.",
        accuracy_tables,
    ),
    "fig5_codebook_size_digits": (
        "Fig. 5: codebook size",
        "A larger codebook is more accurate and more robust; J >= 16 is enough.",
        accuracy_tables,
    ),
    "fig6_accuracy_vs_epsilon_digits": (
        "Fig. 6: accuracy against ε",
        "All schemes fall with ε, `masked-vqvae+fim+at` least.",
        by_threat,
    ),
    "fig7_accuracy_vs_reserving_ratio_digits": (
        "Fig. 7: reserving ratio",
        "At small ε more patches help; at large ε a ratio of 0.5 is best.",
        by_threat,
    ),
    "fig8_accuracy_vs_ssnr_digits": (
        "Fig. 8: semantic noise over the air",
        "Accuracy rises with the signal-to-semantic-noise ratio; `masked-vqvae+fim+at` is best; adversarial training "
        "helps little against this noise.",
        by_threat,
    ),
    "fig9_feature_activation": (
        "Fig. 9: feature activation",
        "Noise activates rare features more and frequent ones less; the FIM suppresses that.",
        spread,
    ),
    "fig10_codebook_similarity": (
        "Fig. 10: codebook similarity",
        "The orthogonality term makes the basis vectors nearly orthogonal.",
        similarity,
    ),
    "ablation_digits": (
        "What each part adds",
        "Adversarial training, the feature importance module, noise-related masking and the discrete codebook each add "
        "robustness; not sending unimportant and similar features saves symbols.",
        parts,
    ),
    "robustness_audit_digits": (
        "Robustness under stronger attacks",
        "None; the paper attacks with Eq. (7) only.",
        audit,
    ),
}


# record → what is seen in these numbers, agreeing with the claim or not; to be read again when a record is renewed
SEEN: dict[str, list[str]] = {
    "accuracy_vs_snr_digits": [
        "Agrees for the learned schemes against JPEG+LDPC at low SNR, and for adversarial training, which at 18 dB costs 0 "
        "to 3 points clean. Disagrees in the order: JSCC and, from 9 dB on, JPEG+LDPC with adversarial training are ahead "
        "of every masked VQ-VAE, with and without semantic noise. JSCC sends all patches, at the same number of channel "
        "uses, and analog symbols over 24 uses degrade without a cliff. JPEG+LDPC costs 24 times the symbols; it resists "
        "this noise by itself in part, since JPEG removes some of it.",
    ],
    "ber_vs_snr": [
        "The cliff of four SVD streams lies between 3 and 6 dB, of one stream 12 dB lower; eight streams have a "
        "block error rate of 1 at every SNR. So a scheme trained at 3 dB with four streams meets mostly failed "
        "blocks.",
    ],
    "fig4_schemes_vs_snr_digits": [
        "At 18 dB adversarial training adds 57 to 59 points to the masked VQ-VAE under semantic noise and costs 1.4 clean, "
        "2.8 with FIM (agrees). Of the FIM nothing is seen there: with and without it the intervals overlap, clean and "
        "noisy (disagrees). Below 0 dB `masked-vqvae+fim+at` is far above `masked-vqvae+at`; trained with one descent on "
        "the sum of all terms the two were level, so this is a property of the training runs as much as of the module. "
        "JSCC+AT and JPEG+LDPC+AT are best (disagrees).",
    ],
    "fig5_codebook_size_digits": [
        "Disagrees: without channel errors the sizes are alike, and J = 4 costs a third of the symbols. Around 0 "
        "dB J = 64 is best and 256 no better than 4: an index of 8 bits is wrong more often. Under semantic noise "
        "the smallest codebook is the most robust.",
    ],
    "fig6_accuracy_vs_epsilon_digits": [
        "All fall with ε (agrees), those trained against it far less. JSCC+AT and JPEG+LDPC+AT are above both "
        "masked VQ-VAEs with adversarial training (disagrees); with and without the FIM their intervals overlap.",
    ],
    "fig7_accuracy_vs_reserving_ratio_digits": [
        "Agrees in direction: at ε = 0.03 and 0.05 accuracy rises with the ratio up to 0.75 and is then flat, at ε = 0.1 it "
        "falls from 51 % at a ratio of 0.25 to 34 % at 1; a quarter, not half, is best there. One model, trained at 0.5, is "
        "tested at all ratios, so what another ratio gains or loses includes that mismatch.",
    ],
    "fig8_accuracy_vs_ssnr_digits": [
        "Algorithm 1 hurts JSCC more than Gaussian noise of the same power; on the coded masked VQ-VAE the two "
        "are alike, since a code block fails for either. Adversarial training at the source does not help here "
        "(agrees). The order of the schemes disagrees: JSCC is most robust.",
    ],
    "fig9_feature_activation": [
        "Noise inhibits the frequent features (agrees). It does not activate the rare ones more, nor raise "
        "magnitudes, where the scheme was not trained against it (disagrees). The FIM alone does not change that; "
        "adversarial training makes clean and noisy activations alike.",
    ],
    "fig10_codebook_similarity": [
        "Agrees where the codebook is trained by Eq. (12) alone and unused codes stay unused: the term takes the root mean "
        "square from 0.63 to the least that 64 vectors in 8 dimensions can have, the Welch bound, and the scheme gains "
        "(see the ablation). As the presets are trained it has next to no effect: vectors that it moves away from the "
        "features fall out of use, and the measure against dead codes moves them back onto features.",
    ],
    "ablation_digits": [
        "Adversarial training adds 58 points under semantic noise for 1 to 4 clean (agrees). The stages of Algorithm 3, "
        "which take three descents per batch and see clean images too, are 3 to 4 points under noise above one descent "
        "on the sum, within the intervals. The FIM adds nothing measurable in three comparisons, clean or noisy "
        "(disagrees), and neither does its class-conditional form. Two reasons can be read off the model: Eq. (15) has no "
        "gradient along the mean over classes of Eq. (14), so the trained weights are still spread as they were drawn "
        "(range in the record of Fig. 9); and the blocks and the cosine look-up normalise what a weight scales.",
        "Masking half of the patches halves the symbols and costs 9 points under noise, 4 clean; masking where the noise "
        "hits costs 11 and 5 more than masking uniformly (disagrees): the noise hits the patches that carry the class. "
        "The codebook, against analog symbols of the same masked ViT over as many channel uses, makes no measurable "
        "difference (disagrees; against Eq. (7), whose gradient the quantiser masks in part). The orthogonality term, where "
        "codes may fall out of use and it can act (Fig. 10), adds 5 points clean and 4 to 5 under noise, the latter within "
        "the interval (agrees); by Eq. (12) alone and without it the scheme is level with the preset.",
        "Features alike sent once: at 18 dB an image needs 1.5 of its 32 indices, 9 source and 39 side bits in place of "
        "192, at the same accuracy (agrees as far as source bits go). At 3 dB it costs 59 points in this framing, which "
        "does not turn the freed bits into a lower rate: trained over a channel that loses most blocks, the codec has "
        "learned to repeat one index, and the repetition is what carries it there. Importance thresholds cost accuracy in "
        "proportion to what they save.",
    ],
    "robustness_audit_digits": [
        "The paper's attack with one draw of the mask overstates the robustness of a randomly masked scheme: against the "
        "worst of all attacks the masked VQ-VAE without adversarial training keeps nothing, with it two thirds of the "
        "images, with the FIM and without. The strongest attacks on it go through the soft and the unquantised twin, a "
        "sign that the quantiser masks part of the gradient.",
    ],
}


def decoder_section(path: Path) -> list[str]:
    found = json.loads(path.read_text())
    lines = ["## LDPC decoders", "", "![](figures/ldpc_decoders.png)", ""]
    lines += [
        "| code (k, n) | block error rate | layered, dB | Sionna, dB | layered minus Sionna, dB |",
        "|---|---|---|---|---|",
    ]
    for row in found["gaps"]:
        if row["gap_db"] is not None:
            lines.append(
                f"| ({row['k']}, {row['n']}) | {row['bler']} | {row['layered_db']:.3f} | {row['sionna_db']:.3f} | "
                f"{row['gap_db']:+.3f} |"
            )
    check = found["public"]
    if check:
        rates = {name: f"{v[0]:.5f} [{v[1]:.5f}, {v[2]:.5f}]" for name, v in check["fer_and_interval"].items()}
        lines += [
            "",
            f"Eb/N0 in dB at which the block error rate is reached, 20 iterations each, at least "
            f"{found['settings']['min_errors']} block errors a point. The code ({check['k']}, {check['n']}) at "
            f"{check['ebno_db']:g} dB has the public frame error rate {check['fer']} ({check['source']}): Sionna "
            f"{rates['sionna']}, layered {rates['layered']}.",
        ]
    return lines


def report(out: Path) -> None:
    lines = [
        "# Results",
        "",
        "Written by `python sims/report.py` from the records in [records/](records); each names its command, commit, seed, "
        "versions and device; `python -m sc_sionna replay RECORD` runs a sweep again, the command any other. Brackets "
        "are 95 % intervals. Speed: [benchmarks.md](benchmarks.md); overhead: [overhead.md](overhead.md).",
    ]
    for name, (title, claim, tables) in SECTIONS.items():
        path = out / "records" / f"{name}.json"
        if not path.is_file():
            continue
        record = read_record(path)
        lines += ["", f"## {title}", "", f"![](figures/{name}.png)", "", f"*Claim.* {claim}", "", "*Seen.*"]
        lines += [cliff(record)] if name.startswith("accuracy_vs_snr") else []
        lines += tables(record)
        for paragraph in SEEN.get(name, []):
            lines += ["", paragraph]
        lines += [
            "",
            f"`{record.command}`, {record.data_set}, {record.duration_s:.0f} s on {record.device['cores']} cores.",
        ]
    hard, soft = (out / "records" / f"decoding_{way}_digits.json" for way in ("hard", "soft"))
    if hard.is_file() and soft.is_file():
        lines += ["", "## Hard or soft decoding of indices", "", "![](figures/decoding_hard_vs_soft_digits.png)", ""]
        lines += ["Hard indices, accuracy in %:", "", *by_snr(read_record(hard), None)]
        lines += ["", "Posterior-mean codebook vectors, accuracy in %:", "", *by_snr(read_record(soft), None)]
        lines += ["", "Soft decoding loses below 4.5 dB, so hard indices stay the default."]
    for name, section in (("ldpc_decoders", decoder_section),):
        path = out / "records" / f"{name}.json"
        if path.is_file():
            lines += ["", *section(path)]
    write_text(out / "README.md", "\n".join(lines) + "\n")
    print(f"report: {out / 'README.md'}")


def main(out: Annotated[Path, typer.Option(help="folder of the records")] = Path("results")) -> None:
    """Write results/README.md from the records."""
    run_command(lambda: report(out))


if __name__ == "__main__":
    run_script(main)
