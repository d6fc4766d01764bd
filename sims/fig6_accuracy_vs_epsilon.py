"""Accuracy of all schemes against the power ε of the semantic noise at the source (Fig. 6 of the paper).

Claim: every scheme falls with ε, masked-vqvae+fim+at least, most visibly where ε is large.
Run:   python sims/fig6_accuracy_vs_epsilon.py            (digits, about ten minutes on two cores)
       python sims/fig6_accuracy_vs_epsilon.py --quick    (a look)
Expect (digits, 18 dB): jscc below chance from ε = 0.05 on, masked-vqvae below 40 % there; the schemes trained against
semantic noise keep most of their clean accuracy at ε = 0.05. At ε = 0.05 the numbers are those of fig4_schemes_vs_snr
at 18 dB.

The attack is Eq. (7) with 10 steps against each scheme anew; robustness_audit.py says what stronger ones find. Writes
results/records/NAME.json and results/figures/NAME.png, NAME = fig6_accuracy_vs_epsilon_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("fig6_accuracy_vs_epsilon")
