"""Block errors of every mode of the link (streams × modulation × code rate) in a number of channel uses, against SNR.

Claim: total power and channel uses are the same in every mode, so that a robust one pays with bits alone; from these counts
an adaptive link chooses the mode that carries most at a target block error rate.
Run:   python sims/mcs_table.py --channel-uses 32    (three minutes of a core; seven at 128 uses)
       python sims/mcs_table.py --quick              (a look, a minute)
Expect at 32 uses the first mode with a block error rate of at most 0.1 at -12 dB, and the most bits per use to rise with
the SNR. Writes results/records/mcs_table_uses32.json and results/figures/mcs_table_uses32.png; the package ships the tables
of 32, 64 and 128 uses.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("mcs_table")
