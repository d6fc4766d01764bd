"""The command line, as ``python -m sc_sionna``."""

from sc_sionna.cli.main import main

if __name__ == "__main__":  # a worker imports this module under another name
    main()
