"""HOW to send it: the physical layer. The only folder that imports Sionna.

Conventions
-----------
SNR
    Total transmit power per channel use over the noise variance per receive antenna, with E|h|² = 1 for every entry of H,
    whatever the number of streams. The transmit power is 1, so ``no = 10^(-snr_db/10)`` (:mod:`~sc_sionna.phy.snr`, the
    only place where dB becomes a variance). Es/N0 per stream and Eb/N0 are derived quantities.
Noise
    Circularly symmetric complex Gaussian, variance ``no`` per receive antenna: ``no/2`` per real dimension.
Antennas and streams
    8 transmit and 4 receive antennas carry at most 4 streams. The precoder sends S unit-power streams with total power 1:
    ``P^H P = I/S``.
Channel energy
    E|h|² is measured when a link is built (``link.mimo.mean_energy``) and must be what the model stands for within 5 %.
Verdicts
    A block is received if its CRC is right *and* every bit is decided: zeros by default pass checks that start from zero.
    Whether the received bits equal the sent ones is the simulation's knowledge, counted apart from the receiver's opinion.
Fading
    Complex Gaussian where the channel model says no other. ``coherence`` says how long one realisation lasts: ``image`` (one
    per image), a number of channel uses, or ``symbol``. The independent sample of every statistic is the image.
LLR
    Sionna's sign: ln P(b=1)/P(b=0). Bits most significant first.
Axes
    ``[batch, channel use, antenna or stream]``; ``h`` is ``[..., receive antenna, transmit antenna]``.
Seeds
    Every draw takes two 32-bit words. Fading and noise are separate streams of one seed; noise is drawn use by use, so two
    systems with payloads of different length see the same noise on the uses that they share.

The modules are imported by name (``from sc_sionna.phy.link import DigitalLink``); this file imports nothing, so that
:mod:`~sc_sionna.semantic.index_mapper` also works on a machine without Sionna.
"""
