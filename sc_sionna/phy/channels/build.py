"""A channel model's class and the arguments in the settings, put together."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from sc_sionna.core.errors import UserError
from sc_sionna.phy.channels.base import ChannelModel

_GIVEN = ("num_rx_ant", "num_tx_ant", "settings")


def build_model(cls: Any, name: str, num_rx_ant: int, num_tx_ant: int, args: Mapping[str, Any]) -> ChannelModel:
    """An instance of a channel model's class with the arguments that the settings hold.

    Raises
    ------
    UserError
        An argument that the class does not know or cannot use, or one that it needs and that is not there.
    """
    antennas = {"num_rx_ant": num_rx_ant, "num_tx_ant": num_tx_ant}
    if cls.Settings is not None:
        try:
            settings = cls.Settings(**args)
        except UserError as error:
            raise UserError(f"channel = {name!r}: channel_args: {error}") from None
        return cls(**antennas, settings=settings)
    parameters = inspect.signature(cls).parameters
    known = [parameter for parameter in parameters if parameter not in _GIVEN]
    takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    unknown = [argument for argument in args if argument not in known]
    if unknown and not takes_all:
        raise UserError(
            f"channel = {name!r}: unknown argument {unknown[0]!r} in channel_args; known: {', '.join(known) or 'none'}"
        )
    try:
        return cls(**antennas, **args)
    except UserError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:
        what = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"channel = {name!r}: cannot be built with channel_args = {dict(args)} ({type(error).__name__}: {what})"
        ) from None
