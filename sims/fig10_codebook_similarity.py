"""Semantic similarity of the basis vectors of the codebook, without and with the orthogonality term (Fig. 10).

Claim: the term ‖EᵀE‖₂ of Sec. IV-B makes the basis vectors nearly mutually orthogonal: the heat map with it is darker.
Run:   python sims/fig10_codebook_similarity.py
       python sims/fig10_codebook_similarity.py --systems masked-vqvae,masked-vqvae+fim,masked-vqvae+fim+at
Expect (digits): 64 vectors in 8 dimensions cannot be orthogonal: the root mean square of |cos| is at least 0.333 (the Welch
bound) for any codebook. Trained as the presets are, the term changes little: vectors that it moves away from the features
fall out of use and are moved back onto features. Trained by Eq. (12) alone and without that (``@eq12``), it takes the rms
from 0.63 to the bound, at a weight of 20. The mean may lie below the bound. Writes results/records/NAME.json with the basis
vectors themselves and results/figures/NAME.png, NAME = fig10_codebook_similarity (other data sets: with _DATASET). Seconds;
--quick changes the name alone.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("fig10_codebook_similarity")
