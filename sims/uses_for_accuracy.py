"""Channel uses that a scheme needs for an accuracy, against the SNR, on a link that adapts its rate.

Claim: the paper's "fewer symbols at equal accuracy", asked with every scheme at its best.
Run:   python sims/uses_for_accuracy.py                                      (digits, 95 %; minutes on two cores)
       python sims/uses_for_accuracy.py --dataset cifar10 --data-dir data --max-images 2000
       python sims/uses_for_accuracy.py --quick                              (a look: two numbers of uses, two SNRs)
Expect: the class decided at the transmitter needs the fewest at every SNR. Of the rest the learned code needs fewer uses
than any picture codec below 6 dB. Writes a record for each number of uses and one figure of all.
"""

from sc_sionna.cli.main import run_script

if __name__ == "__main__":
    run_script("uses_for_accuracy")
