# SPDX-License-Identifier: Apache-2.0
"""Functions of one value and conversions as .tflite files."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests import tflite_builder as tb

from .models import PLAIN, Quant, Shape
from .one_op import Ends, OneOp

#: (scale, zero point); None: a type without.
Scale = tuple[float, int] | None


def scaled(scale: Scale) -> dict[str, Any]:
    """Arguments of ModelBuilder.tensor."""
    return {} if scale is None else {"scale": scale[0], "zero_point": scale[1]}


@OneOp
def convert(
    b: tb.ModelBuilder,
    kind: str,
    dtypes: tuple[str, str],
    shape: Shape,
    *,
    scales: tuple[Scale, Scale] = (None, None),
    options: tb.Options | None = None,
) -> Ends:
    """One tensor in, one of the same shape out: input's and output's types and scales."""
    x, y = (b.tensor(shape, dtype, **scaled(s)) for dtype, s in zip(dtypes, scales, strict=True))
    b.op(kind, [x], [y], options)
    return [x], [y]


@OneOp
def unary(
    b: tb.ModelBuilder,
    kind: str,
    dtype: str,
    shape: Shape,
    *,
    quant: Quant = PLAIN,
    output: Scale = None,
    options: tb.Options | None = None,
) -> Ends:
    """The same with one type; its output is rescaled by the gain of `quant` unless `output` says how.

    int16 has no zero points.
    """
    x, y = quant.input, quant.rescaled if output is None else scaled(output)
    if dtype == "float32":
        x = y = {}
    elif dtype == "int16":
        x, y = x | {"zero_point": 0}, y | {"zero_point": 0}
    ends = b.tensor(shape, dtype, **x), b.tensor(shape, dtype, **y)
    b.op(kind, [ends[0]], [ends[1]], options)
    return [ends[0]], [ends[1]]


@OneOp
def quantize(b: tb.ModelBuilder, shape: Shape, *, scale: float, zero_point: int) -> Ends:
    """QUANTIZE float32 -> int8."""
    return convert.on("QUANTIZE", ("float32", "int8"), shape, scales=(None, (scale, zero_point)))(b)


@OneOp
def dequantize(b: tb.ModelBuilder, shape: Shape, *, scale: float, zero_point: int) -> Ends:
    """DEQUANTIZE int8 -> float32."""
    return convert.on("DEQUANTIZE", ("int8", "float32"), shape, scales=((scale, zero_point), None))(b)


@OneOp
def cast(b: tb.ModelBuilder, dtypes: tuple[str, str], shape: Shape) -> Ends:
    """CAST."""
    return convert.on("CAST", dtypes, shape, options=tb.cast_options(*dtypes))(b)


@OneOp
def leaky_relu(b: tb.ModelBuilder, dtype: str, shape: Shape, *, alpha: float, quant: Quant = PLAIN) -> Ends:
    """LEAKY_RELU."""
    return unary.on("LEAKY_RELU", dtype, shape, quant=quant, options=tb.leaky_relu_options(alpha))(b)


@OneOp
def rsqrt_of_abs_int16(b: tb.ModelBuilder, shape: Shape, *, scale: float, output_scale: float) -> Ends:
    """RSQRT after ABS: the oracle stops at stored values below 0."""
    x, magnitude, y = (b.tensor(shape, "int16", scale=each) for each in (scale, scale, output_scale))
    b.op("ABS", [x], [magnitude])
    b.op("RSQRT", [magnitude], [y])
    return [x], [y]


@OneOp
def prelu(
    b: tb.ModelBuilder,
    dtype: str,
    shapes: tuple[Shape, Shape],
    *,
    quant: Quant = PLAIN,
    alpha: tuple[float, int] = (0.02, 5),
    is_constant: bool = True,
) -> Ends:
    """PRELU of a tensor and slopes, (scale, zero point) `alpha` where they are stored as int8."""
    is_float = dtype == "float32"
    symmetric = {"zero_point": 0} if dtype == "int16" else {}
    x = b.tensor(shapes[0], dtype, **({} if is_float else quant.input | symmetric))
    slope_type = "float32" if is_float else "int8"
    rng = np.random.default_rng(4)
    if not is_constant:
        slopes = b.tensor(shapes[1], slope_type, **({} if is_float else scaled(alpha)))
    elif is_float:
        slopes = b.constant(rng.normal(size=shapes[1]), slope_type)
    else:
        values = rng.integers(-128, 128, shapes[1])
        slopes = b.constant(values, slope_type, scales=alpha[:1], zero_points=alpha[1:])
    y = b.tensor(shapes[0], dtype, **({} if is_float else quant.rescaled | symmetric))
    b.op("PRELU", [x, slopes], [y], None)
    return [x] if is_constant else [x, slopes], [y]
