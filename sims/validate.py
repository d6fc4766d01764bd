"""Simulation against theory: bit error rates in closed form, LMMSE error variance, SNR at the antenna, transmit power.

Claim: none of the paper's; every number of the link that has a closed form is met within four standard errors.
Run:   python sims/validate.py            (about half a minute on two cores)
       python sims/validate.py --quick    (a tenth of the samples)
Expect every check to agree and exit code 0; 1 if one does not. ``sc-sionna validate`` prints the table without a record.
Writes results/records/validate.json and results/figures/validate.png.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("validate")
