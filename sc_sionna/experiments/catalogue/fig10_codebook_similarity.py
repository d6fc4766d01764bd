"""Fig. 10: semantic similarity of the basis vectors of the codebook, without and with the orthogonality term."""

from __future__ import annotations

from sc_sionna.experiments.catalogue.entry import Entry, Options, Run
from sc_sionna.experiments.codebook import CodebookSettings
from sc_sionna.figures.maps import similarity_numbers
from sc_sionna.settings import Settings
from sc_sionna.sweep import Record

SYSTEMS = ("masked-vqvae", "masked-vqvae+fim", "masked-vqvae@eq12", "masked-vqvae@eq12-orthogonal")


def runs(options: Options, _: Settings) -> list[Run]:
    """One record; a quick one differs in its name alone."""
    settings = CodebookSettings(preset=options.dataset, systems=options.labels(SYSTEMS))
    return [Run(options.record_name("fig10_codebook_similarity", plain="digits"), settings)]


def print_summary(record: Record) -> None:
    """Mean, root mean square and largest |cos| beside the Welch bound."""
    print(f"{'|cos| of different basis vectors':34}  weight   mean    rms    max  Welch bound of rms and max")
    for name, vectors in record.values["codebooks"].items():
        n = similarity_numbers(vectors)
        weight = record.values["orthogonality_weight"][name]
        print(f"{name:34}  {weight:6g}  {n['mean']:.3f}  {n['rms']:.3f}  {n['max']:.3f}  {n['welch']:.3f}")


ENTRY = Entry(
    "Fig. 10: similarity of the codebook's basis vectors",
    "codebook-similarity",
    runs,
    takes=frozenset({"dataset", "systems", "weights"}),
    groups=(),
    summary=print_summary,
)
