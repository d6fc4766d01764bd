"""Block error rate over Eb/N0 of the layered decoder and of Sionna's, on the same codewords and the same noise.

Claim: the layered decoder is nowhere in the waterfall worse than Sionna's by more than 0.05 dB, at any code length.
Run:   python sims/ldpc_decoders.py               (long: 200 block errors a point, also of Sionna's decoder)
       python sims/ldpc_decoders.py --only 256    (the code with 256 information bits)
Expect a line per point and the gap of every code in dB: at most 0.05; measured, between -0.07 and -0.20.

BPSK over AWGN with Eb/N0 per information bit: σ² = 1 / (2 · k/n · 10^(Eb/N0 / 10)), logits 2y/σ². The reference is
``LDPC5GDecoder`` as it comes: 20 flooding iterations of exact sum-product (boxplus-phi), compiled by XLA. Every point
runs until both decoders have made ``MIN_ERRORS`` block errors; where the curves are far apart, points of one decoder alone
complete its curve down to 0.01. The code (512, 1024) at 2 dB has a public reference,
AFF3CT (https://aff3ct.github.io): a frame error rate of 0.0028 with 20 flooding sum-product iterations.

A point's state is one flag per block and decoder, kept in ``runs/ldpc_decoders``: a stopped run resumes, and a changed
layered decoder repeats only its own part. Draws ``results/figures/ldpc_decoders.png`` and writes the integer counts to
``results/records/ldpc_decoders.json``. ``--only K`` restricts the run to the codes with K information bits.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from sc_sionna.core import startup
from sc_sionna.core.atomic import write_bytes, write_text

startup.start_backend()

import tensorflow as tf  # noqa: E402
from sionna.phy.fec.ldpc import LDPC5GDecoder  # noqa: E402

import sc_sionna.phy.ldpc.decoder as ldpc  # noqa: E402
import sc_sionna.phy.ldpc.kernels as ldpc_kernels  # noqa: E402
import sc_sionna.phy.ldpc.simd as ldpc_simd  # noqa: E402
from sc_sionna.sweep.metrics import wilson  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / "runs" / "ldpc_decoders"
SEED = 20
NUM_ITER = 20
MIN_ERRORS = 200
MAX_DB_LOSS = 0.05
CURVES: dict[tuple[int, int], tuple[float, ...]] = {
    (64, 128): (1.0, 2.0, 2.5, 3.0, 3.4),
    (256, 512): (1.0, 1.5, 1.9, 2.2),
    (784, 1568): (1.0, 1.3, 1.5, 1.7),
    (1000, 3000): (0.3, 0.6, 0.8, 0.95),
    (3840, 7680): (0.85, 1.0, 1.1, 1.15),
    (8448, 12672): (1.65, 1.72, 1.78, 1.82),
}
# points of one decoder alone, where its own curve reaches a block error rate of 0.01
ALONE: dict[tuple[int, int], dict[str, tuple[float, ...]]] = {
    (64, 128): {"sionna": (3.6,)},
    (1000, 3000): {"sionna": (1.05,)},
    (3840, 7680): {"sionna": (1.25, 1.34), "layered": (1.2,)},
    (8448, 12672): {"sionna": (1.92, 2.0, 2.05), "layered": (1.86, 1.9)},
}
DECODERS = ("layered", "sionna")
PUBLIC = {"k": 512, "n": 1024, "ebno_db": 2.0, "fer": 0.0028, "source": "AFF3CT, 20 flooding sum-product iterations"}

# changes with the layered decoder's source, so that stale flags are not reused; taken before anything can change it
FINGERPRINT = zlib.crc32(
    b"".join(Path(str(module.__file__)).read_bytes() for module in (ldpc, ldpc_kernels, ldpc_simd))
)


def interval(errors: int, blocks: int) -> tuple[float, float]:
    """95 % interval of a block error rate."""
    return wilson(errors, blocks) or (0.0, 1.0)


def batch_size(n: int) -> int:
    """Blocks per call: about 400,000 coded bits, so that the reference's messages stay small."""
    return max(32, min(2048, 400_000 // n))


class Code:
    """One (k, n): its encoder and both decoders, each as logits -> flags of the blocks in error."""

    def __init__(self, k: int, n: int) -> None:
        self.k, self.n = k, n
        encoder = ldpc.ldpc_encoder(k, n)
        self._encode = tf.function(encoder, jit_compile=True)
        self._reference = tf.function(LDPC5GDecoder(encoder, num_iter=NUM_ITER), jit_compile=True)
        self._layered = ldpc.LayeredLDPCDecoder(encoder, num_iter=NUM_ITER)

    def draw(self, ebno_db: float, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Information bits ``[B, k]`` and logits ``[B, n]`` of one batch, from a seed of its own."""
        rng = np.random.default_rng([SEED, self.k, self.n, round(1000 * (ebno_db + 100)), batch])
        bits = rng.integers(0, 2, (batch_size(self.n), self.k)).astype(np.float32)
        variance = 1 / (2 * (self.k / self.n) * 10 ** (ebno_db / 10))
        received = rng.standard_normal((len(bits), self.n), dtype=np.float32) * np.float32(math.sqrt(variance))
        received += 2 * self._encode(tf.constant(bits)).numpy() - 1
        return bits, received * np.float32(2 / variance)

    def reference(self, bits: np.ndarray, llr: np.ndarray) -> np.ndarray:
        return np.any(self._reference(tf.constant(llr)).numpy() != bits, axis=1)

    def layered(self, bits: np.ndarray, llr: np.ndarray) -> np.ndarray:
        return np.any(self._layered.decode(llr).bits != bits, axis=1)


def run_point(code: Code, ebno_db: float, names: tuple[str, ...] = DECODERS) -> dict[str, Any]:
    """One point's counts, null for a decoder that is not in ``names``; continues from the saved flags."""
    path = STATE / f"{code.k}_{code.n}_{ebno_db:g}.npz"
    flags: dict[str, np.ndarray] = {name: np.zeros(0, bool) for name in DECODERS}
    if path.is_file():
        with np.load(path) as saved:
            flags["sionna"] = saved["sionna"]
            if int(saved["fingerprint"]) == FINGERPRINT:
                flags["layered"] = saved["layered"]
    size = batch_size(code.n)
    decoders = {"layered": code.layered, "sionna": code.reference}

    def save() -> None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, fingerprint=np.int64(FINGERPRINT), layered=flags["layered"], sionna=flags["sionna"])
        write_bytes(path, buffer.getvalue())

    # the fast decoder, named first, says how many blocks the point takes; the other one follows on the same blocks
    while True:
        blocks = [len(flags[name]) for name in names]
        enough = [bool(flags[name].sum() >= MIN_ERRORS) for name in names]
        if all(enough) and min(blocks) == max(blocks):
            break
        name = names[-1] if enough[0] and blocks[-1] < blocks[0] else names[0]
        flags[name] = np.r_[flags[name], decoders[name](*code.draw(ebno_db, len(flags[name]) // size))]
        if len(flags[name]) // size % 20 == 0:
            save()
    save()
    counts = {f"{name}_errors": int(flags[name].sum()) if name in names else None for name in DECODERS}
    both = int((flags["layered"] & flags["sionna"]).sum()) if len(names) == 2 else None
    point = {"k": code.k, "n": code.n, "ebno_db": ebno_db, "blocks": max(blocks), **counts, "both_errors": both}
    print(json.dumps(point), flush=True)
    return point


def curve(points: list[dict[str, Any]], k: int, n: int, name: str) -> list[dict[str, Any]]:
    """The points of one code at which one decoder ran, by Eb/N0."""
    ran = (p for p in points if (p["k"], p["n"]) == (k, n) and p[f"{name}_errors"] is not None)
    return sorted(ran, key=lambda p: float(p["ebno_db"]))


def ebno_at(points: list[dict[str, Any]], name: str, target: float) -> float | None:
    """Eb/N0 in dB where the block error rate crosses ``target``, log-linear between points; None if it does not."""
    rates = [(p["ebno_db"], p[f"{name}_errors"] / p["blocks"]) for p in points]
    for (x0, y0), (x1, y1) in itertools.pairwise(rates):
        if y0 >= target >= y1:
            return float(x0 + (x1 - x0) * math.log(y0 / target) / math.log(y0 / y1))
    return None


def gaps(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per code and target: Eb/N0 of both decoders and layered minus Sionna in dB (negative: the layered one wins)."""
    rows = []
    for k, n in CURVES:
        for target in (0.1, 0.01):
            ours, theirs = (ebno_at(curve(points, k, n, name), name, target) for name in DECODERS)
            gap = None if ours is None or theirs is None else round(ours - theirs, 4)
            rows.append({"k": k, "n": n, "bler": target, "layered_db": ours, "sionna_db": theirs, "gap_db": gap})
    return rows


def public_check(points: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Both decoders' rates on the code with a public reference."""
    for p in points:
        if all(p[name] == PUBLIC[name] for name in ("k", "n", "ebno_db")):
            rates = {name: [p[f"{name}_errors"] / p["blocks"], *interval(p[f"{name}_errors"], p["blocks"])]
                     for name in ("sionna", "layered")}  # fmt: skip
            return {**PUBLIC, "fer_and_interval": rates}
    return None


def draw(points: list[dict[str, Any]], path: Path) -> None:
    """All curves in one figure, with Wilson intervals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for i, (k, n) in enumerate(CURVES):
        for name, style in (("layered", "-o"), ("sionna", "--s")):
            ran = curve(points, k, n, name)
            if ran:
                rate = np.array([p[f"{name}_errors"] / p["blocks"] for p in ran])
                ends = np.array([interval(p[f"{name}_errors"], p["blocks"]) for p in ran])
                label = f"({k}, {n})" if name == "layered" else None
                axes.errorbar([p["ebno_db"] for p in ran], rate, np.abs(ends.T - rate), fmt=style, ms=4, lw=1.2,
                              capsize=2, color=f"C{i}", fillstyle="full" if label else "none", label=label)  # fmt: skip
    check = public_check(points)
    if check is not None:
        axes.plot(check["ebno_db"], check["fer"], "k*", ms=10, label="(512, 1024), AFF3CT")
        axes.plot(check["ebno_db"], check["fer_and_interval"]["sionna"][0], "ks", fillstyle="none")
        axes.plot(check["ebno_db"], check["fer_and_interval"]["layered"][0], "ko", ms=4)
    axes.set(yscale="log", xlabel="Eb/N0 in dB", ylabel="block error rate",
             title="solid: layered, 20 iterations; dashed: Sionna boxplus-phi, 20 flooding iterations")  # fmt: skip
    axes.grid(True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=150, format="png", metadata={"Software": None})
    plt.close(figure)
    write_bytes(path, buffer.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--only", type=int, action="append", metavar="K", help="only the codes with K information bits")
    chosen = parser.parse_args().only
    record = ROOT / "results" / "records" / "ldpc_decoders.json"
    grid = [(kn, CURVES[kn]) for kn in CURVES if kn[0] <= 1000]
    grid += [((PUBLIC["k"], PUBLIC["n"]), (PUBLIC["ebno_db"],))]  # type: ignore[list-item]
    grid += [(kn, CURVES[kn]) for kn in CURVES if kn[0] > 1000]
    points: list[dict[str, Any]] = []
    for (k, n), ebnos in grid:
        if chosen and k not in chosen:
            continue
        code = Code(k, n)
        for ebno_db in ebnos:
            points.append(run_point(code, ebno_db))
        for name, alone in ALONE.get((k, n), {}).items():
            points += [run_point(code, ebno_db, (name,)) for ebno_db in alone]
        done = {
            "settings": {
                "seed": SEED, "num_iter": NUM_ITER, "min_errors": MIN_ERRORS, "channel": "BPSK over AWGN",
                "batch_rule": "max(32, min(2048, 400000 // n)) blocks", "sionna": "boxplus-phi, flooding, XLA",
                "layered": {name: getattr(ldpc_simd, name) for name in ("LANES", "SCALE", "MSG_MAX", "CHANNEL_MAX")},
            },
            "points": points, "gaps": gaps(points), "public": public_check(points), "max_db_loss": MAX_DB_LOSS,
        }  # fmt: skip
        if not chosen:
            write_text(record, json.dumps(done, indent=1) + "\n")
            draw(points, ROOT / "results" / "figures" / "ldpc_decoders.png")
    for row in gaps(points):
        if row["gap_db"] is not None:
            print(f"({row['k']}, {row['n']}) at BLER {row['bler']}: {row['gap_db']:+.3f} dB", flush=True)


if __name__ == "__main__":
    main()
