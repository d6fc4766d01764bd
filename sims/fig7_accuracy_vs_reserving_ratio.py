"""Accuracy of masked-vqvae+fim+at against the reserving ratio for several ε (Fig. 7 of the paper).

Claim: at small ε accuracy rises with the reserving ratio (1 − masking ratio); at large ε it first rises, then falls,
since more patches carry more semantic noise too, and a ratio of 0.5 is best.
Run:   python sims/fig7_accuracy_vs_reserving_ratio.py            (digits, about six minutes on two cores)
       python sims/fig7_accuracy_vs_reserving_ratio.py --quick    (a look)
Expect (digits, 18 dB): clean accuracy rises with the ratio up to about 0.5 and is then nearly flat. Whether it falls at
large ε is in results/README.md.

One model, trained at a masking ratio of 0.5, is tested at every ratio: the paper does not say whether it trained one
model for each. The attack knows the ratio, not the masks. The ratio changes the payload; the record has the budget of
each. ``--systems`` names other schemes. Writes results/records/NAME.json and results/figures/NAME.png, NAME =
fig7_accuracy_vs_reserving_ratio_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("fig7_accuracy_vs_reserving_ratio")
