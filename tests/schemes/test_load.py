"""``load_scheme``: a scheme in one call, the same as a sweep's, and one line for whatever cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sc_sionna.core.errors import UserError
from sc_sionna.data import load
from sc_sionna.data.common import to_float
from sc_sionna.experiments.accuracy import AccuracyExperiment, AccuracySettings
from sc_sionna.schemes import Batch, SchemeSpec
from sc_sionna.schemes.load import load_scheme
from sc_sionna.settings import LinkSettings


def test_it_transmits_as_a_sweep_does(tiny_weights: Path) -> None:
    link = LinkSettings(num_streams=2)
    scheme = load_scheme("masked-vqvae[masking.ratio=0.25]", preset="digits", link=link, weights=str(tiny_weights))
    settings = AccuracySettings(systems=(scheme.name,), link=link, snr_db=(0,), max_images=16, batch_size=16)
    job = AccuracyExperiment(settings, weights=tiny_weights)
    job.prepare()
    batch = job.batch(0)
    ours, theirs = scheme.transmit(batch, 0.0), job.scheme(scheme.name).transmit(batch, 0.0)
    assert scheme.name == "masked-vqvae[masking.ratio=0.25]"
    assert (ours["indices"] != ours["received_indices"]).any()
    for name in ("predictions", "indices", "received_indices"):
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_value_is_taken_like_its_text_and_the_link_has_a_default(tiny_weights: Path) -> None:
    spec = SchemeSpec(scheme="jscc", label="mine")
    scheme = load_scheme(spec, weights=tiny_weights)
    assert (scheme.name, scheme.link.settings) == ("mine", LinkSettings())  # type: ignore[attr-defined]


def test_the_mean_image_is_read_when_a_stream_is_lost_and_not_before(tiny_weights: Path, tmp_path: Path) -> None:
    images = load("digits", "test").head(4)
    batch = Batch(to_float(images.pixels), images.labels, index=0, run_seed=1)
    scheme = load_scheme("jpeg-ldpc", weights=tiny_weights, data_dir=tmp_path)  # where no data set is
    with pytest.raises(UserError, match="digits"):
        scheme.transmit(batch, -20.0)
    scheme = load_scheme("jpeg-ldpc", weights=tiny_weights)
    assert len(set(scheme.transmit(batch, -20.0)["predictions"].tolist())) == 1
    train = load("digits", "train").pixels
    np.testing.assert_array_equal(scheme._make_mean_image(), np.round(train.mean(axis=0)))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("scheme", "options", "words"),
    [
        ("mvq", {}, "system = 'mvq': unknown; choose masked-vqvae, "),
        ("masked-vqvae[masking.ratio", {}, "malformed; write SCHEME"),
        ("masked-vqvae[codebook.size=4]", {}, "'codebook.size' is fixed by the weights"),
        ("masked-vqvae[masking.ratio=2]", {}, "masking.ratio = 2: "),
        ("masked-vqvae", {"preset": "mnist"}, "preset = 'mnist': unknown; choose digits, cifar10, paper"),
        ("masked-vqvae", {"preset": "paper"}, "weights 'paper-masked-vqvae': not in .*; train them with"),
        ("masked-vqvae", {"weights": "nowhere"}, "weights 'digits-masked-vqvae': not in .*nowhere; train them with"),
        ("masked-vqvae", {"decoding": "firm"}, "decoding = 'firm': unknown; choose hard or soft"),
        ("nowhere_at_all:Scheme", {}, "of a module that you have not allowed"),
    ],
)
def test_what_cannot_be_is_one_line(scheme: str, options: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        load_scheme(scheme, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
