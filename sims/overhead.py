"""Transmission overhead: Table I of the paper from its own formulas, beside what this link really puts on the air.

Claim: one image costs 53,760 / 196 / 784 symbols for JPEG+LDPC, patch 16 and patch 8 (classification), 249,960 / 490 /
1,960 (retrieval) and 143,360 / 490 / 1,960 (reconstruction).
Run:   python sims/overhead.py       (seconds)
Expect every number of the table reproduced, and what it leaves out: the paper counts the code rate for JPEG alone, so the
learned schemes cost twice its number once they are coded. Writes results/records/overhead.json and results/overhead.md.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("overhead")
