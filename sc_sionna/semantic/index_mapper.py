"""Codebook indices to bits and back (Sec. III-B3), for any codebook size J."""

from __future__ import annotations

from keras import ops

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor


class IndexMapper:
    """m = ceil(log2 J) bits per index, natural binary, most significant bit first.

    Where J is no power of two, a received pattern can name an index >= J. Policy: it is taken modulo J, so every pattern
    means a codebook vector and the error stays a wrong vector, not a lost one.
    """

    def __init__(self, codebook_size: int) -> None:
        if codebook_size < 2:
            raise UserError(f"codebook_size = {codebook_size}: an index of one vector carries no bits; set at least 2")
        self.codebook_size = codebook_size
        self.bits_per_index = (codebook_size - 1).bit_length()

    def to_bits(self, indices: Tensor) -> Tensor:
        """Indices int32 ``[B, N]`` < J to bits int32 ``[B, N·m]``."""
        indices = ops.cast(indices, "int32")
        shifts = ops.arange(self.bits_per_index - 1, -1, -1, dtype="int32")
        bits = ops.bitwise_and(ops.right_shift(indices[..., None], shifts), 1)
        return ops.reshape(bits, (-1, indices.shape[-1] * self.bits_per_index))

    def to_indices(self, bits: Tensor) -> Tensor:
        """Bits ``[B, N·m]`` to indices int32 ``[B, N]`` < J."""
        bits = ops.reshape(ops.cast(bits, "int32"), (-1, bits.shape[-1] // self.bits_per_index, self.bits_per_index))
        weights = ops.left_shift(ops.ones_like(bits), ops.arange(self.bits_per_index - 1, -1, -1, dtype="int32"))
        return ops.mod(ops.sum(bits * weights, axis=-1), self.codebook_size)
