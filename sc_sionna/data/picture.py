"""One picture file to pixels, so that its meaning cannot change on the way: each property is converted right or refused.

Accepted are JPEG, PNG, BMP, WebP and PPM (PGM, PBM), by content and not by suffix; nothing else is handed to any decoder.

============================  =====================================================================================
property                      on reading
============================  =====================================================================================
grey, palette, 1 bit          converted to RGB, exactly
EXIF orientation              applied
ICC profile                   converted to sRGB; refused where the profile is damaged or not one of RGB or grey
transparency                  refused, unless every pixel is opaque; there is no right background
CMYK, YCCK, Lab               refused; their colours depend on a print process
16 or 32 bits, floats         refused; the range that is meant is not in the file
PNG gamma, chromaticities     refused if they are not those of sRGB
several frames                refused (animations, multi-page and stereo pictures)
size                          compared in the header, before anything is decoded; at most ``MAX_FILE_BYTES`` are read
============================  =====================================================================================
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sc_sionna.core.errors import UserError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM")
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".pbm"}
MAX_FILE_BYTES = 32 * 2**20
MAX_SIDE = 1024  # of an image, where the data set does not say; no codec takes larger ones
SRGB_GAMMA = 1 / 2.2
SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # white, red, green, blue
_WITH_ALPHA = {"RGBA", "LA", "PA", "La", "RGBa"}
_PLAIN = {"1", "L", "P", "RGB"}


def read_image(path: Path, image_size: int | None = None) -> np.ndarray:
    """One image as uint8 ``[H, H, 3]`` in sRGB; see the table above.

    image_size : the side that it must have; None accepts any up to ``MAX_SIDE``

    Raises
    ------
    UserError for a file that is missing, empty, too large, damaged, of another format or size, or refused by the table.
    """
    data = _read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow warns of is refused here, or harmless
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_header(path, image, image_size)
                image.load()
                return np.asarray(_to_rgb(path, ImageOps.exif_transpose(image)))
    except Image.DecompressionBombError:
        raise UserError(
            f"{path}: too many pixels, at most {MAX_SIDE} x {MAX_SIDE} are read; resize or remove it"
        ) from None
    except UserError:
        raise
    except UnidentifiedImageError:
        raise UserError(
            f"{path}: not a readable image (its content is none of {', '.join(FORMATS)}); remove or replace it"
        ) from None
    except Exception as error:  # a damaged file makes Pillow raise whatever its parsers raise
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not a readable image ({what}); remove or replace it") from None


def _read(path: Path) -> bytes:
    """The file's bytes, once it is known to be a plain file of a size that can be one."""
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise UserError(f"{path}: not a plain file; remove it")
        if info.st_size == 0:
            raise UserError(f"{path}: an empty file (0 bytes), an image is expected; remove or replace it")
        if info.st_size > MAX_FILE_BYTES:
            raise UserError(f"{path}: {info.st_size} bytes, at most {MAX_FILE_BYTES} are read; resize or remove it")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:  # a link to nothing or to itself, no permission
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        link = ", a link to nothing" if path.is_symlink() and not path.exists() else ""
        raise UserError(f"{path}: cannot be read ({reason}{link}); remove or replace it") from None


def _check_header(path: Path, image: Any, image_size: int | None) -> None:
    """UserError for what the header says already, before a pixel is decoded."""
    width, height = image.size
    wanted = image_size or height
    if (height, width) != (wanted, wanted):
        raise UserError(f"{path}: {height} x {width} pixels, {wanted} x {wanted} wanted; resize or remove it")
    if height > max(MAX_SIDE, image_size or 0):
        raise UserError(f"{path}: {height} x {width} pixels, at most {MAX_SIDE} x {MAX_SIDE} are read; resize it")
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise UserError(f"{path}: {frames} frames, an image has one; save the one that is meant as a file of its own")
    deep = any(";16B" in str(tile[3]) for tile in image.tile)  # Pillow would drop the low bytes
    if deep or image.mode not in _PLAIN | _WITH_ALPHA:
        what = "16 bits per channel" if deep or image.mode.startswith("I") else f"colour mode {image.mode}"
        raise UserError(f"{path}: {what}, 8 bits of grey or RGB are wanted; convert it or remove it")
    _check_png_colours(path, image)


def _check_png_colours(path: Path, image: Any) -> None:
    """UserError for a PNG whose own gamma or chromaticities are not those of sRGB; a profile or sRGB mark overrules them."""
    if "srgb" in image.info or image.info.get("icc_profile"):
        return
    gamma, chromaticity = image.info.get("gamma"), image.info.get("chromaticity")
    if gamma is not None and abs(gamma - SRGB_GAMMA) > 0.01:
        raise UserError(f"{path}: PNG gamma {gamma:.5g}, {SRGB_GAMMA:.5g} (sRGB) is wanted; convert it to sRGB")
    if chromaticity is not None and np.abs(np.subtract(chromaticity, SRGB_CHROMATICITIES)).max() > 0.01:
        raise UserError(f"{path}: PNG chromaticities {chromaticity} are not those of sRGB; convert it to sRGB")


def _to_rgb(path: Path, image: Any) -> Any:
    """A decoded, upright image in RGB, without transparency and in sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode in _WITH_ALPHA or "transparency" in image.info or getattr(image.palette, "mode", "") == "RGBA":
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema()[0] < 255:
            raise UserError(f"{path}: transparent pixels, every pixel must be opaque; flatten it on a background")
        image = rgba.convert("RGB")
    if profile:
        return _to_srgb(path, image if image.mode == "L" else image.convert("RGB"), profile)
    return image.convert("RGB")


def _to_srgb(path: Path, image: Any, profile: bytes) -> Any:
    """``image`` (L or RGB) by its ICC profile in sRGB; as it is where the profile is sRGB itself."""
    try:
        source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        space = source.profile.xcolor_space.strip()
        if space == "GRAY":
            image = image.convert("L")
        elif space == "RGB":
            image = image.convert("RGB")
        else:
            raise UserError(f"{path}: an ICC profile of {space} for an image of {image.mode}; convert it to sRGB")
        transform = ImageCms.buildTransform(source, srgb, image.mode, "RGB")
        grey = np.arange(256, dtype=np.uint8)
        test = grey.reshape(16, 16)
        if space == "RGB":
            test = np.stack([test, np.roll(grey, 85).reshape(16, 16), grey[::-1].reshape(16, 16)], axis=-1)
        seen = np.asarray(ImageCms.applyTransform(Image.fromarray(test), transform)).astype(int)
        if np.abs(seen - (test[..., None] if space == "GRAY" else test)).max() <= 2:
            return image.convert("RGB")
        return ImageCms.applyTransform(image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: a damaged ICC profile ({error}); convert it to sRGB or remove the profile") from None
