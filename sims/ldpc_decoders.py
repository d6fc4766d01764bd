"""Block error rate over Eb/N0 of the layered decoder and of Sionna's, on the same codewords and the same noise.

Claim: the layered decoder is nowhere in the waterfall worse than Sionna's by more than 0.05 dB, at any code length.
Run:   python sims/ldpc_decoders.py               (long: 200 block errors a point, also of Sionna's decoder)
       python sims/ldpc_decoders.py --only 256    (the code with 256 information bits)
       python sims/ldpc_decoders.py --quick       (two short codes and few errors: a look)
Expect a line per point and the gap of every code in dB: at most 0.05; measured, between -0.07 and -0.20.

BPSK over AWGN, Eb/N0 per information bit. The reference is Sionna's ``LDPC5GDecoder`` as it comes: 20 flooding iterations
of exact sum-product (boxplus-phi), compiled by XLA. Every point runs until both decoders have made 200 block errors on the
same blocks; where the curves are far apart, points of one decoder alone complete its curve to 0.01. The code (512, 1024)
at 2 dB has a public reference, AFF3CT (https://aff3ct.github.io): a frame error rate of 0.0028 with 20 flooding sum-product
iterations. Writes results/records/ldpc_decoders.json and results/figures/ldpc_decoders.png; a stopped run resumes.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("ldpc_decoders")
