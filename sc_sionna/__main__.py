"""The command line, as ``python -m sc_sionna``."""

from sc_sionna.cli.main import main

main()
