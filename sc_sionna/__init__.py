"""Link-level simulation of robust semantic communications."""

import os

# Before anything imports TensorFlow: its start-up messages are not the user's. A value set by the user stays.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
