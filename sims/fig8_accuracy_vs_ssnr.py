"""Accuracy against the signal-to-semantic-noise ratio of noise added over the air (Fig. 8 of the paper), and its control.

Claim: accuracy rises with the ratio for every scheme; masked-vqvae+fim+at is best; this noise, one Δx for all images,
hurts less than noise at the source, and adversarial training against that helps little here.
Run:   python sims/fig8_accuracy_vs_ssnr.py            (digits, about ten minutes on two cores)
       python sims/fig8_accuracy_vs_ssnr.py --quick    (a look)
Expect (digits, 18 dB): every scheme near its clean accuracy at 20 dB, and Algorithm 1 no better than Gaussian noise of
the same power by more than a few points, since a fresh attacker channel H_a for every image scatters any one Δx.
Where a stream has a header, jamming it takes over 13 dB less power for the loss of half the accuracy than noise on all
uses (JPEG: it is lost at 25 dB still, on all uses at 12 dB). No other pattern takes less than noise on all uses: of one
interleaved code word under one fading realisation every use is much like the next, and a code corrects a few lost ones.

Panels: Algorithm 1; Gaussian noise of the same power through the same attacker channel; jamming, which puts this energy on
a burst of uses, of the length that did most damage on training images, or on the header; and their controls, the same
energy on as many random uses. Coded bits have no gradient at the receiver, so JPEG+LDPC is not under
Algorithm 1. What was jammed and the ratios that were realised are in the record's notes; the ratio at which half of the
accuracy is lost is printed. `--patterns strided,code-graph` gives panels to every k-th use and to the uses on which a code
is weak, `best` takes the worst of all. Writes results/records/NAME.json and results/figures/NAME.png, NAME =
fig8_accuracy_vs_ssnr_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("fig8_accuracy_vs_ssnr")
