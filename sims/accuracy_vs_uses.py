"""Accuracy against the channel uses that an image takes: learned schemes, conventional sources at their best, the label.

Claim: none of the paper's, which compares with JPEG that sends its tables with every picture.
Run:   python sims/accuracy_vs_uses.py            (digits, about three minutes on two cores)
       python sims/accuracy_vs_uses.py --quick    (a look)
Expect (digits, 18 dB): a thumbnail of 8 x 8 pixels at 2 bits in 18 uses and the class itself in 30 are as accurate as JPEG
with its tables in 500 to 600; at 0 dB, with four streams, only JSCC, the masked VQ-VAE and the label work.

Each point is a scheme at one setting, named in the record; sources behind one ViT trained on clean images. All send with
the same total power. Writes results/records/NAME.json and results/figures/NAME.png, NAME = accuracy_vs_uses_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("accuracy_vs_uses")
