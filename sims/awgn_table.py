"""Block errors of the code words of an adaptive link over AWGN (symbols x modulation x code rate), against the SNR.

Claim: a code word over unequal streams is lost about as often as over AWGN at their effective SNR, so that
these curves tell a transmitter that knows the channel which modes it carries.
Run:   python sims/awgn_table.py                 (some minutes of a core)
       python sims/awgn_table.py --quick         (a look, a minute)
Expect curves that fall from 1 within a few dB of capacity, the steeper the longer the code word. Writes
results/records/awgn_table.json and results/figures/awgn_table.png; the package ships the table of 32 to 512 symbols.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("awgn_table")
