"""Code words over AWGN: counts that are the link's, SNRs around capacity, a run that replays, and its named experiment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.catalogue import awgn_table, equal_uses_vs_snr
from sc_sionna.experiments.catalogue.entry import Options
from sc_sionna.experiments.code_words import CodeWordExperiment, CodeWordSettings
from sc_sionna.experiments.replay import replay_record
from sc_sionna.phy.awgn_table import awgn_table_of, read_awgn
from sc_sionna.phy.effective_snr import bit_information
from sc_sionna.phy.framing import fill
from sc_sionna.phy.modes import link_modes, mode_link
from sc_sionna.settings import BITS_PER_SYMBOL, LinkSettings
from sc_sionna.sweep import Point

SETTINGS = CodeWordSettings(
    symbols=(12,), batch_size=32, below_db=0.5, above_db=1, stop={"errors": 100, "max_batches": 1}
)


def test_the_code_words_are_those_of_the_modes() -> None:
    """Of 1, 2 and 4 streams in 8 and 16 uses: the same k and n, whatever carries them."""
    words = CodeWordExperiment(CodeWordSettings(symbols=(8, 16, 32, 64))).words.values()
    known = {(word.modulation, word.k, word.n) for word in words}
    assert len(known) == len(words)
    for uses in (8, 16):
        for mode in link_modes(LinkSettings(), uses):
            num_blocks, k, n = fill(mode_link(LinkSettings(), mode), uses)
            assert num_blocks == 1
            assert (mode.modulation, k, n) in known


def test_counts_are_those_of_the_links_output_at_snrs_around_capacity() -> None:
    job = CodeWordExperiment(SETTINGS)
    name = "16qam, 1/2, 12 symbols"
    word, link = job.words[name], job.link(name)
    assert (link.framing.k, link.framing.n, link.framing.num_channel_uses) == (24, 48, 12) == (word.k, word.n, 12)
    snrs = job.snrs_db(word)
    np.testing.assert_allclose(np.diff(snrs), 0.5)
    information = bit_information("16qam", np.array(snrs)) / BITS_PER_SYMBOL["16qam"]
    assert information[0] < 0.5 < information[-1]
    counts = job.evaluate(Point(name, snrs[-1]), 2)
    bits = rng.generator(1, "payload", snrs[-1], 2).integers(0, 2, (32, 24), dtype=np.int8)
    out = link(bits, snrs[-1], rng.seed_words(1, "link", snrs[-1], 2))
    wrong = int((np.asarray(out.bits) != bits).any(axis=1).sum())
    assert 0 < wrong < 32
    assert counts == {"images": 32, "blocks": 32, "block_errors": wrong, "block_errors_sq": wrong}


def test_a_run_is_drawn_and_replays_and_is_no_table_where_its_curves_end_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sc_sionna.experiments.code_words.CODE_RATES", {"1/2": 0.5})  # one code word a modulation
    record = run_and_save(CodeWordExperiment(SETTINGS), "words", tmp_path, quiet=True)
    path = tmp_path / "records" / "words.json"
    with Image.open(tmp_path / "figures" / "words.png") as image:
        assert image.format == "PNG"
    assert replay_record(path, 1, quiet=True) == 0
    assert len(awgn_table_of(record).words) == len(record.notes["words"])
    with pytest.raises(UserError, match=r"0.9 to 0.01 are needed\); make it again"):
        read_awgn(path)
    short = record.model_copy(update={"points": [p.model_copy(update={"counts": None}) for p in record.points]})
    with pytest.raises(UserError, match=r"was not run at .* dB; run the same command again"):
        awgn_table_of(short)


def test_settings_that_cannot_work() -> None:
    for values, words in (
        ({"symbols": (32, 32)}, "one occurs twice"),
        ({"symbols": (4,)}, "symbols"),
        ({"symbols": (16384,), "batch_size": 65536}, "set batch_size <= 512"),
        ({"link": {"coded": False}}, "code words are counted; set link.coded = true"),
    ):
        with pytest.raises(UserError, match=words):
            CodeWordSettings(**values)


def test_the_named_experiments() -> None:
    (run,) = awgn_table.ENTRY.runs(Options(), awgn_table.Own())
    assert (run.name, run.settings.symbols) == ("awgn_table", (32, 64, 128, 256, 512))
    (run,) = awgn_table.ENTRY.runs(Options(changes={"link": {"num_iter": 5}}), awgn_table.Own(channel_uses=48))
    assert (run.name, run.settings.symbols) == ("awgn_table_uses48", (48, 96, 192))
    assert run.settings.link.num_iter == 5
    plain = equal_uses_vs_snr.ENTRY.runs(Options(), equal_uses_vs_snr.Own(channel_uses=32))
    more = equal_uses_vs_snr.ENTRY.runs(Options(), equal_uses_vs_snr.Own(channel_uses=32, realisation=True))
    assert [r.name for r in more[:-1]] == [r.name for r in plain]
    assert more[-1].name == "equal_uses_32_realisation_digits"
    assert more[-1].settings.link.adaptation == "mcs-realisation"
    assert {spec.label for spec in more[-1].settings.schemes} <= {spec.label for spec in plain[0].settings.schemes}
