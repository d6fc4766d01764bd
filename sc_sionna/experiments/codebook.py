"""The basis vectors of trained codebooks, of which Fig. 10 shows the similarities."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from sc_sionna.core.errors import UserError
from sc_sionna.experiments.closed_form import ClosedForm, ClosedFormSettings
from sc_sionna.figures.maps import plot_similarity
from sc_sionna.schemes import describe_scheme, load_scheme_codec
from sc_sionna.sweep import Record

DIGITS = 6  # of a vector's entries in the record


class CodebookSettings(ClosedFormSettings):
    """Whose codebooks are compared."""

    kind: Literal["codebook-similarity"] = "codebook-similarity"
    preset: str = Field("digits", description="the preset whose trained schemes are compared")
    systems: tuple[str, ...] = Field(min_length=1, description="the schemes whose codebooks are compared")


class CodebookExperiment(ClosedForm):
    """Basis vectors ``[J, D]`` of every scheme, and the weight that the orthogonality term had in its training."""

    def inputs(self) -> dict[str, Any]:
        """SHA-256 of every scheme's weights."""
        s = self.settings
        return {
            "weights_sha256": {name: describe_scheme(name, s.preset, self.weights)[1]["sha256"] for name in s.systems}
        }

    @cached_property
    def _codecs(self) -> dict[str, Any]:
        s = self.settings
        codecs = {name: load_scheme_codec(name, s.preset, self.weights)[0] for name in s.systems}
        for name, codec in codecs.items():
            if codec.codebook is None:
                raise UserError(f"system = {name!r}: has no codebook; name a masked-vqvae scheme")
        return codecs

    def prepare(self) -> None:
        """Load the codebooks, so that a scheme without one is refused before a store is made."""
        _ = self._codecs

    def values(self) -> dict[str, Any]:
        """Basis vectors ``[J, D]``, rounded, and the orthogonality weight of the training, by scheme."""
        return {
            "codebooks": {
                name: [[round(float(x), DIGITS) for x in row] for row in codec.codebook.basis.numpy()]
                for name, codec in self._codecs.items()
            },
            "orthogonality_weight": {
                name: codec.settings.codebook.orthogonality_weight for name, codec in self._codecs.items()
            },
        }

    def draw(self, record: Record, path: Path) -> None:
        """Cosine similarity of all pairs of basis vectors, by scheme."""
        plot_similarity(record, path, f"{self.settings.preset}: similarity of basis vectors")
