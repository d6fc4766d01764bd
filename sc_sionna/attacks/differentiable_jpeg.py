"""JPEG as an attacker differentiates it: the true decoded image forward, cubic rounding backward.

image ─ RGB→YCbCr ─ subsampling ─ 8×8 DCT ─ ÷ table, round, × table ─ inverse DCT ─ upsampling ─ YCbCr→RGB ─▶ image

The forward pass is the integer arithmetic of libjpeg-turbo with its default settings ("islow" DCT, "fancy" upsampling),
which Pillow runs: the decoded image is the same to the last bit (a test compares them). The arithmetic is done in float64,
where integers below 2^53 are exact, so that it runs on every backend and device. The backward pass is that of the linear
maps in between; the rounding of a coefficient x counts as round(x) + (x − round(x))³, whose slope is 3·(x − round(x))²
(Shin & Song 2017, "JPEG-resistant adversarial images"), every other rounding as the identity.
"""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from sc_sionna.core.errors import UserError
from sc_sionna.core.tensor import Tensor

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
FACTORS: dict[str, tuple[int, int]] = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}  # rows, columns

# ITU-T T.81, Tables K.1 and K.2
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMINANCE = np.full((8, 8), 99)
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def quantisation_table(base: np.ndarray, quality: int) -> np.ndarray:
    """A standard table scaled by the quality as libjpeg does: 8×8 integers from 1 to 255."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((base * scale + 50) // 100, 1, 255)


def _fixed(value: float, bits: int) -> int:
    """A constant as libjpeg's fixed-point integer."""
    return int(value * 2**bits + 0.5)


def _dct_matrix() -> np.ndarray:
    """The DCT of Loeffler, Ligtenberg & Moschytz (1989) in 13-bit integers, times √8: ``[8, 8]``, row = frequency.

    libjpeg evaluates it as a flow graph of additions and products, exactly; only each pass's result is rounded.
    """
    c = {v: _fixed(v, 13) for v in (0.298631336, 0.390180644, 0.541196100, 0.765366865, 0.899976223, 1.175875602)}
    c |= {v: _fixed(v, 13) for v in (1.501321110, 1.847759065, 1.961570560, 2.053119869, 2.562915447, 3.072711026)}
    x = np.eye(8, dtype=np.int64)
    t0, t1, t2, t3 = (x[i] + x[7 - i] for i in range(4))
    t7, t6, t5, t4 = (x[i] - x[7 - i] for i in range(4))
    even0, even3, even1, even2 = t0 + t3, t0 - t3, t1 + t2, t1 - t2
    z = (even2 + even3) * c[0.541196100]
    z5 = (t4 + t6 + t5 + t7) * c[1.175875602]
    z1, z2 = -(t4 + t7) * c[0.899976223], -(t5 + t6) * c[2.562915447]
    z3, z4 = z5 - (t4 + t6) * c[1.961570560], z5 - (t5 + t7) * c[0.390180644]
    return np.stack(
        [
            (even0 + even1) << 13,
            t7 * c[1.501321110] + z1 + z4,
            z + even3 * c[0.765366865],
            t6 * c[3.072711026] + z2 + z3,
            (even0 - even1) << 13,
            t5 * c[2.053119869] + z2 + z4,
            z - even2 * c[1.847759065],
            t4 * c[0.298631336] + z1 + z3,
        ]
    )


DCT = _dct_matrix().astype(np.float64)
_PASS1, _PASS2, _INVERSE_PASS2 = 2.0**11, 2.0**15, 2.0**18  # the scale that each pass takes away again

# RGB→YCbCr and back in 16-bit integers; libjpeg adds a little less than 1/2 to the chroma before it cuts
_TO_YCBCR = np.array(
    [
        [_fixed(0.29900, 16), _fixed(0.58700, 16), _fixed(0.11400, 16)],
        [-_fixed(0.16874, 16), -_fixed(0.33126, 16), _fixed(0.50000, 16)],
        [_fixed(0.50000, 16), -_fixed(0.41869, 16), -_fixed(0.08131, 16)],
    ],
    np.float64,
)
_TO_YCBCR_OFFSET = np.array([2.0**15, 2.0**23 + 2.0**15 - 1, 2.0**23 + 2.0**15 - 1])
_CR_RED, _CB_BLUE = float(_fixed(1.40200, 16)), float(_fixed(1.77200, 16))
_CB_GREEN, _CR_GREEN = float(_fixed(0.34414, 16)), float(_fixed(0.71414, 16))


