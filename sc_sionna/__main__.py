from sc_sionna.cli import main

main()
