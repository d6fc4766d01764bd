"""Source codecs of the conventional schemes, one file each, by name; a user's own is ``module:Class``."""

from __future__ import annotations

from sc_sionna.source_codecs.avif import AvifCodec
from sc_sionna.source_codecs.base import SourceCodec, SourceSettings
from sc_sionna.source_codecs.jpeg import JpegCodec
from sc_sionna.source_codecs.pixels import PixelsCodec
from sc_sionna.source_codecs.webp import WebpCodec

__all__ = ["SOURCE_CODECS", "AvifCodec", "JpegCodec", "PixelsCodec", "SourceCodec", "SourceSettings", "WebpCodec"]

SOURCE_CODECS: dict[str, type[SourceCodec]] = {
    "jpeg": JpegCodec,
    "webp": WebpCodec,
    "avif": AvifCodec,
    "pixels": PixelsCodec,
}
