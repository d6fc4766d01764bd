"""Accuracy of all schemes against SNR, under semantic noise at the source and clean (Fig. 4(a) and 4(b) of the paper).

Claim: under semantic noise masked-vqvae+fim+at is best, then masked-vqvae+at, then the rest; clean, masked-vqvae+fim
comes close to the upper bound and is above JSCC and JPEG+LDPC; JPEG+LDPC fails at low SNR; adversarial training costs
little clean.
Run:   python sims/fig4_schemes_vs_snr.py            (digits, about five minutes on two cores)
       python sims/fig4_schemes_vs_snr.py --quick    (a look)
Expect (digits, ε = 0.05): of the schemes trained without semantic noise jscc below 15 % and masked-vqvae below 40 % at
every SNR, those trained against it far above at 18 dB; JPEG+LDPC at chance up to 0 dB. Schemes without weights are left
out.

Upper bound: JSCC without channel noise and semantic noise. Lower bound: JSCC under semantic noise of three
times the ε, without channel noise. Both are in the record's notes. Writes results/records/NAME.json and
results/figures/NAME.png, NAME = fig4_schemes_vs_snr_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("fig4_schemes_vs_snr")
