"""Task accuracy against SNR: every scheme that has weights over one physical layer, with and without semantic noise.

Claim: the learned schemes degrade gracefully with the SNR, JPEG+LDPC falls off a cliff, and at its usual quality needs
many times the symbols; semantic noise that a clean-trained scheme does not survive costs an adversarially trained one
little.
Run:   python sims/accuracy_vs_snr.py                                          (digits, at most three minutes on two cores)
       python sims/accuracy_vs_snr.py --dataset cifar10 --data-dir data        (10,000 images; 10 minutes with --epsilon 0)
       python sims/accuracy_vs_snr.py --quick                                  (a look, seconds)
Expect (digits) without semantic noise: masked-vqvae above 93 % from 9 dB on and above 85 % at 3 dB; JPEG+LDPC at chance
up to 0 dB, a cliff between 3 and 9 dB, and its error-free accuracy above; the class sent alone at its accuracy
throughout. With it, masked-vqvae below 40 % and jscc below 15 % at every SNR. Writes results/records/NAME.json and
results/figures/NAME.png with NAME = accuracy_vs_snr_DATASET. Killed at any moment, the same command goes on where it was.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("accuracy_vs_snr")
