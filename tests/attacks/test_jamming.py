"""Jamming: its energy is exact, its patterns are what they say, and two of them hit harder than as many random uses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sc_sionna.attacks.code_graph import costliest_uses
from sc_sionna.attacks.jamming import SHARES, Jammer, JammerSettings, Plan, applicable, best_plan, candidates
from sc_sionna.core import rng
from sc_sionna.core.errors import UserError
from sc_sionna.core.rng import seed_words
from sc_sionna.phy.layout import AirLayout, coded_uses
from sc_sionna.phy.link import DigitalLink
from sc_sionna.phy.stream_link import StreamLink
from sc_sionna.settings import LinkSettings

PLANS = (Plan("burst", 0.25), Plan("strided", 0.25), Plan("code-graph", 0.25), Plan("header", None), Plan("burst", 1.0))
STREAM_LINK = LinkSettings(crc="CRC24A", max_block_bits=600)


@pytest.fixture(scope="module")
def link() -> StreamLink:
    return StreamLink(STREAM_LINK, length_bits=16)


@pytest.fixture(scope="module")
def layouts(link: StreamLink) -> list[AirLayout]:
    return [link.layout(bits) for bits in (160, 1000, 160, 240)]


def jammer(plan: Plan, signal_power: float = 1.7, **values: Any) -> Jammer:
    return Jammer(JammerSettings(**values), plan, 4, signal_power)


def draws(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    return rng.generator(seed, "places"), rng.generator(seed, "air")


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_every_image_gets_exactly_the_energy_of_the_ratio_whatever_the_uses(
    layouts, plan: Plan, shuffled: bool
) -> None:
    made = jammer(plan, channel="identity", ssnr_db=3.0, shuffled=shuffled)
    noise = made(layouts, *draws(1))
    assert noise.shape == (4, max(layout.num_uses for layout in layouts), 4)
    for image, layout in zip(noise, layouts, strict=True):
        power = (np.abs(image[: layout.num_uses]) ** 2).sum() / (layout.num_uses * 4)
        assert 10 * np.log10(1.7 / power) == pytest.approx(3.0, abs=1e-4)
        assert not image[layout.num_uses :].any()
        assert (image.any(axis=-1)).sum() == plan.number(layout)
    assert made.realised_ssnr_db(layouts, noise) == pytest.approx(3.0, abs=1e-4)


def test_a_fading_attacker_channel_keeps_the_mean(layouts) -> None:
    made = jammer(PLANS[2], ssnr_db=3.0)
    many = layouts * 1000
    assert made.realised_ssnr_db(many, made(many, *draws(2))) == pytest.approx(3.0, abs=0.1)  # 4,000 matrices of 4 x 8


def test_patterns_are_what_they_are_called(layouts) -> None:
    many = layouts * 50
    burst, strided, graph, header = (jammer(plan).uses(many, draws(3)[0]) for plan in PLANS[:4])
    for row, layout in enumerate(many):
        number = round(layout.num_uses / 4)
        first, *_, last = np.flatnonzero(burst[row])
        assert last - first + 1 == burst[row].sum() == number
        gaps = np.diff(np.flatnonzero(strided[row]))
        assert strided[row].sum() == number
        assert set(gaps) <= {layout.num_uses // number, layout.num_uses // number + 1}
        assert np.flatnonzero(header[row]).tolist() == list(range(layout.header_uses))
        word = layout.blocks[0]
        inside = np.arange(word.first_use, word.first_use + word.num_uses)
        assert graph[row].sum() == number
        assert set(np.flatnonzero(graph[row])) <= set(inside)
    assert len({tuple(np.flatnonzero(row)) for row in burst[::4]}) > 5  # a burst begins anywhere
    assert len({tuple(np.flatnonzero(row)) for row in graph[::4]}) == 1  # the code is the same for all of a length


def test_the_control_takes_as_many_uses_at_random(layouts) -> None:
    many = layouts * 50
    for plan in PLANS:
        aimed, control = (jammer(plan, shuffled=shuffled).uses(many, draws(4)[0]) for shuffled in (False, True))
        np.testing.assert_array_equal(aimed.sum(axis=1), control.sum(axis=1))
        if plan.share != 1:
            assert len({tuple(np.flatnonzero(row)) for row in control[::4]}) > 40
            often = control[::4, : layouts[0].num_uses].mean(axis=0)
            share = plan.number(layouts[0]) / layouts[0].num_uses
            assert abs(often - share).max() < 4.5 * np.sqrt(share * (1 - share) / 50)


def test_all_uses_of_any_pattern_are_the_same_interference(layouts) -> None:
    noises = [jammer(Plan(pattern, 1.0))(layouts, *draws(5)) for pattern in ("burst", "strided", "code-graph")]
    np.testing.assert_array_equal(noises[0], noises[1])
    np.testing.assert_array_equal(noises[0], noises[2])


@pytest.mark.parametrize(
    ("values", "num_bits", "ssnr_db", "factor"),
    [({"num_streams": 1, "modulation": "qpsk", "coderate": 0.2}, 12, -15.0, 1.25), ({}, 144, 6.0, 1.05)],
    ids=["label", "pixels"],
)
def test_uses_that_the_code_is_weak_on_beat_random_ones(
    values: dict[str, Any], num_bits: int, ssnr_db: float, factor: float
) -> None:
    """Over the link itself, with fresh fading and payloads: a quarter, or a twentieth, more errors for every seed."""
    link = DigitalLink(LinkSettings(**values), num_bits)
    layout = AirLayout(link.framing.num_channel_uses, 0, coded_uses(link.transmitter))
    for seed in (1, 2, 3):
        bits = rng.generator(seed, "payload").integers(0, 2, (4000, num_bits))
        errors = []
        for shuffled in (False, True):
            made = jammer(Plan("code-graph", 0.25), 1.0, ssnr_db=ssnr_db, shuffled=shuffled)
            noise = made([layout] * len(bits), *draws(seed))
            received = link(bits, 18.0, seed_words(seed, "fresh"), interference=noise)
            errors.append((received.bits != bits).any(axis=1).mean())
        assert 0.02 < errors[1] < 0.8, (seed, errors)
        assert errors[0] > factor * errors[1], (seed, errors)


def test_the_header_is_the_cheapest_target_of_a_stream(link: StreamLink) -> None:
    """4 of 25 uses: 8 dB more on each of them, and without the length nothing can be read."""
    layout = link.layout(160)
    for seed in (1, 2, 3):
        streams = list(rng.generator(seed, "payload").integers(0, 2, (512, 160)).astype(np.uint8))
        lost = []
        for shuffled in (False, True):
            noise = jammer(Plan("header", None), 1.0, ssnr_db=12.0, shuffled=shuffled)([layout] * 512, *draws(seed))
            lost.append(1 - link(streams, 18.0, seed_words(seed, "fresh"), noise).error_free.mean())
        assert lost[0] > 0.7, (seed, lost)
        assert lost[1] < 0.5 * lost[0], (seed, lost)


def test_the_search_on_the_code_always_finds_the_same_and_no_more_than_there_is(layouts) -> None:
    from sc_sionna.attacks import code_graph

    word = layouts[0].blocks[0]
    found = costliest_uses(word, 5)
    code_graph._FOUND.clear()
    np.testing.assert_array_equal(costliest_uses(word, 5), found)
    assert len(set(found)) == 5
    assert set(found) <= set(range(word.num_uses))
    np.testing.assert_array_equal(costliest_uses(word, 1000), np.arange(word.num_uses))


def test_an_attacker_tries_what_its_settings_leave_open_and_takes_what_leaves_least(layouts) -> None:
    plans = candidates(JammerSettings(), layouts)
    assert {plan.pattern for plan in plans} == {"burst", "strided", "code-graph", "header"}
    assert sum(plan.share == 1 for plan in plans) == 1
    assert len(plans) == 3 * (len(SHARES) - 1) + 2
    assert candidates(JammerSettings(pattern="strided", share=0.3), layouts) == [Plan("strided", 0.3)]
    assert best_plan(plans, lambda plan: (plan.pattern != "code-graph", plan.share or 0)) == Plan("code-graph", 1 / 16)
    assert best_plan(plans, lambda plan: (0.0,)) == plans[0]


def test_bad_settings_are_one_line(layouts) -> None:
    analog = [AirLayout(24)]
    assert applicable(analog) == ("burst", "strided")
    for build, words in (
        (lambda: JammerSettings(share=0.0), "share"),
        (lambda: JammerSettings(share=1.5), "share"),
        (lambda: JammerSettings(ssnr_db=float("nan")), "ssnr_db"),
        (lambda: JammerSettings(pattern="comb"), "pattern"),
        (lambda: JammerSettings(pattern="header", share=0.5), "leave share out"),
        (lambda: candidates(JammerSettings(pattern="header"), analog), "sends no header; take burst, strided or best"),
        (lambda: candidates(JammerSettings(pattern="code-graph"), analog), "sends no code words"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            build()
        assert "\n" not in str(caught.value)
