from sc_sionna.cli.main import main

main()
