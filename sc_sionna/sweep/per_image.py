"""Outcomes image by image as text: hits as packed bits, scores as float32, both in hexadecimal digits and image order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

# Images up to which a record keeps the scores of a point one by one, at 8 digits each; hits, at a quarter of a digit, always
MOST_SCORES = 2_000

Hits = dict[str, np.ndarray]  # bool, one per image, by the name of the count that they add up to


def to_bytes(values: np.ndarray) -> bytes:
    """Scores as they are stored: float32, least significant byte first, whatever the machine."""
    return values.astype("<f4").tobytes()


def check_hits(name: str, hits: np.ndarray, counts: Mapping[str, int]) -> None:
    """ValueError unless ``hits`` is one bit for each image and as many are set as the count ``name`` says."""
    images = counts.get("images", 0)
    if hits.dtype != np.bool_ or hits.shape != (images,):
        raise ValueError(f"hits {name!r}: not one bit for each of {images} images")
    if name not in counts or int(hits.sum()) != counts[name]:
        raise ValueError(f"{name} = {counts.get(name)}: {int(hits.sum())} of the images' bits are set")


def pack(hits: np.ndarray) -> str:
    """Bits bool ``[N]`` as hexadecimal digits, the first image the most significant bit, zeros behind the last."""
    return np.packbits(hits).tobytes().hex()


def unpack(text: str, images: int) -> np.ndarray:
    """Bits of :func:`pack`, bool ``[images]``; ValueError for another length, and for a bit behind the last image."""
    raw = np.frombuffer(_from_hex(text), np.uint8)
    bits = np.unpackbits(raw).astype(np.bool_)
    if len(raw) != -(-images // 8) or bits[images:].any():
        raise ValueError(f"{len(raw)} bytes of bits: not one bit for each of {images} images")
    return bits[:images]


def pack_scores(values: np.ndarray) -> str:
    """Scores float32 ``[N]`` as hexadecimal digits."""
    return to_bytes(values).hex()


def unpack_scores(text: str) -> np.ndarray:
    """Scores of :func:`pack_scores`; ValueError where a number is cut or not finite."""
    values = np.frombuffer(_from_hex(text), "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite")
    return values


def _from_hex(text: str) -> bytes:
    raw = bytes.fromhex(text)
    if raw.hex() != text:  # blanks and capitals: the same outcomes have one text
        raise ValueError("outcomes are written in lower-case hexadecimal digits")
    return raw
