"""The one error type that a user is meant to read."""

from __future__ import annotations

from sc_sionna.core.terminal import one_line


class UserError(ValueError):
    """A setting, file or argument that cannot be used.

    The message is one line that names the value, the limit and the remedy; a line break or an escape sequence within a name
    is spelled out. The command line prints it without a traceback and exits with code 2.
    """

    # Keras appends all arguments to what is raised within a layer's call, unless it finds this mark: one line stays one
    _keras_call_info_injected = True

    def __init__(self, message: object) -> None:
        super().__init__(one_line(str(message)))
