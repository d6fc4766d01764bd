"""Hard indices against posterior-mean codebook vectors at the receiver of the masked VQ-VAE.

Claim: none of the paper's; soft decisions often help a receiver, so the choice is measured before one is the default.
Run:   python sims/decoding_hard_vs_soft.py            (digits, half a minute on two cores)
       python sims/decoding_hard_vs_soft.py --quick    (a look)
Expect (digits): soft decoding loses at every SNR where blocks fail, 9 points at 3 dB and more below it: a network trained on
hard indices has never seen the short vectors near the middle of the codebook that a posterior mean is. Hard decoding is
therefore the default. Writes results/records/decoding_{hard,soft}_DATASET.json and one figure of both.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("decoding_hard_vs_soft")
