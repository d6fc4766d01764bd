"""The schemes of Sec. V, one signature: a batch of images and an SNR to named outputs and integer counts.

``spec`` says which scheme as a value, ``registry`` has the classes by name, ``build`` makes one of the other. The contract
of a scheme, of one from elsewhere too, is :class:`~sc_sionna.schemes.base.Scheme`.

Each ``transmit`` is the block diagram, a line per arrow. What does not depend on the SNR (kept patches, encoder, JPEG
streams, the classification of an image that arrived without error) is done once per batch and reused over a sweep.
"""

from __future__ import annotations

from sc_sionna.schemes.base import CHANGEABLE, AirSurface, Batch, Scheme, Surroundings
from sc_sionna.schemes.build import available, describe_scheme, load_scheme_codec, make_scheme, trained_schemes
from sc_sionna.schemes.jpeg_ldpc import JpegLdpcScheme
from sc_sionna.schemes.jscc import JsccScheme
from sc_sionna.schemes.masked_vqvae import MaskedVqvaeScheme
from sc_sionna.schemes.registry import REGISTRY, scheme_class
from sc_sionna.schemes.spec import PAPER_SCHEMES, SCHEME_NAMES, SchemeSpec, Spec, as_spec, parse_schemes, specs

__all__ = [
    "CHANGEABLE",
    "PAPER_SCHEMES",
    "REGISTRY",
    "SCHEME_NAMES",
    "AirSurface",
    "Batch",
    "JpegLdpcScheme",
    "JsccScheme",
    "MaskedVqvaeScheme",
    "Scheme",
    "SchemeSpec",
    "Spec",
    "Surroundings",
    "as_spec",
    "available",
    "describe_scheme",
    "load_scheme_codec",
    "make_scheme",
    "parse_schemes",
    "scheme_class",
    "specs",
    "trained_schemes",
]
