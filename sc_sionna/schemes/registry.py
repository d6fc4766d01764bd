"""The schemes by name. A name that is not here is a class of the user's own, ``module:Class``."""

from __future__ import annotations

from sc_sionna.core.errors import UserError
from sc_sionna.core.plugins import resolve
from sc_sionna.schemes.base import Scheme
from sc_sionna.schemes.jpeg_ldpc import JpegLdpcScheme
from sc_sionna.schemes.jscc import JsccScheme
from sc_sionna.schemes.label_ldpc import LabelLdpcScheme
from sc_sionna.schemes.masked_vqvae import MaskedVqvaeScheme
from sc_sionna.schemes.stream import AvifLdpc, PixelsLdpc, WebpLdpc

REGISTRY: dict[str, type[Scheme]] = {
    "masked-vqvae": MaskedVqvaeScheme,
    "masked-vqvae+fim": MaskedVqvaeScheme,
    "jscc": JsccScheme,
    "jpeg-ldpc": JpegLdpcScheme,
    "webp-ldpc": WebpLdpc,
    "avif-ldpc": AvifLdpc,
    "pixels-ldpc": PixelsLdpc,
    "label-ldpc": LabelLdpcScheme,
}


def scheme_class(name: str) -> type[Scheme]:
    """The class of a scheme, with its capabilities; nothing is built.

    Raises
    ------
    UserError
        A name that neither the registry nor a module of the user's own has, and a class that is no scheme.
    """
    found: type[Scheme] = resolve(name, REGISTRY, "system")
    if not (isinstance(found, type) and hasattr(found, "changeable")):
        raise UserError(f"system = {name!r}: no scheme; write a class with what sc_sionna.schemes.Scheme lists")
    return found