def with_slope(value: Tensor, x: Tensor, slope: float | Tensor = 1.0) -> Tensor:
    """``value`` forward, to the last bit; backward as if its derivative with respect to ``x`` were ``slope``."""
    return ops.stop_gradient(value) + slope * (x - ops.stop_gradient(x))


def _constant(values: Any) -> Tensor:
    return ops.convert_to_tensor(np.ascontiguousarray(values, np.float64))


def _floor(x: Tensor) -> Tensor:
    return with_slope(ops.floor(x), x)


def _extend(x: Tensor, multiple: int, axis: int) -> Tensor:
    """Repeat the last row (axis 1) or column (axis 2) of ``[B, H, W]`` up to a multiple."""
    missing = -x.shape[axis] % multiple
    last = x[:, -1:] if axis == 1 else x[:, :, -1:]
    return x if missing == 0 else ops.concatenate([x] + missing * [last], axis=axis)


def _subsample(plane: Tensor, rows: int, columns: int) -> Tensor:
    """Means of ``rows`` × ``columns`` pixels of ``[B, H, W]``; the rounding offset takes turns along a row."""
    plane = _extend(_extend(plane, rows, 1), 8 * columns, 2)
    if columns == 1:
        return plane
    height, width = plane.shape[1] // rows, plane.shape[2] // columns
    total = ops.sum(ops.reshape(plane, (-1, height, rows, width, columns)), axis=(2, 4))
    offset = np.where(np.arange(width) % 2 == 0, rows - 1.0, rows)  # 0, 1 of two pixels; 1, 2 of four
    return _floor((total + _constant(offset)) / (rows * columns))


