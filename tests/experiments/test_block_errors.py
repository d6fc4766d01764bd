"""Block errors of the modes: counts that are the link's, a run that goes on and replays, and a table made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.experiments.base import run_and_save
from sc_sionna.experiments.block_errors import BlockErrorExperiment, BlockErrorSettings
from sc_sionna.experiments.catalogue.entry import Options
from sc_sionna.experiments.catalogue.mcs_table import ENTRY, Own
from sc_sionna.experiments.error_rates import ErrorRateExperiment, ErrorRateSettings
from sc_sionna.experiments.replay import replay_record
from sc_sionna.figures.modes import best_bits, plot_modes
from sc_sionna.phy.mode_table import load_table
from sc_sionna.phy.modes import Mode, link_modes, mode_link
from sc_sionna.settings import LinkSettings
from sc_sionna.sweep import Point, read_record

# Few short modes: one antenna at the receiver, so one stream
LINK = LinkSettings(num_rx_ant=1, num_tx_ant=2, num_streams=1)
SETTINGS = BlockErrorSettings(
    link=LINK, channel_uses=12, snr_db=(0, 6, 40), batch_size=32, stop={"errors": 20, "max_batches": 2}
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("modes")
    run_and_save(BlockErrorExperiment(SETTINGS), "modes", out, quiet=True)
    return out


def test_points_are_the_modes_at_every_snr(folder: Path) -> None:
    record = read_record(folder / "records" / "modes.json")
    modes = link_modes(LINK, 12)
    assert [(p.system, p.snr_db) for p in record.points] == [(str(m), s) for m in modes for s in (0, 6, 40)]
    assert list(record.notes["modes"]) == [str(mode) for mode in modes]
    for mode in modes:
        said = record.notes["modes"][str(mode)]
        assert Mode(said["num_streams"], said["modulation"], said["coderate"]) == mode
        assert said["num_blocks"] * said["n"] == 12 * LinkSettings(modulation=mode.modulation).bits_per_symbol
        assert said["bits"] == said["num_blocks"] * said["k"]
    for point in record.points:
        assert point.counts is not None
        if point.stop == "errors":
            assert point.counts["block_errors"] >= 20
        else:
            assert point.counts["blocks"] == 64
    assert {p.stop for p in record.points} == {"errors", "maximum"}
    with Image.open(folder / "figures" / "modes.png") as image:
        assert image.size[0] > 1000


def test_counts_are_those_of_the_links_output() -> None:
    settings = SETTINGS.with_(link={"crc": "CRC6", "max_block_bits": 24}, snr_db=(16,))
    job = BlockErrorExperiment(settings)
    mode = Mode(1, "256qam", "1/2")
    counts = job.evaluate(Point(str(mode), 16.0), 1)
    link = job.link(str(mode))
    assert link.settings == mode_link(settings.link, mode).with_(channel_uses=12)
    assert (link.framing.num_channel_uses, link.framing.num_blocks, link.framing.payload_bits) == (12, 2, 36)
    bits = rng.generator(1, "payload", 16.0, 1).integers(0, 2, (32, 36), dtype=np.int8)
    out = link(bits, 16.0, rng.seed_words(1, "link", 16.0, 1))
    lost = [(np.asarray(out.bits)[i] != bits[i]).reshape(2, 18).any(axis=1) for i in range(32)]
    per_image = [int(x.sum()) for x in lost]
    assert 0 < sum(per_image) < 64
    assert counts == {
        "images": 32, "blocks": 64, "block_errors": sum(per_image), "block_errors_sq": sum(x * x for x in per_image),
    }  # fmt: skip


def test_the_same_mode_in_the_table_of_error_rates_loses_as_many_blocks() -> None:
    """Rate 1/2 16-QAM over 4 streams with 256 bits is what ``ber_vs_snr`` runs: another framing, the same code."""
    table = BlockErrorExperiment(BlockErrorSettings(batch_size=2048))
    other = ErrorRateExperiment(ErrorRateSettings(links={"svd": LinkSettings()}, batch_size=2048))
    for snr_db in (4.0, 5.0):
        a = table.evaluate(Point(str(Mode(4, "16qam", "1/2")), snr_db), 0)["block_errors"]
        assert a == other.evaluate(Point("svd", snr_db), 0)["block_errors"]
        assert 0 < a < 2048


@pytest.mark.slow
def test_a_killed_run_goes_on_and_replays(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, done = BlockErrorExperiment.evaluate, []

    def killed(self: BlockErrorExperiment, point: Point, batch: int):
        if len(done) == 30:
            raise KeyboardInterrupt
        done.append((point, batch))
        return whole(self, point, batch)

    with monkeypatch.context() as patch:
        patch.setattr(BlockErrorExperiment, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            run_and_save(BlockErrorExperiment(SETTINGS), "modes", tmp_path, quiet=True)
    again: list = []
    with monkeypatch.context() as patch:
        patch.setattr(BlockErrorExperiment, "evaluate", lambda self, p, b: again.append((p, b)) or whole(self, p, b))
        resumed = run_and_save(BlockErrorExperiment(SETTINGS), "modes", tmp_path, quiet=True)
    assert again
    assert not set(again) & set(done)
    assert resumed.points == read_record(folder / "records" / "modes.json").points
    assert replay_record(folder / "records" / "modes.json", 1, quiet=True) == 0


def test_a_record_serves_as_a_table_of_its_own_link(folder: Path) -> None:
    path = folder / "records" / "modes.json"
    table = load_table(LINK.with_(crc="CRC6", modulation="256qam"), 12, path)
    record = read_record(path)
    counts = {(p.system, p.snr_db): p.counts for p in record.points}
    for row, mode in enumerate(table.modes):
        measured = [
            counts[str(mode), snr_db]["block_errors"] / counts[str(mode), snr_db]["blocks"] for snr_db in (0, 6, 40)
        ]
        assert table.rates[row].tolist() == [max(measured[i:]) for i in range(3)]
    with pytest.raises(UserError, match=r"link.num_tx_ant = 8: the table of modes .* has 2"):
        load_table(LinkSettings(num_rx_ant=1, num_streams=1), 12, path)


def test_a_record_of_which_a_point_was_not_run_is_no_table(folder: Path) -> None:
    from sc_sionna.phy.mode_table import table_of

    record = read_record(folder / "records" / "modes.json")
    short = record.model_copy(update={"points": record.points[:-1]})
    with pytest.raises(UserError, match=r"1 × 256qam, 0.92 was not run at 40 dB; run the same command again"):
        table_of(short)


def test_the_best_bits_are_the_most_that_meet_the_target(folder: Path, tmp_path: Path) -> None:
    record = read_record(folder / "records" / "modes.json")
    by_snr = best_bits(record, 0.1)
    for snr_db, bits in by_snr.items():
        met = [p.system for p in record.points if p.snr_db == snr_db and p.value is not None and p.value <= 0.1]
        assert bits == max((record.notes["modes"][name]["bits"] for name in met), default=0)
    assert by_snr[40] == 12 * 8 * 0.92 // 1
    assert best_bits(record, 0.1, num_streams=2) == {}
    with pytest.raises(UserError, match="no 'modes' in its notes"):
        plot_modes(record.model_copy(update={"notes": {}}), tmp_path / "no.png")


def test_the_named_experiment_has_a_record_for_each_number_of_uses() -> None:
    changes = {"link": {"channel": "awgn"}, "stop": {"errors": 7}}
    (run,) = ENTRY.runs(Options(changes=changes), Own(channel_uses=48, snr_db=(3.0,)))
    assert run.name == "mcs_table_uses48"
    assert (run.settings.channel_uses, run.settings.snr_db) == (48, (3.0,))
    assert (run.settings.link.channel, run.settings.stop.errors, run.settings.stop.max_batches) == ("awgn", 7, 4)
    (full,) = ENTRY.runs(Options(), Own())
    assert full.settings == BlockErrorSettings()
    assert full.settings.snr_db == tuple(range(-12, 22))
    (quick,) = ENTRY.runs(Options(quick=True), Own())
    assert quick.name == "mcs_table_uses32_quick"
    assert len(quick.settings.snr_db) == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"channel_uses": 0}, "channel_uses = 0"),
        ({"channel_uses": 5000}, "channel_uses = 5000"),
        ({"channel_uses": 4096, "batch_size": 513}, "batch_size = 513: .* set batch_size <= 512"),
        ({"snr_db": ()}, "snr_db"),
        ({"telepathy": 1}, "unknown setting 'telepathy'"),
    ],
)
def test_settings_that_cannot_work_are_one_line(settings: dict, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        BlockErrorSettings(**settings)
    assert "\n" not in str(caught.value)


def test_a_link_that_has_no_modes_is_refused_before_a_store_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"link.coded = False"):
        run_and_save(BlockErrorExperiment(SETTINGS.with_(link={"coded": False})), "modes", tmp_path / "a", quiet=True)
    with pytest.raises(UserError, match="channel = 'rice': unknown"):
        run_and_save(
            BlockErrorExperiment(SETTINGS.with_(link={"channel": "rice"})), "modes", tmp_path / "a", quiet=True
        )
    assert not (tmp_path / "a").exists()
