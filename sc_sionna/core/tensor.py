"""The type of a tensor, whichever backend Keras runs on."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the Keras backend, or an array that it takes for one; a type checker sees neither, so that it is Any."""