def _code(plane: Tensor, table: Tensor) -> Tensor:
    """DCT, quantisation and back: ``[B, h, W]`` to ``[B, h', W]``, both sides now multiples of 8."""
    plane = _extend(_extend(plane, 8, 1), 8, 2)
    height, width = plane.shape[1:]
    x = ops.reshape(plane - 128.0, (-1, height // 8, 8, width // 8, 8))
    dct = _constant(DCT)
    x = _floor(ops.einsum("fj,bhiwj->bhiwf", dct, x) / _PASS1 + 0.5)
    x = _floor(ops.einsum("gi,bhiwf->bhgwf", dct, x) / _PASS2 + 0.5)
    table = _constant(table[:, None, :])
    steps = 8.0 * table  # the DCT is scaled by 8
    scaled = x / steps
    level = ops.sign(x) * ops.floor((ops.abs(x) + steps / 2) / steps)  # rounded, halves away from 0
    level = with_slope(level, scaled, ops.stop_gradient(3.0 * ops.square(scaled - level)))
    x = level * table
    x = _floor(ops.einsum("gi,bhgwf->bhiwf", dct, x) / _PASS1 + 0.5)
    x = _floor(ops.einsum("fj,bhiwf->bhiwj", dct, x) / _INVERSE_PASS2 + 0.5)
    return ops.clip(ops.reshape(x, (-1, height, width)) + 128.0, 0.0, 255.0)


def _neighbours(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The previous and the next row (axis 1) or column (axis 2), at the edge the same one."""
    if axis == 1:
        return ops.concatenate([x[:, :1], x[:, :-1]], axis=1), ops.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    return ops.concatenate([x[:, :, :1], x[:, :, :-1]], axis=2), ops.concatenate([x[:, :, 1:], x[:, :, -1:]], axis=2)


def _upsample(plane: Tensor, rows: int, columns: int) -> Tensor:
    """Twice the rows and columns with the weights 3/4 and 1/4 of the nearer and the farther sample."""
    if columns == 1:
        return plane
    if rows == 2:
        above, below = _neighbours(plane, 1)
        pair = ops.stack([3.0 * plane + above, 3.0 * plane + below], axis=2)
        plane = ops.reshape(pair, (-1, 2 * plane.shape[1], plane.shape[2]))
    left, right = _neighbours(plane, 2)
    offsets, scale = ((8.0, 7.0), 16.0) if rows == 2 else ((1.0, 2.0), 4.0)
    pair = ops.stack([3.0 * plane + left + offsets[0], 3.0 * plane + right + offsets[1]], axis=3)
    return _floor(ops.reshape(pair, (-1, plane.shape[1], 2 * plane.shape[2])) / scale)


def _halve(pixels: Tensor) -> Tensor:
    """Means of 2 × 2 pixels of ``[B, H, W, 3]`` as Pillow's box filter takes them: rows first, rounded, then columns."""
    if pixels.shape[1] % 2 or pixels.shape[2] % 2:
        raise UserError(
            f"images of {pixels.shape[1]} x {pixels.shape[2]} pixels: an odd size has no exact half; set source.halved = "
            "false"
        )
    rows = _floor((pixels[:, :, ::2] + pixels[:, :, 1::2]) / 2.0 + 0.5)
    return _floor((rows[:, ::2] + rows[:, 1::2]) / 2.0 + 0.5)


def _double(pixels: Tensor) -> Tensor:
    """Twice the size by Pillow's bilinear filter, 3/4 of the nearer pixel and 1/4 of the farther, rounded twice."""
    for axis in (2, 1):
        before, after = _neighbours(pixels, axis)
        pair = ops.stack([3.0 * pixels + before, 3.0 * pixels + after], axis=axis + 1)
        shape = [-1, *pixels.shape[1:]]
        shape[axis] *= 2
        pixels = _floor(ops.reshape(pair, shape) / 4.0 + 0.5)
    return pixels


class DifferentiableJpeg(keras.layers.Layer):
    """An image through JPEG and back, ``[B, H, W, 3]`` in [0, 1] to the same: Pillow's image, with a gradient.

    Parameters
    ----------
    quality : from 1 to 100, scales the standard tables
    subsampling : of the chroma, ``"4:4:4"``, ``"4:2:2"`` or ``"4:2:0"``
    halved : whether the image is coded at half its height and width, which are even then

    Heights and widths are static; the batch size need not be. UserError for a quality or a subsampling that JPEG lacks, and
    for an odd size that is to be halved.
    """

    def __init__(
        self, quality: int = 75, subsampling: Subsampling = "4:2:0", halved: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        if not 1 <= quality <= 100:
            raise UserError(f"quality = {quality}: JPEG's quality is from 1 to 100; set it there")
        if subsampling not in FACTORS:
            raise UserError(f"subsampling = {subsampling!r}: unknown; choose {', '.join(FACTORS)}")
        self.quality, self.subsampling, self.halved = quality, subsampling, halved

    def call(self, images: Tensor) -> Tensor:
        """Decoded images ``[B, H, W, 3]``, float32 in [0, 1]."""
        scaled = images * 255.0
        pixels = ops.cast(with_slope(ops.round(scaled), scaled), "float64")
        coded = self._through_jpeg(_halve(pixels) if self.halved else pixels)
        return ops.cast((_double(coded) if self.halved else coded) / 255.0, "float32")  # rounded once, as float32 is

    def _through_jpeg(self, pixels: Tensor) -> Tensor:
        """Whole numbers from 0 to 255 ``[B, H, W, 3]`` to the same."""
        _, height, width, _ = pixels.shape
        ycbcr = _floor((ops.matmul(pixels, _constant(_TO_YCBCR.T)) + _constant(_TO_YCBCR_OFFSET)) / 2.0**16)
        factors = FACTORS[self.subsampling]
        planes = []
        for component in range(3):
            rows, columns = factors if component else (1, 1)
            table = quantisation_table(CHROMINANCE if component else LUMINANCE, self.quality)
            plane = _code(_subsample(ycbcr[..., component], rows, columns), table)
            plane = plane[:, : -(-height // rows), : -(-width // columns)]
            planes.append(_upsample(plane, rows, columns)[:, :height, :width])
        y, cb, cr = planes[0], planes[1] - 128.0, planes[2] - 128.0
        red = y + _floor(_CR_RED * cr / 2.0**16 + 0.5)
        green = y + _floor((-_CB_GREEN * cb - _CR_GREEN * cr) / 2.0**16 + 0.5)
        blue = y + _floor(_CB_BLUE * cb / 2.0**16 + 0.5)
        return ops.clip(ops.stack([red, green, blue], axis=-1), 0.0, 255.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the input: JPEG leaves an image its size."""
        return input_shape
