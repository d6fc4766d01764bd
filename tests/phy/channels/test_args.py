"""Arguments of channel models: checked, completed, recorded, and those of a model of the user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import Field

from sc_sionna.cli.listing import names
from sc_sionna.core.errors import UserError
from sc_sionna.phy import channels
from sc_sionna.phy.channels import CHANNELS, ChannelModel, complex_normal, make_channel
from sc_sionna.settings import LinkSettings, Settings, settings_hash
from sc_sionna.settings.channel import CHANNEL_SETTINGS
from sc_sionna.training.channel import calibration_key
from tests.phy.helpers import seed

HERE = __name__


class WithSettings(ChannelModel):
    """Rayleigh fading of a given energy, its argument declared as a setting."""

    class Settings(Settings):
        energy: float = Field(1.0, gt=0, le=10, description="E|h|²")

    def call(self, batch_size: Any, num_realisations: int, seed: Any) -> Any:
        h = complex_normal([batch_size, num_realisations, self.num_rx_ant, self.num_tx_ant], seed)
        return h * self.settings.energy**0.5


class WithKeywords(ChannelModel):
    """The same with an argument of ``__init__``."""

    def __init__(self, num_rx_ant: int, num_tx_ant: int, energy: float) -> None:
        super().__init__(num_rx_ant, num_tx_ant)
        if energy <= 0:
            raise ValueError("energy must be positive")
        self.root = energy**0.5

    def call(self, batch_size: Any, num_realisations: int, seed: Any) -> Any:
        return self.root * complex_normal([batch_size, num_realisations, self.num_rx_ant, self.num_tx_ant], seed)


def test_arguments_of_a_built_in_model_are_completed_and_hashed() -> None:
    link = LinkSettings(channel="rician", channel_args={"k_db": 3})
    assert link.channel_args == {"k_db": 3.0, "arrival_deg": None, "departure_deg": None}
    assert LinkSettings(**link.model_dump()) == link == LinkSettings.from_stored(link.model_dump())
    other = link.with_(channel_args={"k_db": 4})
    assert other.channel_args["k_db"] == 4
    assert settings_hash(link.model_dump()) != settings_hash(other.model_dump())
    assert calibration_key(link, 64) != calibration_key(other, 64)
    assert len({link, other, LinkSettings(**link.model_dump())}) == 2  # links are the keys of caches


def test_a_stored_link_states_every_argument() -> None:
    stored = LinkSettings(channel="rician").model_dump()
    del stored["channel_args"]["k_db"]
    with pytest.raises(UserError, match=r"'channel_args.k_db' of LinkSettings is missing"):
        LinkSettings.from_stored(stored)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"channel": "rician", "channel_args": {"k": 3}}, ["unknown setting 'k'", "known: k_db, arrival_deg"]),
        ({"channel": "rician", "channel_args": {"k_db": 61}}, ["channel_args.k_db = 61", "60", "K-factor"]),
        ({"channel": "rician", "channel_args": {"arrival_deg": 181}}, ["arrival_deg = 181", "180"]),
        ({"channel_args": {"k_db": 3}}, ["unknown argument 'k_db'", "'rayleigh' takes none", "leave it out"]),
        ({"channel_args": [3]}, ["channel_args = [3]", "dictionary"]),
        ({"channel": "a:B", "channel_args": {"x": float("inf")}}, ["channel_args", "not JSON"]),
        ({"channel": "a:B", "channel_args": {"x": b"3"}}, ["channel_args", "not JSON"]),
        ({"channel": "a:B", "channel_args": {"x": "y" * 5000}}, ["5009 characters", "at most 4096", "file"]),
    ],
)
def test_arguments_that_cannot_be(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        LinkSettings(**values)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["WithSettings", "WithKeywords"])
def test_a_model_of_ones_own_takes_arguments(name: str) -> None:
    own = getattr(__import__(HERE, fromlist=[name]), name)
    values = {"channel": own, "normalize_channel": True}
    built = make_channel(LinkSettings(**values, channel_args={"energy": 4}))
    assert built.mean_energy == pytest.approx(4, rel=0.03)
    twice = make_channel(
        LinkSettings(**values, channel_args={"energy": 8})
    )  # measured again, and not taken from the first
    assert twice.mean_energy == pytest.approx(2 * built.mean_energy, rel=1e-5)
    np.testing.assert_allclose(built(4, 2, seed(1)), twice(4, 2, seed(1)), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("WithSettings", {"power": 1}, ["unknown setting 'power'", "known: energy"]),
        ("WithSettings", {"energy": 11}, ["energy = 11", "10"]),
        ("WithKeywords", {"power": 1}, ["unknown argument 'power'", "known: energy"]),
        ("WithKeywords", {}, ["missing 1 required", "'energy'"]),
        ("WithKeywords", {"energy": -1}, ["energy must be positive"]),
        ("WithKeywords", {"energy": 1, "num_rx_ant": 2}, ["unknown argument 'num_rx_ant'"]),
    ],
)
def test_arguments_that_a_model_of_ones_own_refuses(name: str, args: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        make_channel(LinkSettings(channel=getattr(__import__(HERE, fromlist=[name]), name), channel_args=args))
    assert all(word in str(caught.value) for word in [f"channel = '{HERE}:{name}'", *words]), str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_built_in_model_declares_its_arguments_once() -> None:
    assert {name: model.Settings for name, model in CHANNELS.items()} == CHANNEL_SETTINGS
    assert set(CHANNELS) == set(channels.CHANNELS)


def test_the_list_shows_arguments() -> None:
    listed = names()["channels"]
    assert "channel_args: k_db=6.0, arrival_deg=null" in listed["rician"]
    for name, settings in CHANNEL_SETTINGS.items():
        assert all(f" {argument}" in listed[name] for argument in (settings.model_fields if settings else ()))
