"""Table I of the paper from its own formulas (Sec. V-B), beside what this link puts on the air for the same payloads."""

from __future__ import annotations

from math import ceil
from typing import Any

from sc_sionna.phy.budget import digital_budget
from sc_sionna.phy.framing import Framing
from sc_sionna.settings import LinkSettings

# Table I, in symbols per image: JPEG+LDPC, patch 16, patch 8
TABLE_I = {
    "classification": (53_760, 196, 784),
    "retrieval": (249_960, 490, 1_960),
    "reconstruction": (143_360, 490, 1_960),
}
# Bytes of a baseline colour JPEG with standard tables that are the same for all images of a size, and that both ends know:
# everything before the scan's data, and the end marker (ITU-T T.81, B.2 and B.5)
JPEG_SHARED_BYTES = 625
LENGTH_BITS = 16  # that say how long the scan is
BITS_PER_SYMBOL, CODERATE, INDEX_BITS, KEPT = 4, 0.5, 8, 0.5


def jpeg_symbols(height: int, width: int, compression: float) -> float:
    """L·H·C_n·P_b / (R_c·C_r·B_s) of Sec. V-B, with 3 channels of 8 bits; R_c divides (the paper prints it above)."""
    return height * width * 3 * 8 / (CODERATE * compression * BITS_PER_SYMBOL)


def learned_symbols(height: int, width: int, patch: int) -> float:
    """L·H·J_c·M_r / (P_a²·B_s) of Sec. V-B: uncoded symbols of the kept patches' indices."""
    return height * width * INDEX_BITS * KEPT / (patch**2 * BITS_PER_SYMBOL)


def implied(task: str) -> dict[str, Any]:
    """Image size and JPEG compression ratio that the task's numbers imply.

    The paper states 224 x 224 for classification only. Its 490 symbols at patch 16 are 245 indices of 8 bits, two symbols
    each; kept with ratio 1/2 they come from 490 patches, whose area is 490·16² = 125,440 pixels, for example 280 x 448.
    """
    jpeg, patch16, _ = TABLE_I[task]
    pixels = patch16 * 16**2 * BITS_PER_SYMBOL / (INDEX_BITS * KEPT)
    return {"pixels": pixels, "compression": pixels * 3 * 8 / (CODERATE * BITS_PER_SYMBOL * jpeg)}


def table_one() -> dict[str, Any]:
    """Table I recomputed, and this link's budgets for the same payloads."""
    tasks = {}
    for task, (jpeg, patch16, patch8) in TABLE_I.items():
        found = implied(task)
        side = found["pixels"] ** 0.5
        tasks[task] = {
            "implied_pixels": found["pixels"],
            "implied_side": side,
            "implied_jpeg_compression": found["compression"],
            "symbols": {
                "jpeg-ldpc": {"paper": jpeg, "formula": jpeg_symbols(1, found["pixels"], found["compression"])},
                "patch 16": {"paper": patch16, "formula": learned_symbols(1, found["pixels"], 16)},
                "patch 8": {"paper": patch8, "formula": learned_symbols(1, found["pixels"], 8)},
            },
        }
        for name, patch in (("patch 16", 16), ("patch 8", 8)):
            payload = ceil(found["pixels"] / patch**2 * KEPT) * INDEX_BITS
            coded, uncoded = (
                digital_budget(Framing(payload, settings), payload).model_dump()
                for settings in (LinkSettings(), LinkSettings(coded=False))
            )
            tasks[task]["symbols"][name] |= {"this_link_uncoded": uncoded, "this_link_coded": coded}
        payload = round(jpeg * BITS_PER_SYMBOL * CODERATE)
        settings = LinkSettings(crc="CRC24A", max_block_bits=8448)
        coded = digital_budget(Framing(payload, settings), payload).model_dump()
        tasks[task]["symbols"]["jpeg-ldpc"]["this_link_coded"] = coded
        scan = payload - 8 * JPEG_SHARED_BYTES
        coded = digital_budget(Framing(scan + LENGTH_BITS, settings), scan, LENGTH_BITS).model_dump()
        tasks[task]["symbols"]["jpeg-ldpc, scan alone"] = {"paper": None, "formula": None, "this_link_coded": coded}
    return {"bits_per_symbol": BITS_PER_SYMBOL, "coderate": CODERATE, "tasks": tasks}
