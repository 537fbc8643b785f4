# SPDX-License-Identifier: Apache-2.0
"""Shapes that a file leaves open, from what an operation makes of its inputs.

Converters give up on sizes behind a RESHAPE whose shape is computed (Dense on three axes, UpSampling2D);
here that shape is a constant by then, and what follows is known again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.compiler.moves import MOVES, Moving, axis_of, interior, space_to_batch
from harness.graph import (
    BatchMatMulParams,
    FullyConnectedParams,
    GatherParams,
    Padding,
    ReduceParams,
    SqueezeParams,
    WindowParams,
)

#: As in the reader of files.
_MAX_ELEMENTS: Final = 1 << 28

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recording(Moving):
    """Asks the moves of an operation what they make, whatever the file says of its outputs."""

    made: dict[int, Shape]

    def check(self, shape: Shape, position: int) -> None:
        self.made[position] = shape


def open_shapes(m: Moving) -> dict[int, Shape]:
    """Output position -> shape, for outputs of which the file leaves a size open; empty if nobody knows."""
    if not any(tensor.is_dynamic for tensor in m.outputs()):
        return {}
    try:
        made = _made(m)
    except (ArithmeticError, LookupError, ValueError):
        # what is wrong with the operation is for its kernel to say
        return {}
    return {
        position: shape
        for position, shape in made.items()
        if m.outputs()[position].is_dynamic
        and 0 < math.prod(shape) <= _MAX_ELEMENTS
        and min(shape, default=1) > 0
    }


#: What moves its input into an output that is filled first.
_FILLED: Final = {"PAD": interior, "PADV2": interior, "SPACE_TO_BATCH_ND": space_to_batch}


def _is_sane(shape: Shape) -> bool:
    return min(shape, default=1) > 0 and math.prod(shape) <= _MAX_ELEMENTS


def _made(m: Moving) -> dict[int, Shape]:
    kind = m.op.kind
    moves_of = _FILLED.get(kind) or MOVES.get(kind)
    if moves_of is not None:
        recording = _Recording(op=m.op, tensors=m.tensors, made={})
        moves_of(recording)
        return recording.made
    rule = _RULES.get(kind)
    return {} if rule is None else {0: rule(m)}


def _reshape(m: Moving) -> Shape:
    shape = m.integers(1)
    if shape.count(-1) == 1:
        known = -math.prod(shape)
        shape[shape.index(-1)] = m.input(0).elements // known
    return tuple(shape)


def _expand_dims(m: Moving) -> Shape:
    shape = m.input(0).shape
    axis = axis_of(m.integers(1)[0], len(shape) + 1)
    return (*shape[:axis], 1, *shape[axis:])


def _squeeze(m: Moving) -> Shape:
    shape = m.input(0).shape
    axes = {axis_of(axis, len(shape)) for axis in m.options(SqueezeParams).axes}
    gone = axes or {axis for axis, size in enumerate(shape) if size == 1}
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def _together(m: Moving) -> Shape:
    """One value, or one of each operand, at a time."""
    return tuple(np.broadcast_shapes(*(tensor.shape for tensor in m.inputs())))


def _as_first(m: Moving) -> Shape:
    return m.input(0).shape


def _fully_connected(m: Moving) -> Shape:
    x, (outputs, inputs) = m.input(0), m.input(1).shape
    if m.options(FullyConnectedParams).keep_num_dims:
        return (*x.shape[:-1], outputs)
    return (x.elements // inputs, outputs)


def _batch_matmul(m: Moving) -> Shape:
    params, x, y = m.options(BatchMatMulParams), m.input(0).shape, m.input(1).shape
    rows, columns = x[-1 if params.adj_x else -2], y[-2 if params.adj_y else -1]
    return (*np.broadcast_shapes(x[:-2], y[:-2]), rows, columns)


def _window(m: Moving) -> Shape:
    """Convolutions and pools."""
    params, (batch, height, width, channels) = m.options(WindowParams), m.input(0).shape
    filters: Shape = (params.filter_height, params.filter_width)
    if not m.op.kind.endswith("POOL_2D"):
        weights = m.input(1).shape
        filters, channels = weights[1:3], weights[3 if m.op.kind == "DEPTHWISE_CONV_2D" else 0]
    strides = (params.stride_height, params.stride_width)
    dilations = (params.dilation_height, params.dilation_width)
    sides = (
        -(-size // stride)
        if params.padding is Padding.SAME
        else (size - (taps - 1) * dilation - 1) // stride + 1
        for size, taps, stride, dilation in zip((height, width), filters, strides, dilations, strict=True)
    )
    return (batch, *sides, channels)


def _given_first(m: Moving) -> Shape:
    """TRANSPOSE_CONV: the shape is an operand."""
    return tuple(m.integers(0))


def _resize(m: Moving) -> Shape:
    batch, _, _, channels = m.input(0).shape
    return (batch, *m.integers(1), channels)


def _reduce(m: Moving) -> Shape:
    shape = m.input(0).shape
    gone = {axis_of(axis, len(shape)) for axis in m.integers(1)}
    kept = m.options(ReduceParams).keep_dims
    return tuple(1 if axis in gone else n for axis, n in enumerate(shape) if kept or axis not in gone)


def _gather(m: Moving) -> Shape:
    params, shape, picks = m.options(GatherParams), m.input(0).shape, m.input(1).shape
    axis = axis_of(params.axis, len(shape))
    return (*shape[:axis], *picks[params.batch_dims :], *shape[axis + 1 :])


_RULES: Final[dict[str, Callable[[Moving], Shape]]] = {
    **dict.fromkeys(
        (
            "ABS", "CAST", "DEQUANTIZE", "ELU", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU", "LOGISTIC",
            "NEG", "QUANTIZE", "RELU", "RELU6", "RELU_N1_TO_1", "RSQRT", "SOFTMAX", "TANH",
        ),
        _as_first,
    ),
    **dict.fromkeys(("ADD", "MAXIMUM", "MINIMUM", "MUL", "PRELU", "SQUARED_DIFFERENCE", "SUB"), _together),
    **dict.fromkeys(("AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"), _window),
    **dict.fromkeys(("MEAN", "REDUCE_MAX", "SUM"), _reduce),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), _resize),
    "BATCH_MATMUL": _batch_matmul,
    "EXPAND_DIMS": _expand_dims,
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gather,
    "RESHAPE": _reshape,
    "SQUEEZE": _squeeze,
    "TRANSPOSE_CONV": _given_first,
}  # fmt: skip
