"""What is done to the project to find where it loses, changes or imports something in silence: ``sc-sionna fuzz``.

Each part damages one kind of input and says what became of it. The figures are in ``results/reliability.md``.
"""
