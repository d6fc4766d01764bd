"""Accuracy against SNR for codebooks of J = 4, 16, 64 and 256 vectors, clean and under semantic noise (Fig. 5 of the paper).

Claim: accuracy rises with J, clean and under semantic noise, and J >= 16 is enough.
Run:   python sims/fig5_codebook_size.py            (digits, about three minutes on two cores)
       python sims/fig5_codebook_size.py --quick    (a look)
Expect (digits): clean at 18 dB, J = 16, 64 and 256 within a few points of each other and J = 4 below; at low SNR a
small J gains, since fewer bits go over the air. What J does against semantic noise is in results/README.md.

Sizes without weights are named with the command that trains them and left out; J = 64 is the preset's. Writes
results/records/NAME.json and results/figures/NAME.png, NAME = fig5_codebook_size_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("fig5_codebook_size")
