"""Source codecs of the conventional schemes, one file each, and how a user adds one (``module:Class``)."""

from __future__ import annotations

from sc_sionna.schemes.codecs.avif import AvifCodec
from sc_sionna.schemes.codecs.base import SourceCodec, SourceSettings
from sc_sionna.schemes.codecs.jpeg import JpegCodec
from sc_sionna.schemes.codecs.pixels import PixelsCodec
from sc_sionna.schemes.codecs.webp import WebpCodec

__all__ = ["AvifCodec", "JpegCodec", "PixelsCodec", "SourceCodec", "SourceSettings", "WebpCodec"]
