"""Every scheme under the paper's attack and under the adaptive suite, with the checks for masked gradients.

Claim: what looks robust under Eq. (7) with 10 steps is robust under stronger attacks too: APGD with momentum on two losses
over 20 mask and channel draws, through a soft and through no quantiser, and Square, which needs no gradient.
Run:   python sims/robustness_audit.py                                   (digits, 64 images, 3 minutes per scheme)
       python sims/robustness_audit.py --systems masked-vqvae --epsilon 0.03
       python sims/robustness_audit.py --quick                            (16 images and little effort: a look)
Expect (digits): masked-vqvae keeps about a third under Eq. (7) with one draw and nothing in the worst case, jscc next to
nothing under both; masked-vqvae+at, three quarters under Eq. (7) with four draws, keeps two thirds in the worst case. A
failed check is printed, is in the record, and marks its scheme in the figure: the robust accuracy is then an upper
bound only.

An image is robust under an attack where most of 5 fresh draws of mask, fading and noise through the real system are right,
and robust in the worst case where it is so under all attacks. Schemes without weights are left out by name. A killed run
goes on after its last finished attack. Writes results/records/NAME.json and results/figures/NAME.png with
NAME = robustness_audit_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("robustness_audit")
