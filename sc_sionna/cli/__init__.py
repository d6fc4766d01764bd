"""The command line: parsing of words, and the calls behind each command."""
