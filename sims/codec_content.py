"""What the learned code carries beyond the class: its indices, what lost images still give, what can be rebuilt from it.

Claim: the discrete code describes the image, not only its class: features of the kept patches, of which other tasks can be
served, and from which a class can still be read where a part of the indices was received wrongly.
Run:   python sims/codec_content.py                                          (digits, a minute)
       python sims/codec_content.py --dataset cifar10 --data-dir data        (some minutes)
Expect for CIFAR-10 more than 1.5 bits of H(index given position and predicted class) and half of the codes in use; the
digits' code has collapsed onto the class, since it was trained where most blocks are lost. A code below half a bit, or with
fewer than N/8 different indices in an image, is called collapsed. Writes results/records/NAME.json and results/NAME.md with
NAME = codec_content_DATASET.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("codec_content")
