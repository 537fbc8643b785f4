# SPDX-License-Identifier: Apache-2.0
"""Reductions and normalizations as .tflite files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tflite

from tests import tflite_builder as tb

from .models import PLAIN, Quant, Shape
from .one_op import Ends, OneOp


def _quantization(dtype: str, scale: float, zero_point: int) -> dict[str, Any]:
    """Arguments of ModelBuilder.tensor; int16 is symmetric."""
    if dtype == "int16":
        return {"scale": scale / 256}
    return {"scale": scale, "zero_point": zero_point} if dtype == "int8" else {}


@OneOp
def reduction(
    b: tb.ModelBuilder,
    kind: str,
    dtype: str,
    shape: Shape,
    axes: Sequence[int],
    *,
    keep_dims: bool = False,
    quant: Quant = PLAIN,
) -> Ends:
    """MEAN, SUM or REDUCE_MAX over `axes`, which may count from the end; REDUCE_MAX keeps the scale."""
    gone = {axis % len(shape) for axis in axes}
    kept = [1 if axis in gone else size for axis, size in enumerate(shape) if keep_dims or axis not in gone]
    same = quant.input["scale"], quant.input["zero_point"]
    rescaled = quant.rescaled["scale"], quant.rescaled["zero_point"]
    x = b.tensor(shape, dtype, **_quantization(dtype, *same))
    y = b.tensor(kept, dtype, **_quantization(dtype, *(same if kind == "REDUCE_MAX" else rescaled)))
    b.op(kind, [x, b.constant(axes, "int32")], [y], tb.mean_options(keep_dims=keep_dims))
    return [x], [y]


@OneOp
def arg_max(b: tb.ModelBuilder, dtype: str, index: str, shape: Shape, axis: int) -> Ends:
    """ARG_MAX along one axis, as indices of type `index`."""
    x = b.tensor(shape, dtype, **_quantization(dtype, 0.05, -3))
    y = b.tensor([size for i, size in enumerate(shape) if i != axis % len(shape)], index)
    options = "ArgMaxOptions", {"OutputType": getattr(tflite.TensorType, index.upper())}
    b.op("ARG_MAX", [x, b.constant(axis, "int32")], [y], options)
    return [x], [y]


@OneOp
def softmax(
    b: tb.ModelBuilder, dtype: str, output: str, shape: Shape, *, scale: float = 0.05, beta: float = 1.0
) -> Ends:
    """SOFTMAX over the last axis, from one type to another."""
    ranges: dict[tuple[str, str], dict[str, Any]] = {
        ("int8", "int8"): {"scale": 1 / 256, "zero_point": -128},
        ("int8", "int16"): {"scale": 1 / 65536, "zero_point": -32768},
        ("int16", "int16"): {"scale": 1 / 32768},
    }
    x = b.tensor(shape, dtype, **_quantization(dtype, scale, -3))
    y = b.tensor(shape, output, **ranges.get((dtype, output), {}))
    b.op("SOFTMAX", [x], [y], tb.softmax_options(beta=beta))
    return [x], [y]


@OneOp
def l2_normalization(b: tb.ModelBuilder, dtype: str, shape: Shape, *, zero_point: int = -3) -> Ends:
    """L2_NORMALIZATION over the last axis."""
    x = b.tensor(shape, dtype, **_quantization(dtype, 0.05, zero_point))
    y = b.tensor(shape, dtype, scale=1 / 128 if dtype == "int8" else None)
    b.op("L2_NORMALIZATION", [x], [y], ("L2NormOptions", {}))
    return [x], [y]
