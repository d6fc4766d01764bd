"""5G LDPC on a CPU: an encoder of 64 frames in the bits of a word, and a layered decoder of 32 frames side by side.

The README beside this file explains the kernels and how Numba's cache of them is invalidated.
"""
