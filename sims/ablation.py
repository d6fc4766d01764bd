"""What each part of the robust masked VQ-VAE adds, with intervals: training, FIM, masking, codebook, thresholds.

Claim (Sec. III and IV): adversarial training, the feature importance module, noise-related masking and the discrete
codebook each add robustness against semantic noise; the thresholds of IV-A2 and IV-B1 save overhead at little cost.
Run:   python sims/ablation.py            (digits, about five minutes on two cores)
       python sims/ablation.py --quick    (a look)
Expect (digits, 18 dB): adversarial training adds some 58 points under semantic noise, the orthogonality term some 5 clean
where codes may stay unused; no other part adds more than its interval is wide, and several cost. The numbers are in
results/README.md.

A row compares two schemes that differ in that part and in the training run that goes with it. ``@VARIANT``: weights of their
own, whose description has the command; ``@joint`` and the variants compared with it descend once a batch on the sum of
all losses, where the schemes themselves follow Algorithm 3. ``[...]``: changed at test time. Schemes trained against
noise had 30 epochs of it (JSCC 20) after their plain training, those with a FIM 50 more before. An interval is over the
test images, for one training run each: it does not hold what another training seed would change. Writes
results/records/NAME.json and results/figures/NAME.png, NAME = ablation_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("ablation")
