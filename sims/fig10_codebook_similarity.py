"""Semantic similarity of the basis vectors of the codebook, without and with the orthogonality term (Fig. 10).

Claim: the term ‖EᵀE‖₂ of Sec. IV-B makes the basis vectors nearly mutually orthogonal: the heat map with it is darker.
Run:   python sims/fig10_codebook_similarity.py
       python sims/fig10_codebook_similarity.py --systems masked-vqvae,masked-vqvae+fim,masked-vqvae+fim+at
Expect (digits): 64 vectors in 8 dimensions cannot be orthogonal: the root mean square of |cos| is at least 0.333 (the Welch
bound) for any codebook. Trained as the presets are, the term changes little: vectors that it moves away from the features
fall out of use and are moved back onto features. Trained by Eq. (12) alone and without that (``@eq12``), it takes the rms
from 0.63 to the bound, at a weight of 20. The mean may lie below the bound. Writes results/records/NAME.json with the basis
vectors themselves and results/figures/NAME.png, NAME = fig10_codebook_similarity (other data sets: with _DATASET). Seconds;
--quick changes the name alone.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from sc_sionna.cli.main import Quiet, Weights, run_command, run_script
from sc_sionna.core.startup import start_backend
from sc_sionna.sweep import Record, make_record, write_record

SCHEMES = "masked-vqvae,masked-vqvae+fim,masked-vqvae@eq12,masked-vqvae@eq12-orthogonal"


def run(dataset: str, systems: str, quick: bool, out: Path, weights: Path | None, quiet: bool) -> None:
    """Codebooks of the weights, the record, the figure, and the numbers."""
    from sc_sionna.figures.maps import plot_similarity

    record = measure(dataset, tuple(systems.split(",")), weights, quick)
    record_path, figure_path = out / "records" / f"{record.name}.json", out / "figures" / f"{record.name}.png"
    write_record(record_path, record)
    plot_similarity(record, figure_path, f"{dataset}: similarity of basis vectors")
    if not quiet:
        print(f"record: {record_path}")
        print(f"figure: {figure_path}")
    print_summary(record)


def measure(dataset: str, systems: tuple[str, ...], weights: Path | None, quick: bool = False) -> Record:
    """The basis vectors of each scheme that has weights, to 6 digits; the others are named as skipped."""
    from sc_sionna.core.errors import UserError
    from sc_sionna.schemes import available, describe_scheme, load_scheme_codec

    began = time.monotonic()
    present, missing = available(dataset, systems, weights)
    codebooks, terms, digests = {}, {}, {}
    for name in present:
        codec, _ = load_scheme_codec(name, dataset, weights)
        if codec.codebook is None:
            raise UserError(f"system = {name!r}: has no codebook; name a masked-vqvae scheme")
        vectors = codec.codebook.basis.numpy()
        codebooks[name] = [[round(float(x), 6) for x in row] for row in vectors]
        terms[name] = codec.settings.codebook.orthogonality_weight
        digests[name] = describe_scheme(name, dataset, weights)[1]["sha256"]
    return make_record(
        "fig10_codebook_similarity" + ("" if dataset == "digits" else f"_{dataset}") + ("_quick" if quick else ""),
        settings={"kind": "codebook-similarity", "preset": dataset, "systems": present, "weights_sha256": digests},
        seed=0,
        data_set="none",
        points=(),
        duration_s=time.monotonic() - began,
        notes={"codebooks": codebooks, "orthogonality_weight": terms, "skipped": list(missing)},
    )


def print_summary(record: Record) -> None:
    """Mean, root mean square and largest |cos| beside the Welch bound."""
    from sc_sionna.figures.maps import similarity_numbers

    print(f"{'|cos| of different basis vectors':34}  weight   mean    rms    max  Welch bound of rms and max")
    for name, vectors in record.notes["codebooks"].items():
        n = similarity_numbers(vectors)
        weight = record.notes["orthogonality_weight"][name]
        print(f"{name:34}  {weight:6g}  {n['mean']:.3f}  {n['rms']:.3f}  {n['max']:.3f}  {n['welch']:.3f}")
    if record.notes["skipped"]:
        print(f"skipped, no weights: {', '.join(record.notes['skipped'])}")


def main(
    dataset: Annotated[str, typer.Option(help="digits, or a preset that weights were trained for")] = "digits",
    systems: Annotated[str, typer.Option(help="names, separated by commas")] = SCHEMES,
    quick: Annotated[bool, typer.Option(help="the same under another name")] = False,
    out: Annotated[Path, typer.Option(help="folder of records and figures")] = Path("results"),
    weights: Weights = None,
    quiet: Quiet = False,
) -> None:
    """Similarity of the codebook's basis vectors."""
    start_backend()
    run_command(lambda: run(dataset, systems, quick, out, weights, quiet))


if __name__ == "__main__":
    run_script(main)
