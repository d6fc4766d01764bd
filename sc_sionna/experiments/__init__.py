"""What is swept: jobs built from settings alone, run by the engine of :mod:`sc_sionna.sweep`, replayed from records."""
