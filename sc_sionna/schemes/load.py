"""A scheme in one call, for code that is not a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.schemes.base import Decoding, Scheme
from sc_sionna.schemes.build import describe_scheme, make_scheme
from sc_sionna.schemes.spec import SchemeSpec, as_spec
from sc_sionna.settings import LinkSettings
from sc_sionna.settings.presets import check_preset


def load_scheme(
    scheme: SchemeSpec | str,
    preset: str = "digits",
    link: LinkSettings | None = None,
    *,
    weights: str | Path | None = None,
    data_dir: str | Path | None = None,
    decoding: Decoding = "hard",
) -> Scheme:
    """A scheme with its stored weights, ready to transmit.

    Parameters
    ----------
    scheme
        Its name as on the command line, ``masked-vqvae+at`` or ``jpeg-ldpc[...]``, or the value that such a text stands for.
    preset
        Name of the preset whose weights are taken.
    link
        Settings of the physical layer, by default those of :class:`~sc_sionna.settings.LinkSettings`.
    weights
        Folder of the weights, by default the package's.
    data_dir
        Folder of the data set that the weights were trained on, where it is not built in. It is read only if a scheme needs
        the mean training image, which is shown for a lost stream.
    decoding
        Of codebook indices, "hard" or "soft".

    Returns
    -------
    Scheme
        ``scheme.transmit(Batch(images, labels, index, run_seed), snr_db)`` gives named outputs, among them ``predictions``.

    Raises
    ------
    UserError
        An unknown scheme or preset, settings that the scheme cannot have, and weights or images that are missing or altered.
    """
    if decoding not in get_args(Decoding):
        raise UserError(f"decoding = {decoding!r}: unknown; choose {' or '.join(get_args(Decoding))}")
    spec, folder = as_spec(scheme), None if weights is None else Path(weights)
    if folder is None:  # a folder of the user's own may hold weights under other names
        check_preset(preset)
    described, _ = describe_scheme(spec, preset, folder)

    def mean_image() -> np.ndarray:
        return load(described.dataset, "train", data_dir, described.codec.image_size).mean_image()

    return make_scheme(spec, preset, link or LinkSettings(), mean_image, folder, decoding)
