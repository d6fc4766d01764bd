"""Every scheme in the same number of channel uses, on a link that adapts its rate to the SNR.

Claim: none of the paper's; it compares schemes whose images cost between 24 and 585 channel uses over one fixed mode.
Run:   python sims/equal_uses_vs_snr.py                                      (digits in 64 uses, minutes on two cores)
       python sims/equal_uses_vs_snr.py --dataset cifar10 --data-dir data --max-images 2000 --snr-db 0,6,12,18
       python sims/equal_uses_vs_snr.py --channel-uses 32 --quick            (a look)
Expect: an adaptive link takes every scheme far below the cliff of four streams: the learned code sends fewer indices, a
picture fewer pixels. The class decided at the transmitter loses nothing anywhere. No picture codec is above the bound of
an ideal code with the same source codec. Writes one record for the adaptive link, one for the bound and one for each
fixed mode, results/records/equal_uses_U_*_DATASET.json, and one figure of all.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("equal_uses_vs_snr")
