"""What everything stands on: errors, atomic files, random streams, plug-ins, the start of the backend."""
