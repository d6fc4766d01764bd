"""The sections of the page: which record, what the paper claims, which tables."""

from __future__ import annotations

from collections.abc import Callable

from sc_sionna.report.studies import audit, parts, similarity, spread
from sc_sionna.report.tables import accuracy_tables, by_threat, by_uses, contest, link_tables, mode_tables, over_the_air
from sc_sionna.sweep import Record

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
        "As above. Both start from one masked pre-training of 8 epochs; the masked VQ-VAE was then trained for 26, the "
        "classifier behind JPEG+LDPC, which sees all patches, for 18.",
        accuracy_tables,
    ),
    "accuracy_vs_uses_digits": (
        "The contest: what an image costs and what it gives",
        "None; the paper compares with JPEG that sends its tables with every picture.",
        by_uses,
    ),
    "accuracy_vs_uses_cifar10": (
        "The contest on CIFAR-10 (JPEG copy)",
        "None, as above.",
        by_uses,
    ),
    "equal_uses_32_adaptive_digits": (
        "Equal channel uses on a link that adapts its rate",
        "None; the paper compares schemes that take between 24 and 585 uses an image, all in one fixed mode.",
        contest,
    ),
    "uses_for_60_percent_32_cifar10": (
        "Equal channel uses on CIFAR-10 (JPEG copy): 32 an image",
        "None, as above.",
        contest,
    ),
    "uses_for_60_percent_64_cifar10": (
        "Equal channel uses on CIFAR-10: 64 an image",
        "None, as above.",
        contest,
    ),
    "uses_for_60_percent_128_cifar10": (
        "Equal channel uses on CIFAR-10: 128 an image",
        "None, as above.",
        contest,
    ),
    "ber_vs_snr": (
        "Error rates of the link",
        "None; the paper states neither rank nor precoder.",
        link_tables,
    ),
    "mcs_table_uses64": (
        "Modes of a link that adapts its rate",
        "None; the paper keeps one modulation and one code rate.",
        mode_tables,
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
    "fig6_accuracy_vs_epsilon_cifar10": (
        "Fig. 6 on CIFAR-10 (JPEG copy): with and without adversarial training",
        "The scheme that was trained against semantic noise keeps more of its accuracy under it.",
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
        over_the_air,
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
